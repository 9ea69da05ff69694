"""What is wrong with a field, in the reader's language.

The core, the adapters and msgspec say it in English; `messages/problems.ko.toml` has each of these sentences in Korean. One
that is not there stays English.
"""

import re
from functools import lru_cache
from typing import Final

from madang.entrypoints.http.language import Language, catalogue

_NAMED: Final = re.compile(r"\{(\w+)\}")


@lru_cache(maxsize=2048)
def told(message: str, language: Language) -> str:
    if language == "en":
        return message
    sentences = catalogue("problems", language)
    if (exact := sentences.get(message)) is not None:
        return exact.replace("{{", "{").replace("}}", "}")
    for pattern, sentence in _patterns(language):
        if found := pattern.fullmatch(message):
            return sentence.format_map(found.groupdict())
    return message


@lru_cache(maxsize=2)
def _patterns(language: Language) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Those that name something; the longest sentences first, since they say most of their own."""
    templates = sorted(catalogue("problems", language).items(), key=lambda item: len(_NAMED.sub("", item[0])), reverse=True)
    return tuple((_pattern(english), sentence) for english, sentence in templates if _NAMED.search(english))


def _pattern(english: str) -> re.Pattern[str]:
    parts = _NAMED.split(english)
    written = [f"(?P<{part}>.+?)" if place % 2 else re.escape(part) for place, part in enumerate(parts)]
    return re.compile("".join(written), re.DOTALL)
