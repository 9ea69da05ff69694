"""A sheet of A4 to write on: text in two fonts, left, right and wrapped, in points from the top left."""

from collections.abc import Sequence
from typing import Final

from reportlab.lib.colors import Color, HexColor, white
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from madang.adapters.reportlab.typefaces import BOLD, REGULAR, drawable, width

WIDTH, HEIGHT = A4
MARGIN: Final = 52.0
LEFT: Final = MARGIN
RIGHT: Final = WIDTH - MARGIN
BOTTOM: Final = HEIGHT - 66.0
"""Where the text of a page ends; the foot is below."""
LEADING: Final = 1.5
INK: Final = HexColor("#1d2624")
SOFT: Final = HexColor("#66706c")
LINE: Final = HexColor("#d9d5cc")
ACCENT: Final = HexColor("#2f5d50")
WARNING: Final = HexColor("#9b2c1f")
PALE: Final = Color(0.61, 0.17, 0.12, alpha=0.09)
BAND: Final = HexColor("#f4f1ea")


class Paper:
    def __init__(self, canvas: Canvas) -> None:
        self._canvas = canvas

    def text(self, x: float, y: float, text: str, size: float, *, bold: bool = False, colour: Color = INK) -> None:
        """`y` is the base line."""
        self._ready(size, bold, colour)
        self._canvas.drawString(x, HEIGHT - y, drawable(text))

    def text_right(self, x: float, y: float, text: str, size: float, *, bold: bool = False, colour: Color = INK) -> None:
        """`x` is where it ends."""
        self._ready(size, bold, colour)
        self._canvas.drawRightString(x, HEIGHT - y, drawable(text))

    def rule(self, y: float, *, left: float = LEFT, right: float = RIGHT, thick: float = 0.6, colour: Color = LINE) -> None:
        self._canvas.setStrokeColor(colour)
        self._canvas.setLineWidth(thick)
        self._canvas.line(left, HEIGHT - y, right, HEIGHT - y)

    def band(self, top: float, height: float) -> None:
        """Behind the head of a table."""
        self._canvas.setFillColor(BAND)
        self._canvas.roundRect(LEFT, HEIGHT - top - height, RIGHT - LEFT, height, 3, stroke=0, fill=1)

    def warn(self, text: str) -> None:
        """A line across the top of the page in white on red, and the same words large, pale and slanting behind what is
        written: also a part of the page that is cut out says it."""
        canvas = self._canvas
        canvas.setFillColor(WARNING)
        canvas.rect(0, HEIGHT - 26, WIDTH, 26, stroke=0, fill=1)
        self.text((WIDTH - width(drawable(text), BOLD, 10)) / 2, 17, text, 10, bold=True, colour=white)
        canvas.saveState()
        canvas.translate(WIDTH / 2, HEIGHT / 2)
        canvas.rotate(35)
        canvas.setFillColor(PALE)
        for number, line in enumerate(text.split(" / ")):
            canvas.setFont(BOLD, 38)
            canvas.drawCentredString(0, 20 - 60 * number, drawable(line))
        canvas.restoreState()

    def stamp(self, right: float, y: float, text: str, size: float) -> None:
        """A word in a rounded frame that ends at `right`."""
        long = width(drawable(text), BOLD, size)
        pad = size * 0.8
        self._canvas.setStrokeColor(ACCENT)
        self._canvas.setLineWidth(1)
        bottom = HEIGHT - y - size * 0.62
        self._canvas.roundRect(right - long - 2 * pad, bottom, long + 2 * pad, size * 2, size, stroke=1, fill=0)
        self.text_right(right - pad, y, text, size, bold=True, colour=ACCENT)

    def _ready(self, size: float, bold: bool, colour: Color) -> None:
        self._canvas.setFont(BOLD if bold else REGULAR, size)
        self._canvas.setFillColor(colour)


def wrapped(text: str, room: float, size: float, *, bold: bool = False) -> Sequence[str]:
    """Lines no wider than `room`: broken between words, and within a word that is wider than a line by itself."""
    font = BOLD if bold else REGULAR
    lines: list[str] = []
    line = ""
    for word in drawable(text).split(" "):
        longer = f"{line} {word}" if line else word
        if width(longer, font, size) <= room:
            line = longer
            continue
        if line:
            lines.append(line)
        *whole, line = _pieces(word, room, font, size)
        lines += whole
    return [*lines, line]


def _pieces(word: str, room: float, font: str, size: float) -> Sequence[str]:
    pieces = [""]
    for letter in word:
        if pieces[-1] and width(pieces[-1] + letter, font, size) > room:
            pieces.append("")
        pieces[-1] += letter
    return pieces
