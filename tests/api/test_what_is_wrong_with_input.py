"""What a client hears about input that does not fit: the field, in words, in the reader's language."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import madang.adapters
import madang.core
import madang.entrypoints.http as http
from madang.entrypoints.http.field_problems import told
from madang.entrypoints.http.language import catalogue

ORDERS = "/api/v1/portraits"
REGISTER = "/api/v1/auth/register"
OTHER_SIGNS = "holds signs that are not taken here, or misses some"
SAYING = {"Problem", "_problem", "_invalid", "AddressRefused"}
ADAPTERS = Path(madang.adapters.__path__[0])
PLACES = (
    *Path(madang.core.__path__[0]).rglob("*.py"),
    *Path(http.__path__[0]).rglob("*.py"),
    *(ADAPTERS / name for name in ("email_validator", "outbound", "phonenumbers", "pillow", "postgres")),
)


def details(answer: httpx.Response) -> list[tuple[str, str]]:
    assert answer.status_code == 400, answer.text
    return [(problem["path"], problem["message"]) for problem in answer.json()["error"]["details"]]


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        (REGISTER, {"email": "a@example.com"}, ("password", "is missing")),
        (REGISTER, {"email": "a@example.com", "password": "x", "role": "admin"}, ("role", "is not known here")),
        (REGISTER, {"email": 5, "password": "x"}, ("email", "must be a text")),
        (REGISTER, {"email": "a@example.com", "password": ""}, ("password", "must not be empty")),
        (REGISTER, [], ("", "must be an object")),
        (ORDERS, {"locale": "fr"}, ("locale", "must be one of en, ko")),
        (ORDERS, {"clientReference": "x" * 101}, ("clientReference", "must have at most 100 characters")),
        (
            "/api/v1/auth/login/two-factor",
            {"challenge": "x", "code": "#"},
            ("code", OTHER_SIGNS),
        ),
    ],
)
async def test_the_field_is_named_and_told_in_words(
    client: httpx.AsyncClient, path: str, body: Any, expected: tuple[str, str]
) -> None:
    assert details(await client.post(path, json=body)) == [expected]


async def test_a_query_is_told_of_alike(client: httpx.AsyncClient) -> None:
    assert details(await client.get("/api/v1/credits/packs?currency=won")) == [
        ("currency", "must be a currency's three capital letters, as KRW")
    ]
    assert details(await client.get("/api/v1/credits/packs?nothing=1")) == [("nothing", "is not known here")]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"email": "nobody"}, ("password", "빠졌습니다")),
        ({"email": "nobody", "password": "correct-horse", "locale": "fr"}, ("locale", "다음 중 하나여야 합니다: en, ko")),
        ({"email": "a@example.com", "password": "x" * 257}, ("password", "256자 이하여야 합니다")),
    ],
)
async def test_korean_readers_hear_korean(client: httpx.AsyncClient, body: Any, expected: tuple[str, str]) -> None:
    answer = await client.post(REGISTER, json=body, headers={"Accept-Language": "ko-KR,ko;q=0.9"})
    assert details(answer)[0] == expected


async def test_no_line_break_slips_in_behind_what_is_asked_for(client: httpx.AsyncClient) -> None:
    """`$` of Python's regular expressions takes one more line break than everybody else's."""
    answer = await client.post(REGISTER, json={"email": "a@example.com\n", "password": "x"})
    assert details(answer) == [("email", "must not hold line breaks or control characters")]
    answer = await client.get("/api/v1/credits/packs", params={"currency": "KRW\n"})
    assert details(answer) == [("currency", "must be a currency's three capital letters, as KRW")]


def test_no_pattern_of_ours_takes_a_line_break_at_its_end() -> None:
    patterns = [
        found
        for path in Path(http.__path__[0]).rglob("*.py")
        for found in re.findall(r'pattern=r?f?"([^"]*)"', path.read_text(encoding="utf-8"))
    ]
    assert len(patterns) > 40
    assert {found for found in patterns if found.endswith("$")} <= {r"^[^\u0000]*$", r"^https?://[^\u0000]+$"}


async def test_a_body_that_is_missing_is_called_so(client: httpx.AsyncClient) -> None:
    assert details(await client.post(REGISTER)) == [("", "the body is missing: send a JSON object")]


async def test_another_content_type_is_told_which_are_taken(client: httpx.AsyncClient) -> None:
    answer = await client.post(REGISTER, content=b"email=a", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 415
    assert answer.json()["error"]["details"] == {"accepted": "application/json"}
    assert "application/json" in answer.json()["error"]["message"]


async def test_two_credentials_are_told_from_a_broken_request(client: httpx.AsyncClient) -> None:
    both = {"Authorization": "Bearer not-even-looked-at", "X-API-Key": "madang_not-secret"}
    answer = await client.get("/api/v1/files", headers=both)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BAD_REQUEST")
    assert answer.json()["error"]["message"] == "Send either an Authorization header or an X-API-Key, not both."


async def test_a_key_where_none_is_taken_hears_what_is(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/auth/me", headers={"X-API-Key": "madang_not-secret"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "UNAUTHORIZED")
    assert answer.json()["error"]["message"].startswith("This address takes no API key.")


def sentences() -> Iterator[str]:
    """What is said of fields in the sources, with `7` where a value stands."""
    files = [path for place in PLACES for path in ([place] if place.is_file() else place.glob("*.py"))]
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and _name(node.func) in {"Problem", "_problem", "_invalid", "AddressRefused"}
                and node.args
            ):
                yield from _written(node.args[-1])


def _name(called: ast.expr) -> str:
    return called.id if isinstance(called, ast.Name) else ""


def _written(said: ast.expr) -> Iterator[str]:
    if isinstance(said, ast.Constant) and isinstance(said.value, str):
        yield said.value
    elif isinstance(said, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in said.values)


def test_every_sentence_about_a_field_is_there_in_korean() -> None:
    said = set(sentences())
    assert len(said) > 70
    assert {sentence for sentence in said if told(sentence, "ko") == sentence} == set()


def test_a_sentence_that_nobody_translated_stays_english() -> None:
    assert told("is of no use to the plugin acme", "ko") == "is of no use to the plugin acme"


def test_what_a_sentence_names_is_named_in_korean_too() -> None:
    for english, korean in catalogue("problems", "ko").items():
        assert set(re.findall(r"(?<!\{)\{(\w+)\}", korean)) <= set(re.findall(r"\{(\w+)\}", english)), english
