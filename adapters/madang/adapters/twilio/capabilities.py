"""What Twilio can do. It knows no idempotency key, and nothing of ours goes along by which it could be asked: a list by
recipient and day cannot tell two messages with the same words apart."""

from typing import Final

from madang.ports.sms import SmsCapabilities

NAME: Final = "twilio"
SMS: Final = SmsCapabilities(delivery_reports=True, idempotent=False, finds_by_key=False, max_bytes=1600)
