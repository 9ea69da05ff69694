"""The care catalogue as CSV: reading what editors import, the catalogue that we ship, and the lines that a model reads."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Final

from madang.core.kernel.errors import Problem
from madang.core.portraits.model import CareEntry, Locale

TEXT_COLUMNS: Final[Mapping[str, int]] = {
    "category": 200,
    "title_ko": 200,
    "title_en": 200,
    "description_ko": 2000,
    "description_en": 2000,
}
"""The most characters of each."""
NUMBER_COLUMNS: Final[Mapping[str, int]] = {
    "weeks_min": 520,
    "weeks_max": 520,
    "cost_min": 1_000_000_000,
    "cost_max": 1_000_000_000,
}
"""The largest value of each: weeks, and whole won."""
COLUMNS: Final = ("code", *TEXT_COLUMNS, *NUMBER_COLUMNS)
MAX_CODE: Final = 32
MAX_ENTRIES: Final = 5000
MAX_PROBLEMS: Final = 200

_WEEKS: Final[Mapping[Locale, str]] = {"ko": "주", "en": " weeks"}
_WON: Final[Mapping[Locale, str]] = {"ko": "원", "en": " KRW"}


def read_catalogue(text: str) -> tuple[list[CareEntry], list[Problem]]:
    """The good entries in the order of their lines, and what is wrong with the others (`line 3: cost_min`).

    The first line names the columns, in any order; a byte order mark and empty lines are fine. Lines are counted from 1. Of
    two entries with one code the first counts. Reading ends after 5,000 entries or 200 problems.
    """
    entries: dict[str, CareEntry] = {}
    problems: list[Problem] = []
    rows = _rows(text, problems)
    _, header = next(rows, (1, []))
    if wrong := _wrong_header(header):
        return [], [*problems, *wrong]
    for line, cells in rows:
        entry, wrong = _entry(line, header, cells)
        if entry and entry.code in entries:
            wrong = [_problem(line, "code", f"{entry.code} stands in an earlier line")]
        elif entry and len(entries) == MAX_ENTRIES:
            problems.append(Problem(f"line {line}", f"a file holds at most {MAX_ENTRIES:,} entries"))
            break
        elif entry:
            entries[entry.code] = entry
        problems.extend(wrong)
        if len(problems) >= MAX_PROBLEMS:
            problems.append(Problem(f"line {line}", "too many problems: the rest of the file was not read"))
            break
    return list(entries.values()), problems


@cache
def starting_catalogue() -> Sequence[CareEntry]:
    """The entries that a new deployment begins with. Raises `ValueError` when our own file is wrong."""
    text = files("madang.core.portraits").joinpath("care_catalogue.csv").read_text(encoding="utf-8")
    entries, problems = read_catalogue(text)
    if problems:
        raise ValueError("; ".join(f"{problem.path}: {problem.message}" for problem in problems))
    return tuple(entries)


def catalogue_lines(entries: Sequence[CareEntry], locale: Locale) -> str:
    """What a model is shown: `CODE | category | title | weeks | cost`, an entry a line."""
    return "\n".join(_line(entry, locale) for entry in entries)


def _line(entry: CareEntry, locale: Locale) -> str:
    title = entry.title_ko if locale == "ko" else entry.title_en
    weeks = f"{_span(entry.weeks_min, entry.weeks_max)}{_WEEKS[locale]}"
    cost = f"{_span(entry.cost_min, entry.cost_max)}{_WON[locale]}"
    return " | ".join((entry.code, _cell(entry.category), _cell(title), weeks, cost))


def _cell(text: str) -> str:
    """One line without the separator: an editor's title must not pass for an entry of its own."""
    return " ".join(text.replace("|", "/").split())


def _span(least: int, most: int) -> str:
    return f"{least:,}" if least == most else f"{least:,}-{most:,}"


def _rows(text: str, problems: list[Problem]) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line that it begins on. A record that is no CSV ends the reading, with a problem."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problems.append(Problem(f"line {line}", f"is not CSV: {error}"))
            return
        if any(cell.strip() for cell in cells):
            yield line, [cell.strip() for cell in cells]


def _wrong_header(header: Sequence[str]) -> list[Problem]:
    missing = [column for column in COLUMNS if column not in header]
    problems = [_problem(1, column, "this column is missing") for column in missing]
    problems += [_problem(1, name[:50], "is not a column of the catalogue") for name in header if name not in COLUMNS]
    twice = sorted({name for name in header if name in COLUMNS and header.count(name) > 1})
    return problems + [_problem(1, name, "this column is there twice") for name in twice]


def _entry(line: int, header: Sequence[str], cells: Sequence[str]) -> tuple[CareEntry | None, list[Problem]]:
    if len(cells) != len(header):
        return None, [Problem(f"line {line}", f"has {len(cells)} cells where the header has {len(header)}")]
    row = dict(zip(header, cells, strict=True))
    problems = [*_wrong_code(line, row["code"]), *_wrong_texts(line, row), *_wrong_numbers(line, row)]
    problems = problems or list(_wrong_spans(line, row))
    return (None, problems) if problems else (_care_entry(row), [])


def _care_entry(row: Mapping[str, str]) -> CareEntry:
    return CareEntry(
        code=row["code"],
        category=row["category"],
        title_ko=row["title_ko"],
        title_en=row["title_en"],
        description_ko=row["description_ko"],
        description_en=row["description_en"],
        weeks_min=int(row["weeks_min"]),
        weeks_max=int(row["weeks_max"]),
        cost_min=int(row["cost_min"]),
        cost_max=int(row["cost_max"]),
    )


def _wrong_code(line: int, code: str) -> Iterator[Problem]:
    if not (code.isascii() and code.isalnum() and len(code) <= MAX_CODE):
        yield _problem(line, "code", f"must be 1 to {MAX_CODE} letters and digits")


def _wrong_texts(line: int, row: Mapping[str, str]) -> Iterator[Problem]:
    for column, most in TEXT_COLUMNS.items():
        if not row[column]:
            yield _problem(line, column, "must not be empty")
        elif len(row[column]) > most:
            yield _problem(line, column, f"must have at most {most:,} characters")
        elif "\0" in row[column]:
            yield _problem(line, column, "must not hold NUL characters")


def _wrong_numbers(line: int, row: Mapping[str, str]) -> Iterator[Problem]:
    for column, most in NUMBER_COLUMNS.items():
        written = row[column]
        if not (written.isascii() and written.isdigit()):
            yield _problem(line, column, "must be a whole number")
        elif len(written) > len(str(most)) or int(written) > most:
            yield _problem(line, column, f"must be at most {most:,}")


def _wrong_spans(line: int, row: Mapping[str, str]) -> Iterator[Problem]:
    for unit in ("weeks", "cost"):
        if int(row[f"{unit}_max"]) < int(row[f"{unit}_min"]):
            yield _problem(line, f"{unit}_max", f"must not be less than {unit}_min")


def _problem(line: int, column: str, message: str) -> Problem:
    return Problem(f"line {line}: {column}", message)
