"""What an e-mail must be before it leaves: refusing it here costs no call, and no line break becomes a header.

Source: the limits of SendGrid's OpenAPI description `tsg_mail_v3` (nothing empty, ten categories of 255 characters) and the
headers that it reserves.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from madang.adapters.sendgrid.capabilities import EMAIL, NAME
from madang.ports.email import EmailRequest
from madang.ports.errors import Rejected

ADDRESS: Final = re.compile(r"[^@\s<>(),;:\"\\\[\]\x00-\x1f\x7f]{1,64}@[^@\s<>(),;:\"\\\x00-\x1f\x7f]{1,253}")
HEADER: Final = re.compile(r"[!-9;-~]{1,76}")
OWN_HEADERS: Final = frozenset(
    {
        "from", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id", "sender", "return-path", "received",
        "mime-version", "content-type", "content-transfer-encoding", "content-disposition", "dkim-signature", "x-sg-id",
        "x-sg-eid",
    }
)  # fmt: skip
MAX_TAGS: Final = 10
_BROKEN: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]")
_HALF: Final = re.compile(r"[\ud800-\udfff]")


def check(request: EmailRequest) -> None:
    """Raises `Rejected`."""
    _check_people(request)
    _check_headers(request.headers)
    _check_content(request)
    _check_files(request)


def rejected(message: str, reason: str) -> Rejected:
    """Refused before anything left."""
    return Rejected(message, reason=reason, provider=NAME, operation="send")


def _check_people(request: EmailRequest) -> None:
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


def _check_headers(headers: Mapping[str, str]) -> None:
    if not all(HEADER.fullmatch(name) for name in headers) or not _is_one_line(headers.values()):
        raise rejected("a header has no valid name, or holds a line break", "invalid_request")
    if any(name.lower() in OWN_HEADERS for name in headers):
        raise rejected("a header may not be set", "invalid_request")


def _check_content(request: EmailRequest) -> None:
    written = [each for each in (request.text, request.html) if each is not None]
    if bool(written) == (request.template is not None):
        raise rejected("the content is text and HTML, or a template", "invalid_request")
    if not all(each and not _HALF.search(each) for each in written):
        raise rejected("the text or the HTML is empty, or no text", "invalid_request")
    if not request.subject and request.template is None:
        raise rejected("the subject is empty", "invalid_request")
    tags = set(request.tags)
    if len(tags) > MAX_TAGS or not all(0 < len(each) <= 255 for each in tags) or not _is_one_line(tags):
        raise rejected("a tag is a short word, and there are up to ten", "invalid_request")


def _check_files(request: EmailRequest) -> None:
    files = request.attachments
    words = [word for each in files for word in (each.filename, each.content_type, each.content_id or "")]
    if not _is_one_line(words) or not all(each.filename and each.content_type and each.data for each in files):
        raise rejected("an attachment has no name, type or content, or a line break in its name", "invalid_request")
    size = sum(len(each.data) for each in files) * 4 // 3
    size += len((request.text or "").encode()) + len((request.html or "").encode())
    if size > EMAIL.max_bytes:
        raise rejected("the e-mail is too large", "too_large")


def _is_one_line(lines: Iterable[str]) -> bool:
    """No line break, no other control character, whatever its name in Unicode, and no half of a character."""
    return not any(_BROKEN.search(line) or _HALF.search(line) for line in lines)
