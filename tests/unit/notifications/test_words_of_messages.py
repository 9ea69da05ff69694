"""Every kind has its words in both languages for each of its channels, and values are never more than data."""

import itertools
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.adapters.jinja.renderer import LANGUAGES, MAX_SUBJECT, JinjaMessageRenderer, printable, words_of
from madang.core.notifications.kinds import KINDS, Kind
from madang.core.notifications.model import Channel, Letter

NOON = datetime(2026, 1, 5, 3, 0, tzinfo=UTC)
UNSUBSCRIBE = "https://example.com/unsubscribe?token=fake"
MESSAGES = [(kind, channel, language) for kind in KINDS.values() for channel in kind.channels for language in LANGUAGES]
RENDERER = JinjaMessageRenderer("마당 & Co", "Asia/Seoul")


def values_of(kind: Kind, *, optional: bool = True) -> dict[str, str]:
    names = kind.needs | (kind.takes if optional else frozenset())
    return {name: "https://example.com/go?a=1&b=2" if name == "link" else f"value-of-{name}" for name in names}


def render(kind: Kind, channel: Channel, language: str, values: dict[str, str] | None = None) -> Letter:
    url = UNSUBSCRIBE if kind.can_be_unsubscribed else None
    return RENDERER.render(
        kind.name, channel, language, values_of(kind) if values is None else values, at=NOON, unsubscribe_url=url
    )


class Tags(HTMLParser):
    """The tags and addresses of a page; `open` is empty when all are closed."""

    VOID = frozenset({"meta", "br", "img", "hr"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(("kind", "channel", "language"), MESSAGES, ids=lambda value: getattr(value, "name", value))
def test_a_message_says_all_that_it_needs_to(kind: Kind, channel: Channel, language: str) -> None:
    letter = render(kind, channel, language)
    shown = f"{letter.subject} {letter.text}"
    for name, value in values_of(kind).items():
        assert value in shown or (channel is Channel.SMS and name == "text"), f"{kind.name} hides {name}"
    # A chat is read by others, who must not sign off for the reader.
    assert (UNSUBSCRIBE in letter.text) == (kind.can_be_unsubscribed and channel is not Channel.CHAT)
    assert len(letter.text.splitlines()) > 1 or channel is Channel.SMS
    assert "{" not in shown
    assert bool(re.search("[가-힣]", letter.text.replace("마당", ""))) == (language == "ko")
    assert (letter.html is not None) == (channel is Channel.EMAIL)
    if letter.html is not None:
        page = Tags(letter.html)
        assert page.open == []
        assert not {"script", "img", "form", "iframe", "link"} & set(page.seen)
        for name, value in values_of(kind).items():
            assert value in (page.links if name == "link" else page.text)
        assert f'<html lang="{language}"' in letter.html


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.takes], ids=lambda kind: kind.name)
def test_a_value_that_may_be_missing_may_be_missing(kind: Kind, language: str) -> None:
    for channel in kind.channels:
        letter = render(kind, channel, language, values_of(kind, optional=False))
        assert "None" not in f"{letter.subject or ''} {letter.text} {letter.html or ''}"


def test_no_words_are_there_for_a_kind_that_nobody_declared() -> None:
    written = {path.name.removesuffix(".toml") for path in files("madang.adapters.jinja").joinpath("words").iterdir()}
    assert written - {"letter"} == set(KINDS)


def test_our_own_words_need_no_escaping() -> None:
    """They are put into HTML as they are."""
    for name, language in itertools.product([*KINDS, "letter"], LANGUAGES):
        assert not re.search(r"[<>&]", re.sub(r"\{[{%].*?[}%]\}", "", str(words_of(name, language))))


ATTACKS = [
    "{{ 7 * 7 }}",
    "{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    "{brand.__class__}",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_value_is_shown_as_it_is_written_and_never_run(attack: str) -> None:
    for kind, channel, language in MESSAGES:
        values = dict.fromkeys((kind.needs | kind.takes) - {"link"}, attack)
        letter = render(kind, channel, language, {**values_of(kind), **values})
        assert "49" not in letter.text
        if values and letter.html is not None:
            page = Tags(letter.html)
            assert attack in page.text
            assert not {"script", "img"} & set(page.seen)


@given(value=st.text(max_size=300))
def test_whatever_a_title_holds_the_subject_is_one_short_line(value: str) -> None:
    letter = render(KINDS["product.news"], Channel.EMAIL, "ko", {"title": value, "text": "x"})
    assert letter.subject is not None
    assert len(letter.subject) <= MAX_SUBJECT
    assert letter.subject.splitlines() in ([], [letter.subject])
    assert "\r" not in letter.subject
    assert set(letter.subject) - {"…"} <= set(printable(value)) | {" "}


def test_a_title_cannot_add_a_header_and_cannot_turn_the_letters_around() -> None:
    letter = render(
        KINDS["product.news"], Channel.EMAIL, "en", {"title": "News\r\nBcc: all@example.com\u2028\u202egpj", "text": "x"}
    )
    assert letter.subject == "News Bcc: all@example.com gpj"


def test_advertising_is_called_so_in_korean() -> None:
    assert (render(KINDS["marketing.offer"], Channel.EMAIL, "ko").subject or "").startswith("(광고)")


def test_a_language_that_we_do_not_have_is_english() -> None:
    letter = RENDERER.render("identity.password_changed", Channel.EMAIL, "fr", {}, at=NOON)
    assert letter.subject == "Your password was changed"
    assert "2026-01-05 12:00 KST" in letter.text
