"""What Solapi answers, as ours. Pure: no clock, no network.

Source: Solapi's published documents (`message-status-codes`, `api-key`, the errors of the message API v4) and the SDKs
`solapi` 5.0.3 for Python and 6 for Node.js. A 200 does not say that a message was taken: its status code does. The SDK for
Node.js takes a 503 as "nothing was done" and asks again, so it is `Unavailable` here. A signature is good once: one that was
seen before means that somebody on the way sent our request twice, and the first may have been taken.

Not verified: `Unauthorized`, `TooManyRequests`, and whether a KISA report (1064, 2064) is about the sender, as assumed here.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from madang.adapters.solapi.capabilities import NAME
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable
from madang.ports.sms import SmsReceipt, SmsStatus

STATUSES: Final[Mapping[str, SmsStatus]] = {
    "2000": SmsStatus.ACCEPTED,
    "3000": SmsStatus.ACCEPTED,
    "3014": SmsStatus.ACCEPTED,
    "3048": SmsStatus.ACCEPTED,
    "4000": SmsStatus.DELIVERED,
}
"""3014 and 3048 say that the carrier does not know either."""

REFUSED: Final[Mapping[str, tuple[str, str]]] = {
    "1010": ("invalid_request", "a value is missing"),
    "1011": ("invalid_request", "a value has the wrong form"),
    "1013": ("invalid_request", "an SMS has no subject"),
    "1014": ("too_long", "the subject is too long"),
    "1021": ("not_found", "no such message"),
    "1022": ("not_found", "no such group"),
    "1023": ("invalid_request", "no such picture"),
    "1025": ("invalid_request", "no such type of message"),
    "1026": ("invalid_request", "a recipient is named twice"),
    "1027": ("invalid_request", "the text is not UTF-8"),
    "1028": ("invalid_request", "the text holds a character that cannot be printed"),
    "1029": ("invalid_request", "the text holds a character outside EUC-KR"),
    "1031": ("too_long", "the text is too long"),
    "1032": ("invalid_request", "a custom field is too long"),
    "1034": ("invalid_request", "no such picture"),
    "1060": ("blocked", "the recipient's number is blocked"),
    "1061": ("blocked", "the recipient refused further messages"),
    "2011": ("invalid_request", "a value has the wrong form"),
    "2060": ("blocked", "the recipient's number is blocked"),
    "2061": ("blocked", "the recipient refused further messages"),
    "2254": ("blocked", "taken for spam"),
    "3010": ("invalid_recipient", "the recipient's number has the wrong form"),
    "3011": ("invalid_request", "a value has the wrong form"),
    "3032": ("invalid_recipient", "nobody has the recipient's number"),
    "3047": ("blocked", "the recipient takes no messages"),
    "3050": ("invalid_recipient", "the telephone takes no SMS"),
    "3054": ("blocked", "taken for spam"),
    "3055": ("blocked", "taken for spam"),
    "3060": ("blocked", "the recipient is not known to be an adult"),
}
"""Refusals for good, by status code: our reason, and our words."""

OURS: Final[Mapping[str, str]] = {
    "1020": "the account is unknown",
    "1030": "the balance is used up",
    "1062": "the sender's number is not registered",
    "1064": "the sender is blocked after a report",
    "2062": "the sender's number is not registered",
    "2063": "the account is blocked",
    "2064": "the sender is blocked after a report",
    "2230": "the balance is used up",
    "3013": "the sender's number has the wrong form",
    "3059": "the sender's number is taken for forged",
}
"""What whoever runs the deployment must mend at Solapi, by status code."""

PASSING: Final[Mapping[str, str]] = {
    "1024": "Solapi failed",
    "1058": "no way to the recipient's network",
    "2024": "Solapi failed",
    "3012": "the carrier failed",
    "3024": "the carrier failed",
    "3031": "it could not be sent",
    "3040": "it took too long",
    "3041": "the telephone is busy",
    "3042": "the telephone has no reception",
    "3043": "the telephone is off",
    "3044": "the telephone is full",
    "3045": "the telephone is out of service for now",
    "3046": "the telephone has a fault",
    "3051": "the recipient cannot be called",
    "3052": "the carrier removed it",
    "3053": "the carrier's queue is full",
    "3056": "the wireless network failed",
    "3057": "the way to the telephone failed",
    "3058": "no way to the recipient's network",
}
"""Not sent for now, by status code."""

FAILURES: Final[Mapping[str, str]] = {**{code: words for code, (_, words) in REFUSED.items()}, **OURS, **PASSING}

WRONG_KEYS: Final = frozenset(
    {
        "InvalidAPIKey", "InvalidApiKey", "SignatureDoesNotMatch", "RequestTimeTooSkewed", "Unauthorized", "Forbidden",
        "InvalidAppId", "BlockedApp", "InDevelopment", "InactiveApp", "NotEnoughBalance", "BalanceInsufficient",
    }
)  # fmt: skip
"""Names of errors that whoever runs the deployment must mend: keys, permissions, the clock, the balance."""

UNDER_WAY: Final = frozenset({"DuplicatedSignature", "GroupInProcessing", "AlreadySent", "ScheduledGroup"})
REASONS: Final[Mapping[str, str]] = {
    "ValidationError": "invalid_request",
    "InvalidStatusCode": "invalid_request",
    "RecipientsTooMany": "invalid_request",
}
LIMITS: Final = frozenset({"TooManyRequests"})

_MAX_RETRY_AFTER: Final = 86_400.0
_WORD: Final = re.compile(r"[A-Za-z0-9_]{1,64}")
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")


@dataclass(frozen=True, slots=True)
class Message:
    """A message at Solapi: its id and its status code there."""

    id: str
    code: str


def sent(answer: Mapping[str, Any]) -> SmsReceipt:
    """The receipt of an answer to sending one message: by its id, or by its group's where no message is listed.

    Raises what a message that was not taken means, and `ValueError` when the answer tells nothing.
    """
    for refused in _objects(answer.get("failedMessageList")):
        raise refusal_of(str(refused.get("statusCode")), "send")
    for listed in _objects(answer.get("messageList")):
        message = Message(str(listed.get("messageId", "")), str(listed.get("statusCode")))
        if not _is_id(message.id):
            raise ValueError("the message has no id")
        if STATUSES.get(message.code) is None and message.code[:1] in ("1", "2"):
            raise refusal_of(message.code, "send")
        return receipt_of(message)
    group = _object(answer.get("groupInfo"))
    identity, count = group.get("groupId"), _object(group.get("count"))
    if not _is_id(identity) or count.get("registeredSuccess") != 1:
        raise ValueError("neither a message nor its group is named")
    return SmsReceipt(str(identity), SmsStatus.ACCEPTED)


def receipt_of(message: Message) -> SmsReceipt:
    """What became of it. A code that nobody described leaves it accepted."""
    failure = FAILURES.get(message.code)
    if failure is None:
        return SmsReceipt(message.id, STATUSES.get(message.code, SmsStatus.ACCEPTED))
    return SmsReceipt(message.id, SmsStatus.FAILED, f"{message.code}: {failure}")


def found(answer: Mapping[str, Any], receipt_id: str) -> SmsReceipt | None:
    """The message with this id, or the one of the group with this id, in a list; None when it is not there.

    Raises `ValueError` for an answer that is no list.
    """
    listed = answer.get("messageList")
    if not isinstance(listed, dict):
        raise ValueError("there is no list of messages")
    for message in _objects(list(listed.values())):
        if receipt_id in (message.get("messageId"), message.get("groupId")):
            return receipt_of(Message(receipt_id, str(message.get("statusCode"))))
    return None


def refusal_of(code: str, operation: str) -> PortError:
    """The error of a message that surely was not sent, by its status code."""
    words = FAILURES.get(code, "Solapi refuses the message")
    if code in OURS:
        return Misconfigured(f"plugins.solapi: {words}", provider=NAME, operation=operation, code=code)
    if code in PASSING:
        return Unavailable(words, provider=NAME, operation=operation, code=code)
    reason, _ = REFUSED.get(code, ("invalid_request", ""))
    return Rejected(words, reason=reason, provider=NAME, operation=operation, code=code)


def error_of(status: int, headers: Mapping[str, str], answer: Mapping[str, Any], operation: str) -> PortError:
    """The error of an answer that is no success. A failure of Solapi's (5xx) leaves open whether a message was sent."""
    name = str(answer.get("errorCode", ""))
    name = name if _WORD.fullmatch(name) else ""
    code = name or str(status)
    if name in FAILURES and status < 500:
        return refusal_of(name, operation)
    if name in LIMITS or status == 429:
        wait = retry_after_of(headers)
        return RateLimited("too many messages", retry_after=wait, provider=NAME, operation=operation, code=code)
    if operation == "send" and (name in UNDER_WAY or (status >= 500 and status != 503)):
        return OutcomeUnknown(f"Solapi answers {code}: it may be sent", provider=NAME, operation=operation, code=code)
    if status >= 500 or status == 408 or name in UNDER_WAY:
        return Unavailable(f"Solapi answers {status}", provider=NAME, operation=operation, code=code)
    if operation == "fetch" and (status == 404 or name == "ResourceNotFound"):
        return Rejected("Solapi knows no such message", reason="not_found", provider=NAME, operation=operation, code=code)
    if name in WRONG_KEYS or status < 400 or (status in (401, 402, 403, 404, 405) and name not in REASONS):
        message = "Solapi refuses plugins.solapi: its keys, the balance, the clock of this machine or base_url"
        return Misconfigured(message, provider=NAME, operation=operation, code=code)
    reason = REASONS.get(name, "too_long" if status == 413 else "invalid_request")
    return Rejected("Solapi refuses the message", reason=reason, provider=NAME, operation=operation, code=code)


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """Seconds; None where Solapi does not say."""
    value = headers.get("retry-after", "")
    return min(float(value), _MAX_RETRY_AFTER) if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", value) else None


def _objects(listed: object) -> Sequence[Mapping[str, Any]]:
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
