"""Our e-mail as Resend's JSON. Pure: no clock, no network.

Source: Resend's OpenAPI description 1.5.0 (`SendEmailRequest`, `Attachment`, `Tag`, `EmailTemplateInput`). Not verified,
because the description does not say so: 40 MB for a whole message, and 50 recipients for to, cc and bcc together (it says 50
for to).
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from madang.adapters.resend.capabilities import EMAIL
from madang.adapters.resend.settings import ResendSettings
from madang.ports.email import Attachment, EmailAddress, EmailRequest, EmailTemplate
from madang.ports.errors import Rejected

NAME: Final = "resend"
ADDRESS: Final = re.compile(r"[^@\s<>(),;:\"\\\[\]\x00-\x1f\x7f]{1,64}@[^@\s<>(),;:\"\\\x00-\x1f\x7f]{1,253}")
HEADER: Final = re.compile(r"[!-9;-~]{1,76}")
KEY: Final = re.compile(r"[!-~]{1,256}")
OWN_HEADERS: Final = frozenset(
    {
        "from", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id", "sender", "return-path", "received",
        "mime-version", "content-type", "content-transfer-encoding", "content-disposition", "dkim-signature",
    }
)  # fmt: skip
_QUOTED: Final = re.compile(r"[\"\\(),:;<>@\[\].]")


def payload_of(request: EmailRequest, settings: ResendSettings) -> dict[str, Any]:
    """The body to post: the same for the same request, or its key would be refused the second time. Raises `Rejected`."""
    _check(request)
    sender = request.sender or EmailAddress(settings.sender, settings.sender_name)
    optional = {
        "cc": [shown(each) for each in request.cc],
        "bcc": [shown(each) for each in request.bcc],
        "reply_to": shown(request.reply_to) if request.reply_to else None,
        "text": request.text,
        "html": request.html,
        "template": _template(request.template) if request.template else None,
        "attachments": [_attachment(each) for each in request.attachments],
        "headers": dict(request.headers),
        "tags": [{"name": name, "value": "true"} for name in dict.fromkeys(map(_tag, request.tags))],
    }
    return {
        "from": shown(sender),
        "to": [shown(each) for each in request.to],
        "subject": request.subject,
        **{name: value for name, value in optional.items() if value},
        **request.extra,
    }


def key_of(idempotency_key: str) -> str:
    """The key as a header may carry it; one that no header can is digested."""
    if KEY.fullmatch(idempotency_key):
        return idempotency_key
    return hashlib.sha256(idempotency_key.encode(errors="surrogatepass")).hexdigest()


def shown(person: EmailAddress) -> str:
    """`Name <address>`, the name in quotes where it could be read as something else."""
    if not person.name:
        return person.address
    name = person.name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{name}" <{person.address}>' if _QUOTED.search(person.name) else f"{name} <{person.address}>"


def _check(request: EmailRequest) -> None:
    everybody = [*request.to, *request.cc, *request.bcc]
    if not request.to:
        raise rejected("there is nobody to send to", "invalid_recipient")
    if len(everybody) > EMAIL.max_recipients:
        raise rejected("there are too many people to send to", "too_many_recipients")
    if not all(ADDRESS.fullmatch(each.address) for each in everybody):
        raise rejected("an address is not local@domain", "invalid_recipient")
    senders = [each for each in (request.sender, request.reply_to) if each]
    if not all(ADDRESS.fullmatch(each.address) for each in senders):
        raise rejected("the sender's address is not local@domain", "invalid_sender")
    if not _is_one_line([request.subject, *(each.name or "" for each in (*everybody, *senders))]):
        raise rejected("the subject or a name holds a line break", "invalid_request")
    _check_headers(request.headers)
    _check_content(request)


def _check_headers(headers: Mapping[str, str]) -> None:
    if not all(HEADER.fullmatch(name) for name in headers) or not _is_one_line(headers.values()):
        raise rejected("a header has no valid name, or holds a line break", "invalid_request")
    if any(name.lower() in OWN_HEADERS for name in headers):
        raise rejected("a header may not be set", "invalid_request")


def _check_content(request: EmailRequest) -> None:
    written = request.text is not None or request.html is not None
    if written == (request.template is not None):
        raise rejected("the content is text and HTML, or a template", "invalid_request")
    if not all(0 < len(each) <= 256 for each in request.tags):
        raise rejected("a tag is a short word", "invalid_request")
    if not _is_one_line(_words_of(request.attachments)) or not all(each.filename for each in request.attachments):
        raise rejected("an attachment has no name, or a line break in it", "invalid_request")
    size = sum(len(each.data) for each in request.attachments) * 4 // 3
    size += sum(len(each.encode(errors="surrogatepass")) for each in (request.text or "", request.html or ""))
    if size > EMAIL.max_bytes:
        raise rejected("the e-mail is too large", "too_large")


def _words_of(attachments: Sequence[Attachment]) -> Iterable[str]:
    for each in attachments:
        yield from (each.filename, each.content_type, each.content_id or "")


def _is_one_line(lines: Iterable[str]) -> bool:
    """No line break and no other control character, whatever its name in Unicode."""
    return not any(re.search(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]", line) for line in lines)


def _template(template: EmailTemplate) -> Mapping[str, Any]:
    if any(isinstance(each, bool) or not isinstance(each, str | int | float) for each in template.values.values()):
        raise rejected("a template takes texts and numbers", "invalid_request")
    return {"id": template.reference, "variables": dict(template.values)}


def _tag(word: str) -> str:
    """Resend takes ASCII letters, digits, `_` and `-`; a tag only counts, so another character may become `_`."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", word)


def _attachment(attachment: Attachment) -> Mapping[str, Any]:
    content = base64.b64encode(attachment.data).decode()
    described = {"filename": attachment.filename, "content": content, "content_type": attachment.content_type}
    return {**described, "content_id": attachment.content_id} if attachment.content_id else described


def rejected(message: str, reason: str) -> Rejected:
    """Refused before anything left."""
    return Rejected(message, reason=reason, provider=NAME, operation="send")
