"""What the in-memory providers can do: as much as the contracts allow where that takes no other party."""

from typing import Final

from madang.ports.chat import ChatCapabilities
from madang.ports.email import EmailCapabilities
from madang.ports.faces import FaceDetectorCapabilities
from madang.ports.identity import IdentityCapabilities
from madang.ports.image_model import ImageModelCapabilities
from madang.ports.payment import PaymentCapabilities
from madang.ports.sms import SmsCapabilities
from madang.ports.social import LengthRule, MediaRules, SocialCapabilities
from madang.ports.storage import StorageCapabilities
from madang.ports.text_model import TextModelCapabilities

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

TEXT_MODEL: Final = TextModelCapabilities(streaming=True, temperature=False)

IMAGE_MODEL: Final = ImageModelCapabilities(idempotent=True, finds_by_key=True, max_count=4)

STORAGE: Final = StorageCapabilities(presigned_get=False, presigned_put=False, max_object_bytes=256 * 1024**2)

PAYMENT: Final = PaymentCapabilities(
    idempotent=True,
    finds_by_payment_id=True,
    finds_refunds=True,
    subscriptions=True,
    changes_subscriptions=True,
    cancels_at_period_end=True,
    resumes_subscriptions=True,
    stored_methods=True,
    lists_payments=True,
    closes_checkouts=True,
)

ISSUER: Final = "https://memory.invalid"

IDENTITY: Final = IdentityCapabilities(issuers=frozenset({ISSUER}), fetches_people=True, deletes_people=True, webhooks=True)

POSTS_A_DAY: Final = 250

SOCIAL: Final = SocialCapabilities(
    length=LengthRule(500),
    media=MediaRules(max_bytes={"image/jpeg": 5 * 1024**2, "image/png": 5 * 1024**2}),
    quotes=False,
    idempotent=True,
    rotates_refresh_tokens=True,
    public_profiles=True,
    reads_quota=True,
    metrics=frozenset({"views", "likes", "replies", "reposts"}),
)
