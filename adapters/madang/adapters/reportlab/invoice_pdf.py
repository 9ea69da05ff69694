"""`InvoicePrinter`: an invoice on A4, over as many pages as it has lines for. The same sheet gives the same bytes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from typing import Final

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from madang.adapters.reportlab.paper import ACCENT, BOTTOM, HEIGHT, INK, LEADING, LEFT, MARGIN, RIGHT, SOFT, Paper, wrapped
from madang.adapters.reportlab.typefaces import BOLD, REGULAR, drawable, load, width
from madang.core.billing.invoices.sheet import Fact, InvoiceSheet

_SIZES: Final = (9.5, 9.0, 8.5, 8.0, 7.5, 7.0, 6.5, 6.0)
_SMALL: Final = 8.5
_GAP: Final = 16.0
_LEAST: Final = 150.0
"""What a line's description always has room for, in points."""
_CONTINUED: Final = MARGIN + 30.0
_PAD: Final = 5.5
_TOGETHER: Final = 12
"""Lines of a description that are not torn apart by the end of a page."""

Draw = Callable[[Paper, float], None]


@dataclass(frozen=True, slots=True)
class _Block:
    """Something that stays on one page: drawn at a height below the top. `repeats` is above it wherever a page begins with
    it; `ahead` is the room below it without which it goes to the next page."""

    height: float
    draw: Draw
    repeats: "_Block | None" = None
    ahead: float = 0.0


class InvoicePdf:
    """Fulfils `InvoicePrinter`."""

    def print(self, sheet: InvoiceSheet, *, at: datetime) -> bytes:
        load()
        target = BytesIO()
        canvas = Canvas(target, pagesize=A4, pageCompression=1, invariant=1, lang=sheet.language)
        canvas.setTitle(f"{sheet.title} {sheet.number}")
        canvas.setAuthor(sheet.seller)
        canvas.setProducer("Madang")
        canvas.setCreator("Madang")
        written = f"D:{at.astimezone(UTC):%Y%m%d%H%M%S}+00'00'"
        canvas.setDateFormatter(lambda *_: written)
        pages = _pages(_blocks(sheet))
        for number, page in enumerate(pages, 1):
            paper = Paper(canvas)
            if sheet.warning is not None:
                paper.warn(sheet.warning)
            for top, block in page:
                block.draw(paper, top)
            _foot(paper, sheet, number, len(pages))
            canvas.showPage()
        canvas.save()
        return target.getvalue()


def _pages(blocks: Sequence[_Block]) -> Sequence[Sequence[tuple[float, _Block]]]:
    """Where each block goes. None is taller than a page: the longest word of a line is broken into lines of the table."""
    pages: list[list[tuple[float, _Block]]] = [[]]
    top = MARGIN
    for block in blocks:
        if top + block.height + block.ahead > BOTTOM and pages[-1]:
            pages.append([])
            top = _CONTINUED
            if block.repeats is not None:
                pages[-1].append((top, block.repeats))
                top += block.repeats.height
        pages[-1].append((top, block))
        top += block.height
    return pages


def _blocks(sheet: InvoiceSheet) -> Sequence[_Block]:
    return [_head(sheet), _facts(sheet.facts), _parties(sheet), *_table(sheet), _totals(sheet), *map(_note, sheet.notes)]


def _head(sheet: InvoiceSheet) -> _Block:
    def draw(paper: Paper, top: float) -> None:
        paper.text(LEFT, top + 22, sheet.title, 20, bold=True)
        paper.stamp(RIGHT, top + 20, sheet.stamp, 9.5)
        for number, line in enumerate(seller):
            paper.text(LEFT, top + 42 + number * 15, line, 10.5, colour=SOFT)

    seller = wrapped(sheet.seller, RIGHT - LEFT, 10.5)
    return _Block(52 + len(seller) * 15, draw)


def _facts(facts: Sequence[Fact]) -> _Block:
    """Each on a line of its own, the labels in a column."""
    column = _labels(facts)
    lines = [(fact.label, wrapped(fact.value, RIGHT - LEFT - column, _SMALL + 1)) for fact in facts]

    def draw(paper: Paper, top: float) -> None:
        _draw_facts(paper, LEFT, top, column, lines)

    return _Block(sum(len(values) for _, values in lines) * 15 + 10, draw)


def _parties(sheet: InvoiceSheet) -> _Block:
    """The seller, and the buyer beside it where one is known."""
    half = (RIGHT - LEFT - 2 * _GAP) / 2
    sides = [(LEFT, sheet.seller_title, sheet.seller_facts), (LEFT + half + 2 * _GAP, sheet.buyer_title, sheet.buyer_facts)]
    found = []
    for x, title, facts in sides:
        column = min(_labels(facts), half * 0.45)
        found.append((x, title, column, [(fact.label, wrapped(fact.value, half - column, _SMALL + 1)) for fact in facts]))
    shown = [side for side in found if side[3]]

    def draw(paper: Paper, top: float) -> None:
        for x, title, column, lines in shown:
            paper.rule(top + 4, left=x, right=x + half, thick=1, colour=ACCENT)
            paper.text(x, top + 20, title, 10, bold=True)
            _draw_facts(paper, x, top + 26, column, lines)

    tallest = max((sum(len(values) for _, values in lines) for *_, lines in shown), default=0)
    return _Block(26 + tallest * 15 + 22, draw)


def _labels(facts: Sequence[Fact]) -> float:
    return max((width(drawable(fact.label), REGULAR, _SMALL) for fact in facts), default=0) + _GAP


def _draw_facts(paper: Paper, x: float, top: float, column: float, lines: Sequence[tuple[str, Sequence[str]]]) -> None:
    y = top + 11
    for label, values in lines:
        paper.text(x, y, label, _SMALL, colour=SOFT)
        for value in values:
            paper.text(x + column, y, value, _SMALL + 1)
            y += 15


def _table(sheet: InvoiceSheet) -> Sequence[_Block]:
    """The head, and each line; numbers end at the right edge of their columns. A long table is written smaller before its
    descriptions get too little room."""
    size, widths = _columns(sheet)
    room = RIGHT - LEFT - sum(widths) - 2 * _PAD
    ends = [RIGHT - _PAD - sum(widths[place + 1 :]) for place in range(len(widths))]

    def draw_head(paper: Paper, top: float) -> None:
        paper.band(top, 22)
        paper.text(LEFT + _PAD, top + 14.5, sheet.columns[0], _SMALL, colour=SOFT)
        for end, label in zip(ends, sheet.columns[1:], strict=True):
            paper.text_right(end, top + 14.5, label, min(size, _SMALL), colour=SOFT)

    head = _Block(26, draw_head, ahead=60)
    return [head, *(part for row in sheet.rows for part in _row(row, size, room, ends, head))]


def _row(row: Sequence[str], size: float, room: float, ends: Sequence[float], head: _Block) -> Sequence[_Block]:
    """One block, with the numbers beside the first line; a description that might be longer than a page is several."""
    lines = wrapped(row[0], room, size)
    parts = [lines[place : place + _TOGETHER] for place in range(0, len(lines), _TOGETHER)]
    found = [_part(part, size, head) for part in parts]
    first, last = found[0], found[-1]

    def draw_numbers(paper: Paper, top: float) -> None:
        first.draw(paper, top)
        for end, cell in zip(ends, row[1:], strict=True):
            paper.text_right(end, top + size + _PAD, cell, size)

    found[0] = replace(first, draw=draw_numbers)
    ending = found[-1] if last is not first else found[0]

    def draw_rule(paper: Paper, top: float) -> None:
        ending.draw(paper, top)
        paper.rule(top + ending.height)

    found[-1] = replace(ending, draw=draw_rule)
    return found


def _part(lines: Sequence[str], size: float, head: _Block) -> _Block:
    def draw(paper: Paper, top: float) -> None:
        for number, line in enumerate(lines):
            paper.text(LEFT + _PAD, top + _PAD + size + number * size * LEADING, line, size)

    return _Block(len(lines) * size * LEADING + 2 * _PAD - 1, draw, head)


def _columns(sheet: InvoiceSheet) -> tuple[float, Sequence[float]]:
    """The size of letters, and the widths of the columns of numbers."""
    for size in _SIZES:
        widths = [
            max(
                width(drawable(sheet.columns[place]), REGULAR, min(size, _SMALL)),
                *(width(drawable(row[place]), REGULAR, size) for row in sheet.rows),
            )
            + _GAP
            for place in range(1, len(sheet.columns))
        ]
        if sum(widths) <= RIGHT - LEFT - 2 * _PAD - _LEAST:
            break
    return size, widths


def _totals(sheet: InvoiceSheet) -> _Block:
    """Under one another at the right; the last one is the sum."""
    *parts, last = sheet.totals
    left = RIGHT - 210

    def draw(paper: Paper, top: float) -> None:
        y = top + 24
        for fact in parts:
            paper.text(left, y, fact.label, 9.5, colour=SOFT)
            paper.text_right(RIGHT - _PAD, y, fact.value, 9.5)
            y += 17
        paper.rule(y - 8, left=left, thick=1, colour=INK)
        paper.text(left, y + 9, last.label, 11.5, bold=True)
        paper.text_right(RIGHT - _PAD, y + 9, last.value, _fitting(last, 210), bold=True)

    return _Block(24 + len(parts) * 17 + 44, draw)


def _fitting(total: Fact, room: float) -> float:
    """A sum of many digits is written smaller."""
    size = 14.0
    taken = width(drawable(total.label), BOLD, 11.5) + _GAP
    while size > 6 and taken + width(drawable(total.value), BOLD, size) > room:
        size -= 0.5
    return size


def _note(note: str) -> _Block:
    lines = wrapped(note, RIGHT - LEFT, _SMALL)

    def draw(paper: Paper, top: float) -> None:
        for number, line in enumerate(lines):
            paper.text(LEFT, top + 10 + number * _SMALL * LEADING, line, _SMALL, colour=SOFT)

    return _Block(len(lines) * _SMALL * LEADING + 4, draw)


def _foot(paper: Paper, sheet: InvoiceSheet, number: int, pages: int) -> None:
    y = HEIGHT - 34
    paper.rule(y - 14)
    paper.text(LEFT, y, f"{sheet.number}", 8, colour=SOFT)
    paper.text_right(RIGHT, y, sheet.page.format(page=number, pages=pages), 8, colour=SOFT)
    if number > 1:
        paper.text(LEFT, MARGIN + 12, f"{sheet.title} {sheet.number}", _SMALL, colour=SOFT)
