"""What the sandbox's text model understands of a prompt: language, words, the codes on offer, and what the pictures show."""

import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageStat, UnidentifiedImageError

from madang.adapters.sandbox.gate import NAME
from madang.ports.errors import Rejected
from madang.ports.text_model import Picture, PromptMessage, Role

CODE: Final = re.compile(r"\b[A-Z]{1,5}-?\d{2,5}\b")
_TOLD: Final = re.compile(
    r"(?:language|locale|언어)[^\n:：]{0,20}[:：]\s*[\"'`*]*(?P<line>ko|en|한국어|영어)"
    r"|\bin (?P<in>korean|english)\b|(?P<ro>한국어|영어)로",
    re.IGNORECASE,
)
_KOREAN: Final = frozenset({"ko", "korean", "한국어"})
_HANGUL: Final = re.compile(r"[가-힣]")
_LATIN: Final = re.compile(r"[A-Za-z]")
_WORD: Final = {"ko": re.compile(r"[가-힣]{2,12}"), "en": re.compile(r"[A-Za-z]{4,20}")}
_PARTICLE: Final = re.compile(r"(?:에서는|에서|으로|에게|까지|부터|에는|이며|하고|은|는|이|가|을|를|의|에|로|와|과|도|만)$")
_VERBAL: Final = re.compile(
    r"(?:세요|니다|하라|해라|해줘|주세|하는|하여|해서|있는|없는|같은|위한|된|할|한|고|며|게|서|야|다|요)$"
)
_FREQUENT: Final = (
    "about above after again also answer array because before below between both could does each every "
    "field following from given have into json language list make more most must none only other output "
    "over please property return same schema shall should some string such than that their them then "
    "there these they this those three through under user using very what when where which while will "
    "with without would write your korean english "
    "다음 그리고 또는 대한 통해 위해 각각 경우 모든 아래 언어 한국어 영어 답변 작성 형식 "
)
_COMMON: Final = frozenset(_FREQUENT.split())
_LABEL_BREAK: Final = re.compile(r"[|:;\t(){}\[\]\"“”]|,\s| [-–—] ")
_KEYS: Final = frozenset(("code", "category", "title", "description", "name", "label", "title_ko", "title_en", "weeks", "cost"))
_WEEKS: Final = re.compile(r"(\d+)\s*[-–~]\s*(\d+)\s*(?:주|weeks)")
_COST: Final = re.compile(r"(\d[\d,]{3,})\s*[-–~]\s*(\d[\d,]{3,})\s*(?:원|KRW)")
_KOREAN_THEMES: Final = {
    "skin": "피부",
    "contour": "얼굴 윤곽",
    "procedure": "전문 시술",
    "hair": "헤어",
    "brows_eyes": "눈썹과 눈매",
    "grooming": "그루밍",
    "dental": "치아와 미소",
    "posture_body": "자세와 체형",
    "makeup": "메이크업",
    "expression": "표정",
    "style": "스타일",
}
MAX_PIXELS: Final = 50_000_000


@dataclass(frozen=True, slots=True)
class Offer:
    """A code that the prompt offers, with what its line says: `theme` is shared by several codes, `title` is its own.

    `weeks` and `cost` (whole won) are from least to most, where the line tells them.
    """

    code: str
    theme: str
    title: str
    weeks: tuple[int, int] | None = None
    cost: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Light:
    """What a picture shows at a glance: mean brightness and contrast in per cent, warmth from -100 (blue) to 100 (red)."""

    brightness: int
    contrast: int
    warmth: int


@dataclass(frozen=True, slots=True)
class Reading:
    """`chosen` are the offers that the answer makes use of, once that is known."""

    language: str
    words: Sequence[str]
    offers: Sequence[Offer]
    lights: Sequence[Light]
    chosen: Sequence[Offer] = ()

    def word(self, number: int) -> str:
        """A word of the prompt; around again when they are used up."""
        fallback = "이번 결과" if self.language == "ko" else "this result"
        return self.words[number % len(self.words)] if self.words else fallback

    def themes(self) -> Sequence[str]:
        return list(dict.fromkeys(offer.theme for offer in self.offers if offer.theme))

    def subjects(self) -> Sequence[str]:
        """What the answer is about: the themes of the offers, else the prompt's words."""
        return self.themes() or self.words

    def offers_of(self, theme: str) -> Sequence[Offer]:
        return [offer for offer in self.offers if offer.theme == theme] or self.offers


def read(messages: Sequence[PromptMessage]) -> Reading:
    """Takes CPU time for pictures: call it in a thread. Raises `Rejected(reason="invalid_request")` for an unreadable one."""
    asked = next((message.text for message in reversed(messages) if message.role is Role.USER), "")
    everything = "\n".join(message.text for message in messages if message.role is not Role.ASSISTANT)
    language = language_of(asked, everything)
    lights = [_light(picture) for message in messages for picture in message.pictures]
    return Reading(language, _words(asked or everything, language), _offers(everything, language), lights)


def language_of(asked: str, everything: str) -> str:
    """`ko` or `en`: what the prompt says, else what the last user message is written in."""
    told = next(reversed(list(_TOLD.finditer(everything))), None)
    if told is not None:
        return "ko" if (told["line"] or told["in"] or told["ro"]).lower() in _KOREAN else "en"
    return "ko" if 3 * len(_HANGUL.findall(asked)) > len(_LATIN.findall(asked)) else "en"


def _words(text: str, language: str) -> Sequence[str]:
    """Nouns by guess, the most frequent first, then in the prompt's order."""
    found = [_bare(word, language) for word in _WORD[language].findall(text)]
    kept = [
        word
        for word in found
        if len(word) >= 2 and word.lower() not in _COMMON and not (language == "ko" and _VERBAL.search(word))
    ]
    return [word for word, _ in Counter(kept).most_common(24)]


def _bare(word: str, language: str) -> str:
    if language == "en":
        return word if word.isupper() else word.lower()
    shorter = _PARTICLE.sub("", word)
    return shorter if len(shorter) >= 2 else word


def _offers(text: str, language: str) -> Sequence[Offer]:
    lines: dict[str, str] = {}
    for line in text.splitlines():
        for place in CODE.finditer(line):
            lines.setdefault(place[0], CODE.split(line[place.end() :])[0])
    chunks = {code: _chunks(line) for code, line in lines.items()}
    shared = Counter(chunk for each in chunks.values() for chunk in dict.fromkeys(each))
    leads = sum(len(each) > 1 and shared[each[0]] > 1 for each in chunks.values())
    themes_lead = 2 * leads > len(lines)
    return [_offer(code, line, chunks[code], shared, language, themes_lead=themes_lead) for code, line in lines.items()]


def _offer(code: str, line: str, chunks: Sequence[str], shared: Counter[str], language: str, *, themes_lead: bool) -> Offer:
    """In a list whose lines begin with the theme, the first chunk is it, also where no other line shares it."""
    theme = chunks[0] if themes_lead and len(chunks) > 1 else next((chunk for chunk in chunks if shared[chunk] > 1), "")
    titles = [chunk for chunk in chunks if chunk != theme] or [theme]
    own = [title for title in titles if bool(_HANGUL.search(title)) == (language == "ko")]
    return Offer(code, _theme_name(theme, language), (own or titles)[0], _span(_WEEKS, line), _span(_COST, line))


def _theme_name(theme: str, language: str) -> str:
    """A category's key as people say it: `brows_eyes` is 눈썹·눈매."""
    if language == "ko" and theme in _KOREAN_THEMES:
        return _KOREAN_THEMES[theme]
    return theme.replace("_", " and ") if theme.islower() else theme


def _span(pattern: re.Pattern[str], line: str) -> tuple[int, int] | None:
    found = pattern.search(line)
    return (int(found[1].replace(",", "")), int(found[2].replace(",", ""))) if found else None


def _chunks(line: str) -> list[str]:
    pieces = (piece.strip(" .,-–—*`") for piece in _LABEL_BREAK.split(line))
    return [piece for piece in pieces if 2 <= len(piece) <= 60 and _NAME.match(piece) and piece.lower() not in _KEYS]


_NAME: Final = re.compile(r"(?!\d)(?=.*[A-Za-z가-힣]{2})")


def _light(picture: Picture) -> Light:
    try:
        with Image.open(io.BytesIO(picture.data)) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise ValueError("too many pixels")
            opened.draft("RGB", (256, 256))
            small = opened.convert("RGB").resize((64, 64), Image.Resampling.BOX)
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise Rejected(
            "a picture cannot be read", reason="invalid_request", provider=NAME, operation="text_model.generate"
        ) from error
    red, _, blue = ImageStat.Stat(small).mean
    grey = ImageStat.Stat(small.convert("L"))
    [mean], [spread] = grey.mean, grey.stddev
    return Light(round(mean / 2.55), round(spread / 1.28), round((red - blue) / 2.55))
