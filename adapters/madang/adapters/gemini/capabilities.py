"""What Gemini can do. It has no idempotency keys and cannot be asked what was bought; the old SDK cannot say a seed.

Source: the Gemini API's reference (`GenerationConfig`), and Google's page on each model for its limit of input tokens. Not
verified: that every picture model keeps to a seed.
"""

from dataclasses import replace
from typing import Final

from madang.adapters.gemini.settings import LEGACY, GeminiSettings, sdk_of
from madang.ports.image_model import ImageModelCapabilities
from madang.ports.text_model import TextModelCapabilities

TEXT: Final = TextModelCapabilities(
    json_schema=True, vision=True, streaming=True, seed=True, temperature=True, max_input_tokens=1_048_576
)

IMAGE: Final = ImageModelCapabilities(
    edits_pictures=True, seed=True, webhooks=False, cancels=False, idempotent=False, finds_by_key=False, max_count=1
)


def as_configured(settings: GeminiSettings) -> TextModelCapabilities:
    """The messages of `google-generativeai` have no field for a seed."""
    return replace(TEXT, seed=sdk_of(settings) != LEGACY)
