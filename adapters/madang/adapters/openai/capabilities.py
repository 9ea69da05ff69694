"""What OpenAI's models can do, by their names and by the API that asks them.

Source: OpenAI's pages of the models (context windows, pictures in, structured outputs), its description of the API 2.3.0 (only
Chat Completions has `seed`), and its answers to `temperature` from models that reason (`unsupported_value`). A name that is not
here is another server's model: what it can is said by the settings, and pictures, which most cannot see, only by them.
"""

from dataclasses import dataclass, replace
from typing import Final

from madang.adapters.openai.settings import OpenAISettings
from madang.ports.image_model import ImageModelCapabilities
from madang.ports.text_model import TextModelCapabilities


@dataclass(frozen=True, slots=True)
class Family:
    """Models that share the beginning of their names. `reasons`: they think before they write, and take no temperature."""

    prefix: str
    reasons: bool
    max_input_tokens: int


FAMILIES: Final = (
    Family("gpt-6", True, 922_000),
    Family("gpt-5.6", True, 922_000),
    Family("gpt-5", True, 272_000),
    Family("o1", True, 100_000),
    Family("o3", True, 100_000),
    Family("o4", True, 100_000),
    Family("gpt-4.1", False, 1_014_808),
    Family("gpt-4o", False, 111_616),
)
"""The context window less the longest answer; the first prefix that fits counts."""

UNKNOWN_INPUT_TOKENS: Final = 8_192

TEXT: Final = TextModelCapabilities(
    json_schema=True, vision=True, streaming=True, seed=False, temperature=False, max_input_tokens=922_000
)
"""Of the default model through the default API."""

IMAGE: Final = ImageModelCapabilities(
    edits_pictures=True, seed=False, webhooks=False, cancels=False, idempotent=False, finds_by_key=False, max_count=10
)
"""A picture comes with the answer or never: nothing can be cancelled, announced or looked up."""


def family_of(model: str) -> Family | None:
    """Whose model it is; None for one of another maker. A gateway's name (`openai/gpt-…`) and a tuned one (`ft:…`) count."""
    name = model.rsplit("/", 1)[-1].removeprefix("ft:")
    return next((family for family in FAMILIES if name.startswith(family.prefix)), None)


def draws_with_gpt(image_model: str) -> bool:
    """Whether it is one of OpenAI's own image models: they alone know `output_format` and answer without being asked how."""
    return image_model.rsplit("/", 1)[-1].startswith(("gpt-image", "chatgpt-image"))


def text_as_configured(settings: OpenAISettings) -> TextModelCapabilities:
    """By the model's name, the API and what the settings say of it."""
    family = family_of(settings.model)
    plain = family is None or not family.reasons
    known = TextModelCapabilities(
        json_schema=True,
        vision=family is not None,
        streaming=True,
        seed=plain and settings.api == "chat_completions",
        temperature=plain,
        max_input_tokens=family.max_input_tokens if family else UNKNOWN_INPUT_TOKENS,
    )
    told = {
        name: value
        for name in ("json_schema", "vision", "temperature", "seed", "max_input_tokens")
        if (value := getattr(settings, name)) is not None
    }
    if settings.api == "responses":
        told["seed"] = False
    return replace(known, **told)
