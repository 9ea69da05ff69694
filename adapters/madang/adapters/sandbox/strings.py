"""Strings for a schema: formats, patterns, lengths, and what a field of this name would say."""

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any, Final

import rstr

from madang.adapters.sandbox import prose
from madang.adapters.sandbox.reading import Reading

CODES_FIELD: Final = re.compile(r"recommend|code|ids?$|reference|entries|care")
_DAY_ONE: Final = date(2026, 1, 5)


def string_value(plain: Mapping[str, Any], reading: Reading, chance: Random, name: str, index: int, variant: int) -> str:
    """A string that fits the schema, for the field `name` of the object number `index`; `variant` makes list items differ."""
    if plain.get("format") in FORMATS:
        return FORMATS[plain["format"]](chance)
    text = _own_words(reading, chance, name, index, variant)
    pattern = plain.get("pattern")
    if pattern is not None:
        return _matching(pattern, plain, [text, *(offer.code for offer in reading.offers)], chance)
    return _fitted(text, plain.get("minLength", 0), plain.get("maxLength"), lambda: prose.sentence(reading, chance))


def _own_words(reading: Reading, chance: Random, name: str, index: int, variant: int) -> str:
    if CODES_FIELD.search(name) and reading.offers:
        themes = reading.themes()
        offers = reading.offers_of(themes[index % len(themes)]) if themes else reading.offers
        return offers[variant % len(offers)].code
    return prose.field_text(reading, chance, name, index)


def _fitted(text: str, least: int, most: int | None, more: Callable[[], str]) -> str:
    for _ in range(200):
        if len(text) >= least:
            break
        text = f"{text} {more()}"
    text = text.ljust(least, ".")
    if most is None or len(text) <= most:
        return text
    cut = text[:most]
    shorter = cut[: cut.rfind(" ")] if " " in cut else cut
    return shorter if len(shorter) >= max(least, most // 2) else cut


def _matching(pattern: str, plain: Mapping[str, Any], candidates: Sequence[str], chance: Random) -> str:
    """A candidate that the pattern accepts, else a string made from the pattern."""
    least, most = plain.get("minLength", 0), plain.get("maxLength", 10_000)
    for candidate in candidates:
        if least <= len(candidate) <= most and re.search(pattern, candidate):
            return candidate
    maker = rstr.Rstr(chance)
    short = _with_few_repetitions(pattern)
    made = ""
    for attempt in range(60):
        made = maker.xeger(short if attempt < 40 else pattern)
        if least <= len(made) <= most and re.search(pattern, made):
            return made
    return made


def _with_few_repetitions(pattern: str) -> str:
    """The pattern with `*` and `+` bounded, for strings as people would write them rather than of a hundred letters."""
    out: list[str] = []
    in_class = escaped = False
    for character in pattern:
        repeats = not escaped and not in_class and character in "*+"
        out.append({"*": "{0,3}", "+": "{1,6}"}[character] if repeats else character)
        in_class = (not escaped and (character == "[" or (in_class and character != "]"))) or (escaped and in_class)
        escaped = not escaped and character == "\\"
    return "".join(out)


def _moment(chance: Random) -> datetime:
    return datetime(_DAY_ONE.year, _DAY_ONE.month, _DAY_ONE.day, tzinfo=UTC) + timedelta(
        minutes=chance.randrange(300 * 24 * 60)
    )


def _host(chance: Random) -> str:
    return f"{chance.choice(('www', 'shop', 'blog'))}.example.com"


FORMATS: Final[Mapping[str, Callable[[Random], str]]] = {
    "date": lambda chance: _moment(chance).date().isoformat(),
    "date-time": lambda chance: _moment(chance).isoformat(),
    "time": lambda chance: _moment(chance).timetz().isoformat(),
    "duration": lambda chance: f"P{chance.randrange(1, 12)}W",
    "email": lambda chance: f"hello{chance.randrange(100)}@example.com",
    "idn-email": lambda chance: f"hello{chance.randrange(100)}@example.com",
    "hostname": _host,
    "idn-hostname": _host,
    "uri": lambda chance: f"https://{_host(chance)}/{chance.randrange(1000)}",
    "uri-reference": lambda chance: f"/pages/{chance.randrange(1000)}",
    "iri": lambda chance: f"https://{_host(chance)}/{chance.randrange(1000)}",
    "url": lambda chance: f"https://{_host(chance)}/{chance.randrange(1000)}",
    "uuid": lambda chance: str(uuid.UUID(bytes=chance.randbytes(16), version=4)),
    "ipv4": lambda chance: f"192.0.2.{chance.randrange(1, 255)}",
    "ipv6": lambda chance: f"2001:db8::{chance.randrange(1, 65535):x}",
    "color": lambda chance: f"#{chance.randrange(1 << 24):06x}",
}
