"""Reading the care catalogue from CSV, and the one that we ship."""

import csv
import io
from dataclasses import astuple, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.core.portraits.catalogue import (
    COLUMNS,
    MAX_ENTRIES,
    catalogue_lines,
    read_catalogue,
    starting_catalogue,
)
from madang.core.portraits.model import CareEntry

HEADER = ",".join(COLUMNS)
GOOD = "SC003,skin,톤 정돈,Even tone,설명,Description,8,12,30000,80000"


def paths(text: str) -> list[str]:
    return [problem.path for problem in read_catalogue(text)[1]]


def line_with(**changes: str) -> str:
    cells = dict(zip(COLUMNS, GOOD.split(","), strict=True)) | changes
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow(cells.values())
    return f"{HEADER}\n{buffer.getvalue()}\n"


def test_a_good_file_is_read() -> None:
    entries, problems = read_catalogue(f"{HEADER}\n{GOOD}\n")
    assert entries == [CareEntry("SC003", "skin", "톤 정돈", "Even tone", "설명", "Description", 8, 12, 30000, 80000)]
    assert problems == []


def test_a_byte_order_mark_windows_line_ends_and_empty_lines_are_fine() -> None:
    entries, problems = read_catalogue(f"\ufeff{HEADER}\r\n\r\n{GOOD}\r\n,,,,,,,,,\r\n\r\n")
    assert len(entries) == 1
    assert problems == []


def test_columns_may_stand_in_any_order_and_cells_may_have_spaces() -> None:
    turned = ",".join(reversed(COLUMNS)) + "\n" + " , ".join(reversed(GOOD.split(",")))
    assert read_catalogue(turned) == read_catalogue(f"{HEADER}\n{GOOD}")


def test_a_quoted_cell_may_hold_commas_quotes_and_line_breaks_and_lines_are_still_counted_right() -> None:
    text = f'{HEADER}\nP1,skin,"a, ""b""\nc",t,d,d,1,1,0,0\nP2,skin,t,t,d,d,x,1,0,0\n'
    entries, _ = read_catalogue(text)
    assert entries[0].title_ko == 'a, "b"\nc'
    assert paths(text) == ["line 4: weeks_min"]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("code", ""),
        ("code", "SC-003"),
        ("code", "에스씨"),
        ("code", "A" * 33),
        ("category", ""),
        ("title_ko", "x" * 201),
        ("description_en", "x" * 2001),
        ("title_en", ""),
        ("weeks_min", "two"),
        ("weeks_min", "-1"),
        ("weeks_min", "1.5"),
        ("weeks_max", "521"),
        ("weeks_max", "7"),
        ("cost_min", "30,000"),
        ("cost_min", "３００００"),
        ("cost_max", "1000000001"),
        ("cost_max", "9" * 5000),
        ("cost_max", "29999"),
        ("cost_max", ""),
    ],
)
def test_a_wrong_cell_is_named_by_line_and_column(column: str, value: str) -> None:
    text = line_with(**{column: value})
    assert paths(text) == [f"line 2: {column}"]
    assert read_catalogue(text)[0] == []


def test_every_wrong_cell_of_a_line_is_named_and_the_good_lines_are_kept() -> None:
    text = f"{HEADER}\n!,skin,,t,d,d,a,1,0,b\n{GOOD}\n"
    entries, problems = read_catalogue(text)
    assert [entry.code for entry in entries] == ["SC003"]
    assert [problem.path for problem in problems] == [
        "line 2: code",
        "line 2: title_ko",
        "line 2: weeks_min",
        "line 2: cost_max",
    ]


def test_of_two_lines_with_one_code_the_first_counts() -> None:
    text = f"{HEADER}\n{GOOD}\n{GOOD.replace('Even tone', 'Another')}\n"
    entries, problems = read_catalogue(text)
    assert [entry.title_en for entry in entries] == ["Even tone"]
    assert [problem.path for problem in problems] == ["line 3: code"]


@pytest.mark.parametrize("cells", [9, 11])
def test_a_line_with_cells_too_few_or_too_many_is_named(cells: int) -> None:
    assert paths(f"{HEADER}\n{','.join(['1'] * cells)}") == ["line 2"]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (HEADER.replace("cost_max", "cost"), ["line 1: cost_max", "line 1: cost"]),
        (HEADER + ",code", ["line 1: code"]),
        (HEADER.upper(), [f"line 1: {name}" for name in (*COLUMNS, *(column.upper() for column in COLUMNS))]),
        ("", [f"line 1: {column}" for column in COLUMNS]),
    ],
)
def test_a_wrong_header_is_named_and_nothing_is_read(header: str, expected: list[str]) -> None:
    assert paths(f"{header}\n{GOOD}" if header else "") == expected
    assert read_catalogue(f"{header}\n{GOOD}")[0] == []


@pytest.mark.parametrize("text", [f'{HEADER}\n"open', f'{HEADER}\n{GOOD}\n"a"b,c', f"{HEADER}\n" + "x" * 200_000])
def test_what_is_no_csv_is_a_problem_and_no_crash(text: str) -> None:
    assert len(paths(text)) == 1
    assert paths(text)[0].startswith("line ")


def test_too_many_entries_and_too_many_problems_end_the_reading() -> None:
    many = "\n".join(f"A{number},skin,t,t,d,d,1,1,0,0" for number in range(MAX_ENTRIES + 5))
    entries, problems = read_catalogue(f"{HEADER}\n{many}")
    assert (len(entries), [problem.path for problem in problems]) == (MAX_ENTRIES, [f"line {MAX_ENTRIES + 2}"])
    assert len(read_catalogue(HEADER + "\n!" * 10_000)[1]) <= 210


@given(st.text(max_size=300), st.booleans())
def test_any_text_is_read_or_named(text: str, below_a_header: bool) -> None:
    entries, problems = read_catalogue(f"{HEADER}\n{text}" if below_a_header else text)
    assert all(problem.path.startswith("line ") for problem in problems)
    assert entries == [] or below_a_header


words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40).map(str.strip).filter(bool)
spans = st.tuples(st.integers(0, 520), st.integers(0, 520)).map(sorted)


@st.composite
def care_entries(draw: st.DrawFn) -> CareEntry:
    texts = draw(st.tuples(words, words, words, words, words))
    (weeks_min, weeks_max), (cost_min, cost_max) = draw(spans), draw(spans)
    return CareEntry("C1", *texts, weeks_min, weeks_max, cost_min, cost_max)


@given(st.lists(care_entries(), max_size=5))
def test_what_is_written_as_csv_is_read_back_the_same(entries: list[CareEntry]) -> None:
    expected = [replace(entry, code=f"C{number}") for number, entry in enumerate(entries)]
    buffer = io.StringIO()
    csv.writer(buffer).writerows([COLUMNS, *map(astuple, expected)])
    assert read_catalogue(buffer.getvalue()) == (expected, [])


def test_the_catalogue_that_we_ship_is_whole() -> None:
    entries = starting_catalogue()
    by_code = {entry.code: entry for entry in entries}
    assert 38 <= len(entries) <= 48
    assert {"SC003", "SC005", "SC007", "P007"} <= by_code.keys()
    assert {entry.category for entry in entries} == {
        "skin",
        "procedure",
        "hair",
        "brows_eyes",
        "grooming",
        "dental",
        "posture_body",
        "style",
    }
    assert all("가" <= sign <= "힣" for entry in entries for sign in entry.title_ko[:1])
    assert all(entry.title_en.isascii() and entry.weeks_min >= 1 for entry in entries)


def test_the_seeds_example_adds_up_with_the_catalogue_that_we_ship() -> None:
    """Seed 003, 4.4: four codes, 300,000 to 800,000 won, 8 to 12 weeks."""
    example = [entry for entry in starting_catalogue() if entry.code in {"SC003", "P007", "SC005", "SC007"}]
    assert (sum(entry.cost_min for entry in example), sum(entry.cost_max for entry in example)) == (300_000, 800_000)
    assert (max(entry.weeks_min for entry in example), max(entry.weeks_max for entry in example)) == (8, 12)


def test_the_lines_for_a_model_are_in_its_language() -> None:
    entries = read_catalogue(f"{HEADER}\n{GOOD}")[0]
    assert catalogue_lines(entries, "ko") == "SC003 | skin | 톤 정돈 | 8-12주 | 30,000-80,000원"
    assert catalogue_lines(entries, "en") == "SC003 | skin | Even tone | 8-12 weeks | 30,000-80,000 KRW"


def test_a_title_cannot_pass_for_an_entry_of_its_own() -> None:
    sly = CareEntry("A1", "skin", "a\nZ9 | skin | free | 1주 | 0원", "b", "d", "d", 1, 1, 0, 0)
    assert catalogue_lines([sly], "ko") == "A1 | skin | a Z9 / skin / free / 1주 / 0원 | 1주 | 0원"
