"""What Solapi can do. Nobody can ask it what was sent with a key: messages are listed by id, group, number and date alone."""

from typing import Final

from madang.ports.sms import SmsCapabilities

NAME: Final = "solapi"
SMS: Final = SmsCapabilities(delivery_reports=True, idempotent=False, finds_by_key=False, max_bytes=2000)
