"""Sentences of the sandbox's text model, in Korean and English: plain, polite, made of the prompt's own words."""

import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from madang.adapters.sandbox.reading import Light, Offer, Reading

_AREAS: Final = {
    "ko": ("피부", "얼굴 윤곽", "눈매", "헤어", "표정", "자세", "스타일"),
    "en": ("skin", "facial contour", "eyes", "hair", "expression", "posture", "style"),
}
_ADVICE: Final = {
    "ko": (
        "{0:을} 꾸준히 관리하면 인상이 한결 또렷해집니다.",
        "{0:은} 이미 장점이므로 과하지 않게 살리는 편이 좋습니다.",
        "{0:과} {1:을} 함께 다듬으면 전체 균형이 좋아집니다.",
        "{0:은} 작은 습관부터 바꾸면 변화가 오래갑니다.",
        "{0:이} 정돈되면 {1:도} 자연스럽게 돋보입니다.",
    ),
    "en": (
        "Steady care for {0} makes the whole impression clearer.",
        "{0:c} is a strength already, so keep it natural.",
        "Working on {0} together with {1} improves the overall balance.",
        "For {0}, small habits bring the change that lasts.",
        "Once {0} is in order, {1} stands out by itself.",
    ),
}
_PAIRS: Final = {"은": ("은", "는"), "이": ("이", "가"), "을": ("을", "를"), "과": ("과", "와"), "으로": ("으로", "로")}


class Word(str):
    """A word that knows how to stand in a sentence: `{0:을}` adds the right particle, `{0:c}` a capital letter."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        if spec == "c":
            return self[:1].upper() + self[1:]
        if spec in _PAIRS:
            return str(self) + particle(self, spec)
        return str(self) + spec


def particle(word: str, kind: str) -> str:
    """The form of a Korean particle that follows this word: 은 after a final consonant, 는 after a vowel."""
    closed, opened = _PAIRS[kind]
    last = word[-1:] or "가"
    final = (ord(last) - 0xAC00) % 28 if "가" <= last <= "힣" else (1 if last.lower() in "bcdfghjklmnpqrstvwxz136780" else 0)
    if kind == "으로" and final == 8:
        return opened
    return closed if final else opened


def area(reading: Reading, index: int) -> str:
    """What the item number `index` is about: a theme of the offers, else a word of the prompt."""
    subjects = reading.subjects() or _AREAS[reading.language]
    return subjects[index % len(subjects)]


def advice(reading: Reading, chance: Random, subject: str) -> str:
    """One sentence about the subject."""
    pattern = chance.choice(_ADVICE[reading.language])
    other = next((word for word in _shuffled(reading.subjects(), chance) if word != subject), reading.word(0))
    return pattern.format(Word(subject), Word(other))


def description(reading: Reading, chance: Random, index: int) -> str:
    """Two sentences about the item's own theme: the offer that fits it, and what to do."""
    theme = area(reading, index)
    offers = reading.offers_of(theme)
    first = advice(reading, chance, theme)
    if not offers:
        return first
    title = Word(offers[0].title or theme)
    if reading.language == "ko":
        return f"{first} {title:을} 먼저 시작해 보세요."
    return f"{first} A good first step is {title}."


def summary(reading: Reading, chance: Random) -> str:
    """Two or three sentences: what the pictures show, and the direction."""
    themes = [Word(area(reading, index)) for index in range(2)]
    if reading.language == "ko":
        direction = f"{themes[0]:과} {themes[1]:을} 중심으로 자연스럽게 개선하는 방향을 제안합니다."
    else:
        direction = f"We suggest a natural improvement with the focus on {themes[0]} and {themes[1]}."
    closing = advice(reading, chance, area(reading, chance.randrange(2, 8)))
    return " ".join(part for part in (light_sentence(reading), direction, closing) if part)


def light_sentence(reading: Reading) -> str:
    """What is seen in the pictures; the first is taken for the original, the others for what was made of it."""
    if not reading.lights:
        return ""
    first, others = reading.lights[0], reading.lights[1:]
    if reading.language == "ko":
        seen = f"원본 사진은 {_tone(first, 'ko')} 분위기이며 밝기는 {first.brightness}%, 대비는 {first.contrast}%입니다."
        made = [_tone(light, "ko") for light in others]
        return seen if not made else f"{seen} 완성된 사진 {len(made)}장은 각각 {', '.join(made)} 느낌으로 표현되었습니다."
    seen = f"The original photo looks {_tone(first, 'en')}, with {first.brightness}% brightness and {first.contrast}% contrast."
    made = [_tone(light, "en") for light in others]
    return seen if not made else f"{seen} The {len(made)} finished pictures look {'; '.join(made)}."


def _tone(light: Light, language: str) -> str:
    bright = 0 if light.brightness >= 58 else 2 if light.brightness < 38 else 1
    warm = 0 if light.warmth >= 6 else 2 if light.warmth <= -4 else 1
    if language == "ko":
        return f"{('밝고', '편안하고', '차분하고')[bright]} {('따뜻한', '담백한', '시원한')[warm]}"
    return f"{('bright', 'balanced', 'calm')[bright]} and {('warm', 'neutral', 'cool')[warm]}"


def timeline(reading: Reading, chance: Random) -> str:
    """Things go on side by side: the longest of what is recommended."""
    spans = [offer.weeks for offer in _recommended(reading) if offer.weeks]
    usual = chance.choice((4, 6, 8))
    start, end = (max(span[0] for span in spans), max(span[1] for span in spans)) if spans else (usual, usual + 4)
    return f"{start}-{end}주 예상" if reading.language == "ko" else f"{start}-{end} weeks expected"


def cost(reading: Reading, chance: Random) -> str:
    """The sum of what is recommended."""
    spans = [offer.cost for offer in _recommended(reading) if offer.cost]
    usual = chance.choice((200, 300, 400)) * 1000
    low, high = (sum(span[0] for span in spans), sum(span[1] for span in spans)) if spans else (usual, usual + 500_000)
    return f"{low:,} - {high:,}{'원' if reading.language == 'ko' else ' KRW'}"


def _recommended(reading: Reading) -> Sequence[Offer]:
    """What the answer names, else what it may begin with."""
    return reading.chosen or [offer for theme in reading.themes()[:2] for offer in reading.offers_of(theme)[:2]]


def title(reading: Reading, chance: Random) -> str:
    word = Word(reading.word(chance.randrange(6)))
    if reading.language == "ko":
        return f"{word:을} 위한 {chance.choice(('제안', '안내', '첫걸음', '새로운 방향'))}"
    return f"{chance.choice(('A fresh look at', 'A guide to', 'First steps for', 'Ideas for'))} {word}"


def sentence(reading: Reading, chance: Random) -> str:
    return advice(reading, chance, reading.word(chance.randrange(8)))


def paragraph(reading: Reading, chance: Random) -> str:
    """A free answer."""
    return " ".join([summary(reading, chance), *(sentence(reading, chance) for _ in range(2))])


def hashtag(reading: Reading, chance: Random) -> str:
    return "#" + reading.word(chance.randrange(8)).replace(" ", "")


Author = Callable[[Reading, Random, int], str]

FIELDS: Final[Sequence[tuple[re.Pattern[str], Author]]] = [
    (re.compile(pattern), author)
    for pattern, author in (
        (r"cost|price|budget|비용|가격", lambda reading, chance, _: cost(reading, chance)),
        (r"timeline|duration|period|weeks|schedule|기간", lambda reading, chance, _: timeline(reading, chance)),
        (r"summary|overview|analysis|conclusion|요약", lambda reading, chance, _: summary(reading, chance)),
        (r"^area|category|theme|topic|industry|분야|영역", lambda reading, _, index: area(reading, index)),
        (r"hashtag|^tags?$", lambda reading, chance, _: hashtag(reading, chance)),
        (r"keyword|word", lambda reading, chance, _: reading.word(chance.randrange(8))),
        (r"title|name|headline|label|subject|제목", lambda reading, chance, _: title(reading, chance)),
        (r"description|detail|reason|rationale|explanation|설명|이유", description),
        (r"text|content|body|message|answer|본문", lambda reading, chance, _: paragraph(reading, chance)),
    )
]
"""Which author writes a field, by its name in lower case; the first that fits."""


def field_text(reading: Reading, chance: Random, name: str, index: int) -> str:
    """The text of a field of this name; `index` is the place of its object in a list."""
    author = next((author for pattern, author in FIELDS if pattern.search(name)), None)
    return author(reading, chance, index) if author else sentence(reading, chance)


def _shuffled(words: Sequence[str], chance: Random) -> Sequence[str]:
    return chance.sample(list(words), len(words))
