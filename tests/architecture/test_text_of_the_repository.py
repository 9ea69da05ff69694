"""Nothing in the repository tells of one machine, one registry or a real secret."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from source_tree import repository_files, shown, source_modules

SUFFIXES = {
    ".py", ".md", ".toml", ".cfg", ".ini", ".txt", ".csv", ".json", ".html", ".css", ".js", ".jinja", ".j2", ".mako", ".yml",
    ".yaml", "",
}  # fmt: skip
THIS_FILE = Path(__file__).name

OF_ONE_MACHINE = re.compile(r"(?<![\w.~-])/(?:work|home/\w+|root|Users/\w+|tmp/w)/|[A-Z]:\\\\Users")
OF_A_REGISTRY = re.compile(r"\bpypi\.org|files\.pythonhosted\.org|registry\.npmjs|--(?:extra-)?index-url|deb\.debian\.org")
A_SECRET = re.compile(
    r"-----BEGIN (?:RSA |EC |OPENSSH )?PRIVATE KEY|\b[sr]k_live_\w|\bAKIA[0-9A-Z]{16}\b|\bghp_\w{20}|\bxox[bp]-\d|"
    r"\bAIza[\w-]{30}"
)
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX)\b")


@cache
def texts() -> Mapping[Path, bytes]:
    """Read once for all tests."""
    files = (path for path in repository_files() if path.suffix in SUFFIXES and path.name != THIS_FILE)
    return {path: path.read_bytes() for path in files}


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    """No pattern reaches over the end of a line: whole texts are searched first, which takes a tenth of the time."""
    return [
        f"{shown(path)}:{number}: {line.strip()[:100]}"
        for path, data in texts().items()
        if pattern.search(text := data.decode())
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]


@pytest.mark.parametrize(
    "pattern", [OF_ONE_MACHINE, OF_A_REGISTRY, A_SECRET, UNFINISHED], ids=["machine", "registry", "secret", "unfinished"]
)
def test_no_line_holds_what_does_not_belong_here(pattern: re.Pattern[str]) -> None:
    found = lines_with(pattern)
    assert not found, "\n".join(found)


def test_texts_are_utf8_with_plain_line_ends_and_a_last_one() -> None:
    odd = [
        shown(path)
        for path, data in texts().items()
        if data and (b"\r" in data or not data.endswith(b"\n")) and path.suffix != ".csv"
    ]
    assert not odd


def test_every_silenced_lint_rule_carries_its_reason() -> None:
    with_reason = re.compile(r"# noqa: [A-Z]+\d+(?:, ?[A-Z]+\d+)* +(?:[-–] )?\w+")
    silent = [
        f"{shown(path)}:{number}"
        for path in source_modules()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if "# noqa" in line and not with_reason.search(line)
    ]
    assert not silent
