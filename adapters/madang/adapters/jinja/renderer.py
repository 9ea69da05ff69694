"""`MessageRenderer`: a kind's words from `words/<kind>.toml`, put together by the layouts.

A words file has a table for each language. Each entry is a small template of its own, which the kind's values fill:
`subject`, `heading`, `paragraphs`, and if need be `button` (it leads to the value `link`) and `note` make the e-mail, once as
text and once as HTML; `sms` and `chat` are whole messages. What a value holds is never read as a template, and escaped in HTML.
"""

import tomllib
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from madang.core.notifications.kinds import kind_named
from madang.core.notifications.model import Channel, Letter

LANGUAGES: Final = ("ko", "en")
MAX_SUBJECT: Final = 200
_WORDS: Final = files(__package__).joinpath("words")
_LAYOUTS: Final = str(files(__package__).joinpath("layouts"))
_KEPT: Final = frozenset("\n\t")
_REORDERING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that make a reader see another order of letters than there is."""


def _environment(*, escaped: bool) -> Environment:
    return Environment(
        loader=FileSystemLoader(_LAYOUTS),
        autoescape=escaped,  # noqa: S701 - what is sent as plain text is not HTML
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )


_HTML: Final = _environment(escaped=True)
_PLAIN: Final = _environment(escaped=False)
_SENTENCES: Final = {
    escaped: layouts.overlay(trim_blocks=False, lstrip_blocks=False) for escaped, layouts in ((True, _HTML), (False, _PLAIN))
}
"""In a sentence every line break is meant."""


class JinjaMessageRenderer:
    """Fulfils `MessageRenderer`. `brand` is what the deployment calls itself, `timezone` the one that times are told in."""

    def __init__(self, brand: str, timezone: str) -> None:
        self._brand = brand
        self._zone = ZoneInfo(timezone)

    def render(
        self,
        kind: str,
        channel: Channel,
        locale: str,
        values: Mapping[str, str],
        *,
        at: datetime,
        unsubscribe_url: str | None = None,
    ) -> Letter:
        """Raises `LookupError` for a kind without words for this channel."""
        language = locale if locale in LANGUAGES else "en"
        words = words_of(kind, language)
        filling = {
            **dict.fromkeys(kind_named(kind).takes),
            **{name: printable(value) for name, value in values.items()},
            "brand": self._brand,
            "at": self._told(at),
            "unsubscribe_url": unsubscribe_url,
        }
        if channel is Channel.EMAIL:
            return self._email(kind, language, words, filling)
        text = _sentence(words[channel.value], filling, escaped=False)
        subject = _one_line(_sentence(words["subject"], filling, escaped=False)) if channel is Channel.CHAT else None
        return Letter(text, subject)

    def _email(self, kind: str, language: str, words: Mapping[str, Any], filling: Mapping[str, Any]) -> Letter:
        subject = _one_line(_sentence(words["subject"], filling, escaped=False))
        about = {
            **filling,
            "t": words_of("letter", language),
            "language": language,
            "category": kind_named(kind).category.value,
            "subject": subject,
            "link": filling.get("link"),
        }
        parts = {escaped: _parts(words, filling, escaped=escaped) for escaped in (False, True)}
        text = _PLAIN.get_template("letter.txt").render(about, **parts[False])
        html = _HTML.get_template("letter.html").render(about, **parts[True])
        return Letter(text.strip() + "\n", subject, html)

    def _told(self, at: datetime) -> str:
        local = at.astimezone(self._zone)
        return f"{local:%Y-%m-%d %H:%M} {local.tzname()}"


@lru_cache(maxsize=256)
def words_of(name: str, language: str) -> Mapping[str, Any]:
    """Raises `LookupError` for a kind that has none."""
    source = _WORDS.joinpath(f"{name}.toml")
    if not source.is_file():
        raise LookupError(f"there are no words for {name}")
    found: Mapping[str, Any] = tomllib.loads(source.read_text(encoding="utf-8"))[language]
    return found


def printable(value: str) -> str:
    """Without control characters, and without those that turn the order of letters around."""
    return "".join(
        character
        for character in value.replace("\r\n", "\n").replace("\r", "\n")
        if (character >= " " and character != "\x7f" and character not in _REORDERING) or character in _KEPT
    )


def _parts(words: Mapping[str, Any], filling: Mapping[str, Any], *, escaped: bool) -> Mapping[str, Any]:
    """Paragraphs that come out empty are left out."""
    paragraphs = [_sentence(written, filling, escaped=escaped) for written in words["paragraphs"]]
    return {
        "heading": _sentence(words.get("heading", words["subject"]), filling, escaped=escaped),
        "paragraphs": [paragraph for paragraph in paragraphs if paragraph.strip()],
        "button": _sentence(words["button"], filling, escaped=escaped) if words.get("button") else None,
        "note": _sentence(words["note"], filling, escaped=escaped) if words.get("note") else None,
    }


def _sentence(written: str, filling: Mapping[str, Any], *, escaped: bool) -> Any:
    """Escaped ones are marked as such, so that the layout does not do it again."""
    template = _compiled(written, escaped)
    if escaped:
        return Markup(template.render(filling))  # noqa: S704 - the environment has escaped every value in it
    return template.render(filling)


@lru_cache(maxsize=1024)
def _compiled(written: str, escaped: bool) -> Template:
    return _SENTENCES[escaped].from_string(written)


def _one_line(text: str) -> str:
    """A header has one line, whatever a value holds; Unicode's own line ends count, too."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_SUBJECT else line[: MAX_SUBJECT - 1] + "…"
