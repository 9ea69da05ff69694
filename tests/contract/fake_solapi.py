"""Solapi as its documents and its SDK say: signed requests, messages with status codes, and what it refuses by which name."""

import hmac
import re
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from madang.plugins.conformance.remote import Arrived, Fault, RemoteService, Reply

API_KEY: Final = "TESTKEYNOTSECRET"
API_SECRET: Final = "test-secret-not-secret"
SENDERS: Final = frozenset({"0212345678", "01087654321", "15881234"})

SIGNED: Final = re.compile(r"HMAC-SHA256 apiKey=(\w+), date=(\S+), salt=(\w{12,64}), signature=([0-9a-f]{64})", re.IGNORECASE)
BODY: Final = {
    "messages": list,
    "allowDuplicates": bool,
    "showMessageList": bool,
    "agent": dict,
    "scheduledDate": str,
    "appId": str,
}
MESSAGE: Final = {
    "to": str, "from": str, "text": str, "type": str, "country": str, "subject": str, "autoTypeDetect": bool,
    "customFields": dict, "imageId": str,
}  # fmt: skip
LIMITS: Final = {"SMS": 90, "LMS": 2000}


class FakeSolapi(RemoteService):
    """Keeps the messages that it took by id. `refusing` gives numbers a status code of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: dict[str, dict[str, Any]] = {}
        self.refusing: dict[str, str] = {}
        self.balance = 10_000
        self._signatures: set[str] = set()
        self._lock = threading.Lock()

    def answer(self, request: Arrived) -> Reply:
        with self._lock:
            return self._unsigned(request) or self._answer(request)

    def refusal(self, fault: Fault) -> Reply:
        match fault:
            case Fault.RATE_LIMITED:
                return refusal(429, "TooManyRequests", **{"retry-after": "7"})
            case Fault.WRONG_KEY:
                return refusal(403, "InvalidAPIKey")
            case Fault.UNAVAILABLE:
                return Reply(503, "Service Unavailable")
            case _:
                return Reply(500, "Internal Server Error")

    def becomes(self, receipt_id: str, code: str) -> None:
        """The message has this status code from now on."""
        with self._lock:
            self.sent[receipt_id]["statusCode"] = code

    def _unsigned(self, request: Arrived) -> Reply | None:
        signed = SIGNED.fullmatch(request.headers.get("authorization", ""))
        if signed is None:
            return refusal(401, "Unauthorized")
        key, date, salt, signature = signed.groups()
        if key != API_KEY:
            return refusal(403, "InvalidAPIKey")
        if abs(datetime.now(UTC) - datetime.fromisoformat(date)) > timedelta(minutes=15):
            return refusal(403, "RequestTimeTooSkewed")
        if signature != hmac.new(API_SECRET.encode(), (date + salt).encode(), "sha256").hexdigest():
            return refusal(403, "SignatureDoesNotMatch")
        if signature in self._signatures:
            return refusal(403, "DuplicatedSignature")
        self._signatures.add(signature)
        return None

    def _answer(self, request: Arrived) -> Reply:
        match request.method, request.path:
            case "POST", "/messages/v4/send-many/detail":
                return self.send(request)
            case "GET", "/messages/v4/list":
                return self._list(request.query)
            case "GET", "/cash/v1/balance":
                return Reply(200, {"balance": self.balance, "point": 50, "accountId": "12925149"})
            case _:
                return refusal(404, "ResourceNotFound")

    def send(self, request: Arrived) -> Reply:
        if request.headers.get("content-type") != "application/json" or not _fits(request.json, BODY):
            return refusal(400, "ValidationError")
        body = request.json
        if len(body.get("messages", [])) != 1 or not all(_fits(each, MESSAGE) for each in body["messages"]):
            return refusal(400, "ValidationError")
        [message] = body["messages"]
        if self.balance <= 0:
            return refusal(402, "NotEnoughBalance")
        number = len(self.sent) + 1
        kept = {**message, "messageId": f"M4V{number:029d}", "groupId": f"G4V{number:029d}", "statusCode": "2000"}
        code = self._code(message)
        if code == "2000":
            self.sent[kept["messageId"]] = kept
        return Reply(200, _told(kept, code, listed=bool(body.get("showMessageList"))))

    def _code(self, message: Mapping[str, Any]) -> str:
        """Why Solapi does not take it, or 2000."""
        text, kind = message.get("text", ""), message.get("type")
        kind = kind or ("SMS" if _length(text) <= LIMITS["SMS"] and "subject" not in message else "LMS")
        subject, fields = message.get("subject", ""), message.get("customFields", {})
        wrong = {
            "1010": not message.get("to") or not text,
            "1011": not re.fullmatch(r"\d{5,15}", message.get("to", "")) or not message.get("country", "82").isdigit(),
            "1062": message.get("from") not in SENDERS,
            "1013": kind == "SMS" and bool(subject),
            "1014": _length(subject) > 40,
            "1025": kind not in LIMITS or (kind != "SMS" and message.get("country", "82") != "82"),
            "1028": not all(each.isprintable() or each == "\n" for each in text),
            "1031": _length(text) > LIMITS.get(kind, 0),
            "1032": not all(isinstance(v, str) and len(k) <= 30 and len(v) <= 100 for k, v in fields.items()),
        }
        return next((code for code, is_so in wrong.items() if is_so), self.refusing.get(message["to"], "2000"))

    def _list(self, query: Mapping[str, str]) -> Reply:
        if not query or not query.keys() <= {"messageId", "groupId", "limit", "startKey"}:
            return refusal(400, "ValidationError")
        wanted = {name: value for name, value in query.items() if name in ("messageId", "groupId")}
        found = {key: each for key, each in self.sent.items() if wanted.items() <= each.items()}
        return Reply(200, {"startKey": None, "nextKey": None, "limit": 20, "messageList": found})


def refusal(status: int, name: str, **headers: str) -> Reply:
    return Reply(status, {"errorCode": name, "errorMessage": "01012345678 은(는) 안 됩니다."}, headers)


def _fits(given: object, fields: Mapping[str, type]) -> bool:
    """Nothing but what is known, each of its type."""
    return isinstance(given, dict) and all(name in fields and isinstance(each, fields[name]) for name, each in given.items())


def _length(text: str) -> int:
    return len(text.encode("cp949", "replace"))


def _told(message: Mapping[str, Any], code: str, listed: bool) -> dict[str, Any]:
    """The answer's shape is held by the SDK's own model in the tests."""
    told = {"messageId": message["messageId"], "statusCode": code, "statusMessage": "01012345678"}
    refused = code != "2000"
    failed = {**told, "to": message["to"], "from": message["from"], "type": "SMS", "country": "82", "accountId": "12925149"}
    count = {
        "total": 1, "sentTotal": 0, "sentFailed": 0, "sentSuccess": 0, "sentPending": 0, "sentReplacement": 0, "refund": 0,
        "registeredFailed": int(refused), "registeredSuccess": int(not refused),
    }  # fmt: skip
    money = {"requested": 0, "replacement": 0, "refund": 0, "sum": 0}
    group = {
        "count": count, "countForCharge": {"sms": {"82": 1}}, "balance": money, "point": money, "app": {}, "log": [],
        "status": "SENDING", "allowDuplicates": False, "isRefunded": False, "accountId": "12925149", "masterAccountId": None,
        "apiVersion": "4", "groupId": message["groupId"], "price": {}, "dateCreated": "2026-03-01T12:00:00.000Z",
        "dateUpdated": "2026-03-01T12:00:00.000Z",
    }  # fmt: skip
    answer: dict[str, Any] = {"failedMessageList": [failed] if refused else [], "groupInfo": group}
    return {**answer, "messageList": [] if refused else [told]} if listed else answer
