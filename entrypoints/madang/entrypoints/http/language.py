"""Which of our two languages a reader wants, and our sentences in both."""

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final, Literal

Language = Literal["ko", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("ko", "en")


@lru_cache(maxsize=512)
def preferred(accept_language: str, default: Language = "en") -> Language:
    """The best of ours by the weights of `Accept-Language` (RFC 9110, 12.5.4); `default` when it names neither."""
    best: Language = default
    weight = 0.0
    for part in accept_language.split(",")[:20]:
        tag, _, parameter = part.strip().partition(";")
        language = tag.strip().lower().partition("-")[0]
        if language in LANGUAGES and (quality := _quality(parameter)) > weight:
            best, weight = language, quality
    return best


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return min(1.0, max(0.0, float(value)))
    except ValueError:
        return 0.0


@lru_cache(maxsize=8)
def catalogue(name: str, language: Language) -> Mapping[str, str]:
    """The sentences of `messages/<name>.<language>.toml` by code."""
    text = files(__package__).joinpath("messages", f"{name}.{language}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def sentence(name: str, code: str, language: Language, params: Mapping[str, object], otherwise: str) -> str:
    """The sentence for `code`, with `params` filled in; `otherwise` for a code that the catalogue does not know."""
    template = catalogue(name, language).get(code)
    return otherwise if template is None else template.format_map(_Filled(params))


class _Filled(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "…"
