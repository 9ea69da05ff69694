"""Our message as Solapi's JSON, by the models of its SDK. Pure: no clock, no network.

Source: the SDK `solapi` 5.0.3, and Solapi's published documents for the limits: 90 bytes for an SMS, 2000 for an LMS, 40 for
its subject, 100 characters for a value of `customFields`, no LMS abroad. The key goes along in `customFields`, where a person
finds it in Solapi's console. Not verified: how many bytes a character outside EUC-KR counts (two are assumed, four for an
emoji), and how long a message abroad may be (Solapi decides).
"""

import hashlib
from typing import Any, Final

from solapi.model.message_type import MessageType
from solapi.model.request import VERSION
from solapi.model.request.message import Message
from solapi.model.request.send_message_request import SendMessageRequest

from madang.adapters.solapi.capabilities import NAME, SMS
from madang.adapters.solapi.numbers import KOREA, dialled, sending
from madang.adapters.solapi.settings import SolapiSettings
from madang.ports.errors import Rejected
from madang.ports.sms import SmsRequest

SHORT_BYTES: Final = 90
SUBJECT_BYTES: Final = 40
KEY_FIELD: Final = "madangKey"
KEY_CHARACTERS: Final = 100


def payload_of(request: SmsRequest, settings: SolapiSettings) -> dict[str, Any]:
    """The body to post: one message. Raises `Rejected`."""
    _check(request)
    country, to = _recipient(request.to)
    message = Message(
        to=to,
        from_=_sender(request.sender or settings.sender),
        country=country,
        text=request.text,
        subject=request.subject,
        type=type_of(request) if country == KOREA else None,
        custom_fields={KEY_FIELD: key_of(request.idempotency_key)},
    )
    body = SendMessageRequest(messages=[message], show_message_list=True, agent={"sdkVersion": VERSION})
    return dict(body.model_dump(exclude_none=True, by_alias=True))


def type_of(request: SmsRequest) -> MessageType:
    """An SMS has no subject, and 90 bytes."""
    short = request.subject is None and bytes_of(request.text) <= SHORT_BYTES
    return MessageType.SMS if short else MessageType.LMS


def bytes_of(text: str) -> int:
    """As the network counts: a character of EUC-KR has two bytes, one of ASCII has one."""
    return sum(1 if each < "\x80" else 2 if each <= "\uffff" else 4 for each in text)


def key_of(idempotency_key: str) -> str:
    """The key as `customFields` may carry it; a longer one is digested."""
    fits = 0 < len(idempotency_key) <= KEY_CHARACTERS and _is_text(idempotency_key)
    return idempotency_key if fits else hashlib.sha256(idempotency_key.encode(errors="surrogatepass")).hexdigest()


def rejected(message: str, reason: str) -> Rejected:
    """Refused before anything left."""
    return Rejected(message, reason=reason, provider=NAME, operation="send")


def _check(request: SmsRequest) -> None:
    if not request.text.strip() or not _is_text(request.text + (request.subject or "")):
        raise rejected("the text is empty, or no text", "invalid_request")
    if request.subject is not None and not request.subject.strip():
        raise rejected("the subject is empty", "invalid_request")
    if bytes_of(request.text) > SMS.max_bytes or bytes_of(request.subject or "") > SUBJECT_BYTES:
        raise rejected("the text or its subject is too long", "too_long")


def _recipient(number: str) -> tuple[str, str]:
    try:
        return dialled(number)
    except ValueError as error:
        raise rejected(f"the recipient's number cannot be used: {error}", "invalid_recipient") from None


def _sender(number: str) -> str:
    try:
        return sending(number)
    except ValueError as error:
        raise rejected(f"the sender's number cannot be used: {error}", "invalid_sender") from None


def _is_text(text: str) -> bool:
    """Without halves of characters, which no encoding can carry."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
