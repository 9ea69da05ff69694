"""What the sandbox's providers can do: as much as the contracts allow, so that every path of a product can be walked."""

from typing import Final

from madang.ports.image_model import ImageModelCapabilities
from madang.ports.payment import PaymentCapabilities
from madang.ports.sms import SmsCapabilities
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
    lists_payments=True,
)

SMS: Final = SmsCapabilities(delivery_reports=True, idempotent=True, finds_by_key=True, max_bytes=2000)
