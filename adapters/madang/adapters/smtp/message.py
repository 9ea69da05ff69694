"""Our e-mail as an Internet message (RFC 5322, MIME), built by the standard library. Pure: no clock, no network."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final

from madang.adapters.smtp.capabilities import EMAIL
from madang.adapters.smtp.settings import SmtpSettings
from madang.ports.email import Attachment, EmailAddress, EmailRequest
from madang.ports.errors import Rejected, Unsupported

NAME: Final = "smtp"
ATOMS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
DOMAIN: Final = re.compile(r"(?=.{1,253}$)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.?)+")
HEADER: Final = re.compile(r"[!-9;-~]{1,76}")
CONTENT_TYPE: Final = re.compile(r"([A-Za-z0-9!#$&^_.+-]{1,64})/([A-Za-z0-9!#$&^_.+-]{1,64})(\s*;[^\r\n]*)?")
OWN_HEADERS: Final = frozenset(
    {
        "from", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id", "sender", "return-path", "received",
        "mime-version", "content-type", "content-transfer-encoding", "content-disposition", "content-id",
    }
)  # fmt: skip
_POLICY: Final = policy.SMTP.clone(cte_type="7bit")


@dataclass(frozen=True, slots=True)
class Composed:
    """`recipients` are the envelope's: blind ones are there and nowhere in `data`."""

    message_id: str
    sender: str
    recipients: Sequence[str]
    data: bytes


def composed(request: EmailRequest, settings: SmtpSettings, now: datetime) -> Composed:
    """The message and its envelope. Raises `Rejected` and `Unsupported` for what SMTP cannot carry."""
    _check(request)
    if sum(len(each.data) for each in request.attachments) * 4 // 3 > settings.max_bytes:
        raise _rejected("the e-mail is too large", "too_large")
    sender = _address(request.sender or EmailAddress(settings.sender, settings.sender_name), "invalid_sender")
    to, cc, bcc = ([_address(each, "invalid_recipient") for each in group] for group in (request.to, request.cc, request.bcc))
    message_id = message_id_of(request.idempotency_key, sender.domain)
    message = EmailMessage(_POLICY)
    message["From"] = sender
    message["To"] = to
    if cc:
        message["Cc"] = cc
    if request.reply_to:
        message["Reply-To"] = _address(request.reply_to, "invalid_sender")
    message["Subject"] = request.subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = message_id
    for name, value in request.headers.items():
        message[name] = value
    _write(message, request)
    data = message.as_bytes()
    if len(data) > settings.max_bytes:
        raise _rejected("the e-mail is too large", "too_large")
    recipients = list(dict.fromkeys(each.addr_spec for each in (*to, *cc, *bcc)))
    return Composed(message_id, sender.addr_spec, recipients, data)


def message_id_of(idempotency_key: str, domain: str) -> str:
    """The same for the same key: a copy that was sent once more is known by it."""
    digest = hashlib.sha256(idempotency_key.encode(errors="surrogatepass")).hexdigest()
    return f"<{digest[:40]}@{domain}>"


def _write(message: EmailMessage, request: EmailRequest) -> None:
    """Text, then HTML as its alternative, what the HTML shows beside it, and the other files after both."""
    if request.text is not None:
        message.set_content(request.text)
    if request.html is not None and request.text is not None:
        message.add_alternative(request.html, subtype="html")
    elif request.html is not None:
        message.set_content(request.html, subtype="html")
    shown = [each for each in request.attachments if each.content_id and request.html is not None]
    if shown:
        part = message.get_body(("html",))
        for each in shown:
            main, sub, parameters = _type_of(each)
            assert part is not None  # noqa: S101  the HTML was written above
            part.add_related(each.data, main, sub, cid=f"<{each.content_id}>", filename=each.filename, params=parameters)
    for each in request.attachments:
        if each not in shown:
            main, sub, parameters = _type_of(each)
            message.add_attachment(each.data, main, sub, filename=each.filename, params=parameters)


def _type_of(attachment: Attachment) -> tuple[str, str, dict[str, str]]:
    found = CONTENT_TYPE.fullmatch(attachment.content_type)
    if not found or found[1].lower() in ("multipart", "message"):
        raise _rejected("an attachment's type is none that a file has", "invalid_request")
    header = EmailMessage()
    header["Content-Type"] = attachment.content_type
    return found[1], found[2], dict(header["Content-Type"].params)


def _address(person: EmailAddress, reason: str) -> Address:
    """With the domain in ASCII. Raises `Rejected`."""
    local, at, domain = person.address.rpartition("@")
    try:
        ascii_domain = domain.encode("idna").decode()
    except UnicodeError:
        ascii_domain = ""
    if not at or len(local) > 64 or not ATOMS.fullmatch(local) or not DOMAIN.fullmatch(ascii_domain):
        raise _rejected("an address is not local@domain", reason)
    return Address(person.name or "", local, ascii_domain)


def _check(request: EmailRequest) -> None:
    if request.template is not None or request.tags or request.extra:
        raise Unsupported("SMTP has no templates, no tags and nothing extra", provider=NAME, operation="send")
    if not request.to:
        raise _rejected("there is nobody to send to", "invalid_recipient")
    everybody = [*request.to, *request.cc, *request.bcc]
    if len(everybody) > EMAIL.max_recipients:
        raise _rejected("there are too many people to send to", "too_many_recipients")
    if request.text is None and request.html is None:
        raise _rejected("the e-mail has no content", "invalid_request")
    if re.search(r"[\ud800-\udfff]", (request.text or "") + (request.html or "")):
        raise _rejected("the content holds half of a character", "invalid_request")
    people = [*everybody, *(each for each in (request.sender, request.reply_to) if each)]
    if not _is_one_line([request.subject, *(each.name or "" for each in people)]):
        raise _rejected("the subject or a name holds a line break", "invalid_request")
    _check_headers(request.headers)
    words = [word for each in request.attachments for word in (each.filename, each.content_type, each.content_id or "")]
    if not _is_one_line(words) or not all(each.filename for each in request.attachments):
        raise _rejected("an attachment has no name, or a line break in it", "invalid_request")
    if any(re.search(r"[<>\s]", each.content_id or "") for each in request.attachments):
        raise _rejected("an attachment's content id is none", "invalid_request")


def _check_headers(headers: Mapping[str, str]) -> None:
    if not all(HEADER.fullmatch(name) for name in headers) or not _is_one_line(headers.values()):
        raise _rejected("a header has no valid name, or holds a line break", "invalid_request")
    if any(name.lower() in OWN_HEADERS for name in headers):
        raise _rejected("a header may not be set", "invalid_request")


def _is_one_line(lines: Iterable[str]) -> bool:
    """No line break, no other control character, whatever its name in Unicode, and no half of a character."""
    return not any(re.search(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]", line) for line in lines)


def _rejected(message: str, reason: str) -> Rejected:
    return Rejected(message, reason=reason, provider=NAME, operation="send")
