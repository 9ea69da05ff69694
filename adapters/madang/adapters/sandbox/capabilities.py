"""What the sandbox's providers can do: as much as the contracts allow, so that every path of a product can be walked."""

from datetime import timedelta
from typing import Final

from madang.ports.chat import ChatCapabilities
from madang.ports.email import EmailCapabilities
from madang.ports.image_model import ImageModelCapabilities
from madang.ports.money import Cost
from madang.ports.payment import PaymentCapabilities
from madang.ports.sms import SmsCapabilities
from madang.ports.social import LengthRule, MediaRules, SocialCapabilities
from madang.ports.text_model import TextModelCapabilities

TEXT_MODEL: Final = TextModelCapabilities(json_schema=True, vision=True, streaming=True, seed=True, temperature=False)

IMAGE_MODEL: Final = ImageModelCapabilities(
    edits_pictures=True, seed=True, webhooks=True, cancels=True, idempotent=True, finds_by_key=True, max_count=4
)

PAYMENT: Final = PaymentCapabilities(
    confirms=False,
    partial_refunds=True,
    idempotent=True,
    finds_by_payment_id=True,
    finds_refunds=True,
    signed_webhooks=True,
    subscriptions=False,
    stored_methods=True,
    lists_payments=True,
)

SMS: Final = SmsCapabilities(delivery_reports=True, idempotent=True, finds_by_key=True, max_bytes=2000)

EMAIL: Final = EmailCapabilities(
    templates=False,
    attachments=True,
    inline_attachments=True,
    tags=True,
    delivery_reports=True,
    webhooks=False,
    idempotent=True,
    finds_by_key=True,
)

CHAT: Final = ChatCapabilities(channels=True, threads=True, fields=True, returns_id=True, idempotent=True, finds_by_key=True)

POST_QUOTA: Final = (250, timedelta(days=1))

SOCIAL: Final = SocialCapabilities(
    length=LengthRule(500),
    media=MediaRules(
        max_count=4,
        max_bytes={"image/jpeg": 5 * 1024**2, "image/png": 5 * 1024**2, "image/webp": 5 * 1024**2},
        mixes_kinds=False,
    ),
    idempotent=True,
    refuses_duplicates=False,
    rotates_refresh_tokens=True,
    public_profiles=True,
    reads_quota=True,
    metrics=frozenset({"views", "likes", "replies", "reposts", "quotes", "link_clicks"}),
    post_quota=POST_QUOTA,
    cost_per_post=Cost(0),
)
