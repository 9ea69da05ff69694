"""The two fonts of printed documents, and what is drawn of a text that they do not have every letter of.

Cut out of Pretendard (SIL Open Font License 1.1, `fonts/OFL.txt`) by `nox -s fonts`: the 2,350 syllables of KS X 1001, Latin,
punctuation, and digits of one width.
"""

import unicodedata
from collections.abc import Iterator
from functools import cache
from importlib.resources import as_file, files
from threading import Lock
from typing import Final

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

REGULAR: Final = "MadangDocument-Regular"
BOLD: Final = "MadangDocument-Bold"
_FILES: Final = {REGULAR: "document-regular.ttf", BOLD: "document-bold.ttf"}
_INSTEAD: Final = "□"
_JAMO: Final = (
    "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ",
    "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ",
    " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ",
)
_FIRST, _LAST = 0xAC00, 0xD7A3
_lock: Final = Lock()


def load() -> None:
    """Make the fonts known to the library; once in a process, whoever asks first."""
    with _lock:
        _letters()


@cache
def _letters() -> frozenset[int]:
    known: set[int] = set()
    for name, file in _FILES.items():
        with as_file(files(__package__).joinpath("fonts", file)) as path:
            font = TTFont(name, str(path))
        pdfmetrics.registerFont(font)
        known |= font.face.charToGlyph.keys()
    return frozenset(known)


def width(text: str, font: str, size: float) -> float:
    """In points."""
    found: float = pdfmetrics.stringWidth(text, font, size)
    return found


def drawable(text: str) -> str:
    """The text in letters that the fonts have: a rare syllable by its parts (`펲` is `ㅍㅔㅍ`), a letter with a rare accent
    without it, and anything else as a box. White space is a space, what cannot be seen is nothing."""
    composed = unicodedata.normalize("NFC", " ".join(text.split()))
    return composed if _letters().issuperset(map(ord, composed)) else "".join(_drawn(composed))


def _drawn(text: str) -> Iterator[str]:
    known = _letters()
    for letter in text:
        if ord(letter) in known:
            yield letter
        elif _FIRST <= ord(letter) <= _LAST:
            yield from _parts(letter)
        elif unicodedata.category(letter)[0] not in "CM":
            plain = "".join(part for part in unicodedata.normalize("NFKD", letter) if unicodedata.category(part)[0] != "M")
            yield plain if plain and known.issuperset(map(ord, plain)) else _INSTEAD


def _parts(syllable: str) -> Iterator[str]:
    place = ord(syllable) - _FIRST
    for letters, index in zip(_JAMO, (place // 588, place % 588 // 28, place % 28), strict=True):
        if (part := letters[index]) != " ":
            yield part
