"""Twilio as its OpenAPI description and its error dictionary say: a form with known fields, and errors with their codes."""

import base64
import re
import threading
from typing import Any, Final

from madang.plugins.conformance.remote import Arrived, Fault, RemoteService, Reply

ACCOUNT: Final = f"AC{'0' * 32}"
AUTH_TOKEN: Final = "test-token-not-secret"
API_KEY: Final = f"SK{'0' * 32}"
API_SECRET: Final = "test-secret-not-secret"
SERVICE: Final = f"MG{'0' * 32}"
SENDERS: Final = frozenset({"+12025550123", "+821087654321", "Madang"})
TO: Final = re.compile(r"\+[1-9]\d{6,14}")
LONGEST: Final = 1600
FIELDS: Final = frozenset(
    {
        "To", "From", "MessagingServiceSid", "Body", "StatusCallback", "ApplicationSid", "ProvideFeedback", "Attempt",
        "ValidityPeriod", "ForceDelivery", "ContentRetention", "AddressRetention", "SmartEncoded", "ShortenUrls", "SendAt",
        "ScheduleType", "SendAsMms", "ContentSid", "ContentVariables", "RiskCheck", "FallbackFrom", "MediaUrl", "TrafficType",
    }
)  # fmt: skip


class FakeTwilio(RemoteService):
    """Keeps the messages that it took by sid. `refusing` gives numbers an error of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: dict[str, dict[str, Any]] = {}
        self.refusing: dict[str, int] = {}
        self._lock = threading.Lock()

    def becomes(self, receipt_id: str, status: str, error_code: int | None = None) -> None:
        """The message has this status from now on."""
        with self._lock:
            self.sent[receipt_id] |= {"status": status, "error_code": error_code}

    def answer(self, request: Arrived) -> Reply:
        if request.headers.get("authorization") not in (basic(ACCOUNT, AUTH_TOKEN), basic(API_KEY, API_SECRET)):
            return refusal(401, 20003)
        messages = f"/2010-04-01/Accounts/{ACCOUNT}/Messages"
        with self._lock:
            if request.path == f"{messages}.json":
                return self._send(request) if request.method == "POST" else self._list(request)
            sid = request.path.removeprefix(f"{messages}/").removesuffix(".json")
            if request.method != "GET" or sid not in self.sent:
                return refusal(404, 20404)
            return Reply(200, self.sent[sid])

    def refusal(self, fault: Fault) -> Reply:
        match fault:
            case Fault.RATE_LIMITED:
                return refusal(429, 20429, **{"retry-after": "7"})
            case Fault.WRONG_KEY:
                return refusal(401, 20003)
            case Fault.UNAVAILABLE:
                return refusal(503, 20503)
            case _:
                return refusal(500, 20500)

    def _send(self, request: Arrived) -> Reply:
        if request.headers.get("content-type") != "application/x-www-form-urlencoded":
            return refusal(415, 20001)
        form = dict(request.form)
        if not form.keys() <= FIELDS:
            return refusal(400, 20001)
        if code := self._code(form):
            return refusal(400, code)
        sid = f"SM{len(self.sent):032x}"
        self.sent[sid] = {
            "sid": sid, "account_sid": ACCOUNT, "api_version": "2010-04-01", "direction": "outbound-api", "to": form["To"],
            "from": form.get("From"), "messaging_service_sid": form.get("MessagingServiceSid"), "body": form["Body"],
            "status": "accepted" if "MessagingServiceSid" in form else "queued", "error_code": None, "error_message": None,
            "num_segments": "1", "num_media": "0", "price": None, "price_unit": None,
            "uri": f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{sid}.json",
        }  # fmt: skip
        return Reply(201, self.sent[sid])

    def _code(self, form: dict[str, str]) -> int | None:
        """Why Twilio does not take it."""
        sender, service = form.get("From"), form.get("MessagingServiceSid")
        wrong = {
            21604: not form.get("To"),
            21211: not TO.fullmatch(form.get("To", "")),
            21603: not sender and not service,
            21705: service not in (None, SERVICE),
            21659: sender is not None and sender not in SENDERS,
            21602: not form.get("Body"),
            21617: len(form.get("Body", "")) > LONGEST,
        }
        return next((code for code, is_so in wrong.items() if is_so), self.refusing.get(form.get("To", "")))

    def _list(self, request: Arrived) -> Reply:
        if not request.query.keys() <= {"To", "From", "DateSent", "PageSize", "Page", "PageToken"}:
            return refusal(400, 20001)
        page = list(self.sent.values())[: int(request.query.get("PageSize", "50"))]
        return Reply(200, {"messages": page, "page": 0, "page_size": 50, "next_page_uri": None})


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def refusal(status: int, code: int, **headers: str) -> Reply:
    more = f"https://www.twilio.com/docs/errors/{code}"
    body = {"code": code, "message": "The number +821012345678 is not welcome", "more_info": more, "status": status}
    return Reply(status, body, {"twilio-request-id": f"RQ{'0' * 32}", **headers})
