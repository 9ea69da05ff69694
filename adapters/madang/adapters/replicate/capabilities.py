"""What Replicate can do, and what the chosen model can, by the names of its inputs.

`finds_by_key` is False. Replicate takes no idempotency key, and a prediction that it lists cannot be told by ours: the list
(`GET /predictions`) names neither the webhook's address nor any text of ours, an input that the model does not know may be
refused (422), all inputs are removed an hour after the prediction ended, and nothing says how soon a new prediction is listed.
So "there surely is none" can never be answered. What does tell is the announcement of its end: it comes to an address that the
caller may make different for every purchase.
"""

from dataclasses import replace
from typing import Final

from madang.adapters.replicate.settings import ReplicateSettings
from madang.ports.image_model import ImageModelCapabilities

IMAGE_MODEL: Final = ImageModelCapabilities(
    edits_pictures=True, seed=True, webhooks=True, cancels=True, idempotent=False, finds_by_key=False, max_count=1
)


def as_configured(settings: ReplicateSettings) -> ImageModelCapabilities:
    """Without a webhook secret no webhook is believed."""
    return replace(
        IMAGE_MODEL,
        edits_pictures=bool(settings.picture_input),
        seed=bool(settings.seed_input),
        webhooks=settings.webhook_secret is not None,
        max_count=settings.max_count,
    )
