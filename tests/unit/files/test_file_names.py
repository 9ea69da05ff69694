"""Names become harmless, whatever they were."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.core.files.names import EXTENSIONS, MAX_LENGTH, NAMELESS, fitting, harmless
from madang.core.files.policies import POLICIES


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("photo.png", "photo.png"),
        ("여름 휴가.png", "여름 휴가.png"),
        (unicodedata.normalize("NFD", "여름.png"), "여름.png"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("/absolute/name", "name"),
        ("C:\\a\\b.txt", "b.txt"),
        ("a.txt:stream", "a.txt_stream"),
        ("..", NAMELESS),
        ("folder/", NAMELESS),
        ("", NAMELESS),
        ("\u202e\u200b\ufeff", NAMELESS),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("a\r\nb\tc.txt", "abc.txt"),
        ("a\0b.txt", "ab.txt"),
        ("nul", "_nul"),
        ("CON.txt", "_CON.txt"),
        ("console.txt", "console.txt"),
        (".htaccess", "htaccess"),
        ("trailing. . .", "trailing"),
        ("x" * 300 + ".jpeg", "x" * 115 + ".jpeg"),
        ("x" * 300, "x" * MAX_LENGTH),
        ("a." + "b" * 300, ("a." + "b" * 300)[:MAX_LENGTH]),
    ],
)
def test_a_name_is_made_harmless(written: str, shown: str) -> None:
    assert harmless(written) == shown


@given(st.text(max_size=400))
def test_no_name_is_ever_a_path_or_invisible_or_long(written: str) -> None:
    name = harmless(written)
    assert 0 < len(name) <= MAX_LENGTH
    assert not set(name) & set('/\\<>:"|?*%;\0\r\n')
    assert name.strip(" .") == name
    assert not any(unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp", "Cs") for letter in name)
    assert harmless(name) == name, "doing it twice changes nothing"


@pytest.mark.parametrize(
    ("name", "content_type", "saved"),
    [
        ("a.png", "image/png", "a.png"),
        ("a.JPG", "image/jpeg", "a.JPG"),
        ("photo.html", "image/png", "photo.html.png"),
        ("notes", "text/plain", "notes.txt"),
        ("a.pdf", None, "a.pdf"),
        ("png", "image/png", "png.png"),
    ],
)
def test_a_name_ends_in_what_the_file_is(name: str, content_type: str | None, saved: str) -> None:
    assert fitting(name, content_type) == saved


def test_every_type_that_is_taken_has_an_extension() -> None:
    assert {kind for policy in POLICIES.values() for kind in policy.types} == set(EXTENSIONS)
