"""Our message as Twilio's form. Pure: no clock, no network.

Source: Twilio's OpenAPI description of the API 2010-04-01 (`CreateMessageRequest`) and its page on error 21617: 1600
characters, of which one outside GSM-7 may count for more. So a character outside ASCII counts two here, an emoji four.
"""

import re
from collections.abc import Mapping
from typing import Final

from madang.adapters.twilio.capabilities import NAME, SMS
from madang.adapters.twilio.settings import SENDER, TwilioSettings
from madang.ports.errors import Rejected, Unsupported
from madang.ports.sms import SmsRequest

E164: Final = re.compile(r"\+[1-9]\d{6,14}")


def form_of(request: SmsRequest, settings: TwilioSettings) -> Mapping[str, str]:
    """The fields to post. Raises `Rejected`, and `Unsupported` for a subject."""
    _check(request)
    sender, service = request.sender or settings.sender, settings.messaging_service_sid
    fields = {"To": request.to, "From": sender, "MessagingServiceSid": service, "Body": request.text}
    return {name: value for name, value in fields.items() if value is not None}


def bytes_of(text: str) -> int:
    return sum(1 if each < "\x80" else 2 if each <= "\uffff" else 4 for each in text)


def rejected(message: str, reason: str) -> Rejected:
    """Refused before anything left."""
    return Rejected(message, reason=reason, provider=NAME, operation="send")


def _check(request: SmsRequest) -> None:
    if request.subject is not None:
        raise Unsupported("an SMS through Twilio has no subject", provider=NAME, operation="send")
    if not E164.fullmatch(request.to):
        raise rejected("the recipient's number is not E.164", "invalid_recipient")
    if request.sender is not None and not SENDER.fullmatch(request.sender):
        raise rejected("the sender is neither a number nor a name", "invalid_sender")
    if not request.text.strip() or not _is_text(request.text):
        raise rejected("the text is empty, or no text", "invalid_request")
    if bytes_of(request.text) > SMS.max_bytes:
        raise rejected("the text is too long", "too_long")


def _is_text(text: str) -> bool:
    """Without halves of characters, which no encoding can carry."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
