"""Health, metrics, the OpenAPI document and its page."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

import madang.core
from api.api_in_memory import QUIET_DEPTH, Beat, InMemoryContainer
from api.conftest import Buyer
from madang.entrypoints.http.error_index import STATUS_OF
from madang.entrypoints.http.language import LANGUAGES, catalogue
from madang.entrypoints.http.openapi import errors_of
from madang.entrypoints.http.operation import JsonBody
from madang.entrypoints.http.routes import openapi_document, routes_for

ROUTES = routes_for(["portraits"])


async def test_a_process_that_answers_lives(client: httpx.AsyncClient, container: InMemoryContainer) -> None:
    container.surroundings.depth = ConnectionRefusedError()
    answer = await client.get("/health/live")
    assert (answer.status_code, answer.json()["data"]) == (200, {"alive": True})


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
async def test_watchers_that_ask_for_the_head_alone_are_answered(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.head(path)).status_code == 200


async def test_a_deployment_that_works_is_ready(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json()["data"]["ready"] is True
    assert set(answer.json()["data"]["checks"]) == {"database", "messages", "leases", "worker", "relay", "redis"}


def database_away(container: InMemoryContainer) -> None:
    container.surroundings.depth = ConnectionRefusedError("at 10.0.0.1 with password=hunter2")


def nobody_beats(container: InMemoryContainer) -> None:
    container.surroundings.beats = []


def the_worker_is_stale(container: InMemoryContainer) -> None:
    container.surroundings.beats = [Beat("worker", 600.0), Beat("relay", 1.0)]


def a_message_is_overdue(container: InMemoryContainer) -> None:
    container.surroundings.depth = {**QUIET_DEPTH, "oldest_due": 120.0}


def a_lease_is_stale(container: InMemoryContainer) -> None:
    container.surroundings.depth = {**QUIET_DEPTH, "oldest_lease": 120.0}


@pytest.mark.parametrize(
    ("breaking", "check"),
    [
        (database_away, "database"),
        (nobody_beats, "relay"),
        (the_worker_is_stale, "worker"),
        (a_message_is_overdue, "messages"),
        (a_lease_is_stale, "leases"),
    ],
)
async def test_what_is_broken_turns_readiness_red_and_is_named(
    client: httpx.AsyncClient, container: InMemoryContainer, breaking: Any, check: str
) -> None:
    breaking(container)
    answer = await client.get("/health/ready")
    data = answer.json()["data"]
    assert (answer.status_code, data["ready"]) == (503, False)
    assert data["checks"][check]["ok"] is False
    assert data["checks"][check]["reason"]
    assert "hunter2" not in answer.text


async def test_a_redis_that_is_away_is_reported_and_borne(client: httpx.AsyncClient, container: InMemoryContainer) -> None:
    container.surroundings.ping_error = ConnectionRefusedError()
    answer = await client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json()["data"]["checks"]["redis"]["ok"] is False


async def test_metrics_count_by_route_and_not_by_path(client: httpx.AsyncClient, buyer: Buyer) -> None:
    await client.get(buyer.path, headers=buyer.headers)
    text = (await client.get("/metrics")).text
    assert 'madang_http_requests_total{method="GET",route="/api/v1/portraits/{portrait_id}",status="200"} 1.0' in text
    assert 'madang_http_request_seconds_count{method="GET"' in text
    assert 'madang_messages{state="waiting"} 3.0' in text
    assert str(buyer.id) not in text


async def test_metrics_are_there_while_the_database_is_away(client: httpx.AsyncClient, container: InMemoryContainer) -> None:
    container.surroundings.depth = ConnectionRefusedError()
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")


async def test_the_document_that_is_served_is_the_one_that_needs_no_connection(client: httpx.AsyncClient) -> None:
    served = (await client.get("/openapi.json")).json()
    assert served == json.loads(json.dumps(openapi_document(base_url="http://madang.test")))


async def test_the_docs_page_and_its_files_come_from_here(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    assert page.headers["Content-Type"].startswith("text/html")
    assert "http:" not in page.text
    assert "https:" not in page.text
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=", page.text)
    references = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
    assert len(references) == 4
    for reference in references:
        assert (await client.get(reference)).status_code == 200


def described() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in openapi_document()["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def test_every_operation_is_described_and_has_a_name_of_its_own() -> None:
    operations = list(described())
    names = [operation["operationId"] for _, _, operation in operations]
    assert len(names) == len(set(names)) >= 17
    for _, _, operation in operations:
        assert operation["summary"]
        assert operation["description"]
        assert operation["tags"]


def test_every_tag_says_what_it_groups() -> None:
    explained = {tag["name"] for tag in openapi_document()["tags"] if tag["description"]}
    assert {tag for _, _, operation in described() for tag in operation["tags"]} == explained


def test_every_parameter_of_a_query_says_what_it_is_for() -> None:
    for method, path, operation in described():
        for parameter in operation["parameters"]:
            if parameter["in"] == "query":
                assert parameter.get("description") or parameter["schema"].get("description"), (method, path, parameter["name"])


def test_what_cannot_be_read_as_csv_is_refused_only_where_csv_is_taken() -> None:
    refusing = [path for _, path, operation in described() if "`MALFORMED_CSV`" in json.dumps(operation["responses"])]
    assert refusing == ["/api/v1/knowledge-base/import"]


def test_refusals_that_pass_name_the_header_that_says_when() -> None:
    for method, path, operation in described():
        if path.startswith("/api/"):
            assert "Retry-After" in operation["responses"]["429"]["headers"], (method, path)
        if operation["security"] and path.startswith("/api/"):
            assert "WWW-Authenticate" in operation["responses"]["401"]["headers"], (method, path)


def test_every_list_says_how_to_turn_its_pages() -> None:
    parameters = [each for _, _, operation in described() for each in operation["parameters"]]
    paging = [each for each in parameters if each["name"] in {"page", "limit", "cursor"} and each["in"] == "query"]
    assert {each["name"] for each in paging} == {"page", "limit", "cursor"}
    assert all(each.get("description") for each in paging)


def test_every_operation_has_examples_and_its_errors() -> None:
    for method, path, operation in described():
        for content in operation.get("requestBody", {}).get("content", {}).values():
            assert content["examples"], (method, path)
        for status, response in operation["responses"].items():
            for content in response.get("content", {}).values():
                assert content.get("examples") or content.get("example"), (method, path, status)
        if path.startswith("/api/"):
            assert {"400", "429", "500", "503"} <= set(operation["responses"]), (method, path)


def test_a_deployment_that_is_not_ready_is_documented_too() -> None:
    assert {"200", "503"} <= set(openapi_document()["paths"]["/health/ready"]["get"]["responses"])


def test_every_bound_route_is_in_the_document(container: InMemoryContainer) -> None:
    documented = {(method.upper(), path) for method, path, _ in described()}
    assert {(route.operation.method, as_documented(route.operation.full_path)) for route in ROUTES} <= documented


def as_documented(path: str) -> str:
    """`/jobs/{job_id:uuid}` is `/jobs/{jobId}`."""
    named = re.sub(r"\{(\w+):\w+\}", r"{\1}", path)
    return re.sub(r"_([a-z])(?=[a-z_]*\})", lambda match: match[1].upper(), named)


def test_every_reference_in_the_document_leads_somewhere() -> None:
    document = openapi_document()
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)):
        found: Any = document
        for part in reference.split("/"):
            found = found[part]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: str(route.operation.id))
def test_examples_are_what_the_shapes_say(route: Any) -> None:
    operation = route.operation
    if operation.answers is not None:
        msgspec.convert(operation.example, type=operation.answers)
    if isinstance(operation.body, JsonBody):
        msgspec.convert(operation.body.example, type=operation.body.shape)


def test_every_error_code_has_its_sentence_in_both_languages() -> None:
    codes = {code for route in ROUTES for code in errors_of(route.operation)} | set(STATUS_OF)
    for language in LANGUAGES:
        assert codes <= set(catalogue("errors", language))
    assert set(catalogue("errors", "ko")) == set(catalogue("errors", "en"))
    assert set(catalogue("pages", "ko")) == set(catalogue("pages", "en"))


def test_every_code_that_the_core_raises_has_its_sentence() -> None:
    written = "".join(path.read_text(encoding="utf-8") for path in Path(madang.core.__path__[0]).rglob("*.py"))
    raised = set(re.findall(r'code(?:: ClassVar\[str\])? ?= ?"([A-Z_]{4,})"', written))
    assert len(raised) > 15
    assert raised <= set(catalogue("errors", "en"))


async def test_the_front_door_leads_to_the_reference(client: httpx.AsyncClient) -> None:
    assert (await client.get("/")).headers["Location"] == "/docs"


@pytest.mark.parametrize("path", ["/assets/..%2fapp.py", "/assets/%2e%2e/rendering.py", "/docs/files/..%2f..%2fetc/passwd"])
async def test_files_are_served_from_their_folder_only(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize("name", ["a%00b", "a" * 300, "a/" * 3000, "page.css/more"])
async def test_a_name_that_no_file_can_have_is_not_found(client: httpx.AsyncClient, name: str) -> None:
    for folder in ("/assets/", "/docs/files/"):
        assert (await client.get(folder + name)).status_code == 404


async def test_files_may_be_kept_by_the_browser(client: httpx.AsyncClient) -> None:
    assert "max-age=3600" in (await client.get("/assets/page.css")).headers["Cache-Control"]
    assert (await client.get("/health/live")).headers["Cache-Control"] == "no-store"


def test_sentences_take_the_same_values_in_both_languages() -> None:
    for name in ("errors", "pages"):
        for code, english in catalogue(name, "en").items():
            assert set(re.findall(r"\{(\w+)\}", english)) == set(re.findall(r"\{(\w+)\}", catalogue(name, "ko")[code])), code


async def test_the_published_keys_verify_a_token_and_may_be_kept(
    client: httpx.AsyncClient, container: InMemoryContainer
) -> None:
    answer = await client.get("/.well-known/jwks.json")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/jwk-set+json"
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    token = container.token("api", "somebody")
    assert jwt.decode(token, KeySet.import_key_set(answer.json()), algorithms=["Ed25519"]).claims["sub"] == "somebody"
