"""What a deployment says about its account with the Gemini API."""

import re
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.util import find_spec
from typing import Final

from madang.ports.addresses import require_safe
from madang.ports.secret import Secret

GENAI: Final = "google-genai"
LEGACY: Final = "google-generativeai"
AUTO: Final = "auto"
_MODULES: Final = {GENAI: "genai", LEGACY: "generativeai"}
_MODEL: Final = re.compile(r"((models|tunedModels)/)?[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class GeminiSettings:
    """`model` writes, `image_model` makes pictures. `sdk` is `google-genai`, `google-generativeai` (text only; Google ended it)
    or `auto`: the first of these that is installed. `thinking_tokens` is the room for thoughts that every answer gets on top of
    what its request allows, because Gemini counts both against one limit; 0 for a model that does not think. `keep_pictures` is
    how many seconds a made picture waits on this machine to be fetched. `proxy` is the address of an HTTP proxy; the
    environment's is not used."""

    api_key: Secret
    model: str = "gemini-3.8-flash"
    image_model: str = "gemini-3.1-flash-image"
    sdk: str = AUTO
    thinking_tokens: int = 8192
    keep_pictures: float = 3600.0
    base_url: str = "https://generativelanguage.googleapis.com"
    proxy: Secret | None = None

    def __post_init__(self) -> None:
        require_safe("base_url", self.base_url)
        if not re.fullmatch(r"[!-~]+", self.api_key.reveal()):
            raise ValueError("api_key holds a character that no key has, such as a line break")
        if not all(_MODEL.fullmatch(each) for each in (self.model, self.image_model)):
            raise ValueError("model and image_model are names such as gemini-3.8-flash")
        if self.sdk not in (AUTO, GENAI, LEGACY):
            raise ValueError(f"sdk is {AUTO}, {GENAI} or {LEGACY}")
        if not 0 <= self.thinking_tokens <= 65_536:
            raise ValueError("thinking_tokens is 0 to 65536")
        if not 60 <= self.keep_pictures <= 86_400:
            raise ValueError("keep_pictures is 60 to 86400 seconds")


def sdk_of(settings: GeminiSettings) -> str:
    """The SDK to speak through; with `auto` and neither installed, the newer one, whose import then says what is missing."""
    if settings.sdk != AUTO:
        return settings.sdk
    return LEGACY if not _is_installed(GENAI) and _is_installed(LEGACY) else GENAI


def _is_installed(sdk: str) -> bool:
    """Looked up in the namespace `google`, which holds no code: nothing is imported."""
    namespace = find_spec("google")
    places = namespace.submodule_search_locations if namespace else None
    return places is not None and PathFinder.find_spec(f"google.{_MODULES[sdk]}", list(places)) is not None
