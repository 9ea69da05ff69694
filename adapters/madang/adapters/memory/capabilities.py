"""What the in-memory providers can do: as much as the contracts allow where that takes no other party."""

from typing import Final

from madang.ports.chat import ChatCapabilities
from madang.ports.email import EmailCapabilities
from madang.ports.faces import FaceDetectorCapabilities
from madang.ports.sms import SmsCapabilities

SMS: Final = SmsCapabilities(delivery_reports=True, idempotent=True, finds_by_key=True)

EMAIL: Final = EmailCapabilities(
    templates=True,
    attachments=True,
    inline_attachments=True,
    tags=True,
    delivery_reports=True,
    idempotent=True,
    finds_by_key=True,
)

CHAT: Final = ChatCapabilities(channels=True, threads=True, returns_id=True, idempotent=True, finds_by_key=True)

FACES: Final = FaceDetectorCapabilities(max_pixels=20_000_000)
