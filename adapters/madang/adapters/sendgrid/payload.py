"""Our e-mail as SendGrid's JSON. Pure: no clock, no network.

Source: SendGrid's OpenAPI description `tsg_mail_v3`, its Mail Send overview (1000 recipients, 30 MB) and its page of errors: an
address may be named once, text comes before HTML. The key goes along in `custom_args`, which every event about the e-mail
repeats. Not verified, because the description says nothing: that a domain must be written in ASCII.
"""

import base64
import hashlib
from collections.abc import Sequence
from typing import Any, Final

from madang.adapters.sendgrid.capabilities import NAME
from madang.adapters.sendgrid.checks import check
from madang.adapters.sendgrid.settings import SendgridSettings
from madang.ports.email import Attachment, EmailAddress, EmailRequest
from madang.ports.errors import Rejected

KEY_ARGUMENT: Final = "madang_key"
KEY_CHARACTERS: Final = 256


def payload_of(request: EmailRequest, settings: SendgridSettings) -> dict[str, Any]:
    """The body to post. Raises `Rejected`."""
    check(request)
    sender = request.sender or EmailAddress(settings.sender, settings.sender_name)
    optional = {
        "reply_to": _person(request.reply_to, "invalid_request") if request.reply_to else None,
        "subject": request.subject,
        "content": _content(request),
        "attachments": [_attachment(each) for each in request.attachments],
        "template_id": request.template.reference if request.template else None,
        "headers": dict(request.headers),
        "categories": list(dict.fromkeys(request.tags)),
    }
    return {
        "personalizations": [_envelope(request)],
        "from": _person(sender, "invalid_sender"),
        **{name: value for name, value in optional.items() if value},
        **request.extra,
    }


def key_of(idempotency_key: str) -> str:
    """The key as an event may carry it back; a longer one is digested."""
    fits = 0 < len(idempotency_key) <= KEY_CHARACTERS and idempotency_key.isprintable()
    return idempotency_key if fits else hashlib.sha256(idempotency_key.encode(errors="surrogatepass")).hexdigest()


def _envelope(request: EmailRequest) -> dict[str, Any]:
    """Everybody once, where they are seen best: SendGrid refuses an address that is named twice."""
    seen: set[str] = set()
    lists = {"to": _once(request.to, seen), "cc": _once(request.cc, seen), "bcc": _once(request.bcc, seen)}
    envelope: dict[str, Any] = {name: people for name, people in lists.items() if people}
    if request.template is not None and request.template.values:
        envelope["dynamic_template_data"] = dict(request.template.values)
    return {**envelope, "custom_args": {KEY_ARGUMENT: key_of(request.idempotency_key)}}


def _once(people: Sequence[EmailAddress], seen: set[str]) -> list[dict[str, str]]:
    chosen = []
    for each in people:
        person = _person(each, "invalid_recipient")
        if person["email"].lower() not in seen:
            seen.add(person["email"].lower())
            chosen.append(person)
    return chosen


def _person(person: EmailAddress, reason: str) -> dict[str, str]:
    local, _, domain = person.address.rpartition("@")
    try:
        address = f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        raise Rejected("a domain cannot be written in ASCII", reason=reason, provider=NAME, operation="send") from None
    return {"email": address, "name": person.name} if person.name else {"email": address}


def _content(request: EmailRequest) -> list[dict[str, str]]:
    parts = (("text/plain", request.text), ("text/html", request.html))
    return [{"type": kind, "value": value} for kind, value in parts if value is not None]


def _attachment(attachment: Attachment) -> dict[str, str]:
    content = base64.b64encode(attachment.data).decode()
    described = {"content": content, "type": attachment.content_type, "filename": attachment.filename}
    if attachment.content_id is None:
        return {**described, "disposition": "attachment"}
    return {**described, "disposition": "inline", "content_id": attachment.content_id}
