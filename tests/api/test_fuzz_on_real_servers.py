"""Fuzzing what people do from our own OpenAPI document, over HTTP, on a real PostgreSQL and a real Valkey."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import asyncpg
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from deployment import Deployment, Member, deployed
from embedded_stack import SANDBOX_ROUTES
from madang.adapters.embedded.postgres_server import EmbeddedPostgres
from madang.adapters.embedded.valkey_server import EmbeddedValkey
from madang.core.identity.roles import Role
from madang.entrypoints.http.rate_limits import POLICIES
from madang.entrypoints.http.routes import openapi_document
from madang.entrypoints.http.serve import run_http
from madang.entrypoints.settings import Settings
from madang.entrypoints.supervisor.addresses import free_port

DOCUMENT = openapi_document()
ELSEWHERE = ("Portraits", "Knowledge base", "Webhooks", "Operations")
"""Tags that `test_fuzz_from_the_document` walks."""
ENDLESS = ("streamEvents",)
"""An answer that does not end is read by a test of its own."""
OF_ADMINISTRATORS = ("Users", "Administration")
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
)


class Served:
    """A deployment that serves in a thread of its own."""

    def __init__(self, chosen: Settings) -> None:
        self.base_url = chosen.base_url
        self._settings = chosen
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self.deployment: Deployment | None = None

    def __enter__(self) -> "Served":
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        self._loop.close()

    def member(self, role: Role) -> Member:
        assert self.deployment is not None
        return asyncio.run_coroutine_threadsafe(self.deployment.member(role), self._loop).result(30)

    async def _serve(self) -> None:
        async with deployed(self._settings) as self.deployment:
            self._loop.call_soon(self._ready.set)
            await run_http(self.deployment.container, self._stop)


@pytest.fixture(scope="module")
def fuzzed_database_url(postgres_server: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    """One for the whole walk: what is in it does not matter."""

    async def execute(statement: str) -> None:
        connection = await asyncpg.connect(postgres_server.url("postgres"))
        await connection.execute(statement)
        await connection.close()

    asyncio.run(execute(f"CREATE DATABASE fuzzed TEMPLATE {migrated_template} STRATEGY file_copy"))
    yield postgres_server.url("fuzzed")
    asyncio.run(execute("DROP DATABASE fuzzed WITH (FORCE)"))


@pytest.fixture(scope="module")
def served(
    redis_server: EmbeddedValkey, fuzzed_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    port = free_port()
    chosen = Settings(
        database_url=fuzzed_database_url,
        redis_url=redis_server.url(63),
        data_dir=tmp_path_factory.mktemp("fuzzed"),
        base_url=f"http://127.0.0.1:{port}",
        port=port,
        routes=SANDBOX_ROUTES,
        limits=dict.fromkeys(POLICIES, "1000000/minute"),
        secret_key="test-key-not-secret-test-key-not-secret",
    )
    with Served(chosen) as found:
        yield found


@pytest.fixture(scope="module")
def members(served: Served) -> Mapping[str, Member]:
    return {role: served.member(role) for role in (Role.CLIENT, Role.ADMIN)}


schema = schemathesis.openapi.from_dict(
    {
        **DOCUMENT,
        "paths": {
            path: {
                method: operation
                for method, operation in item.items()
                if operation["tags"][0] not in ELSEWHERE and operation["operationId"] not in ENDLESS
            }
            for path, item in DOCUMENT["paths"].items()
        },
    }
)


@schema.parametrize()
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_about_people_is_as_documented(
    case: "schemathesis.Case[Any]", served: Served, members: Mapping[str, Member]
) -> None:
    raw = case.operation.definition.raw
    role = Role.ADMIN if raw["tags"][0] in OF_ADMINISTRATORS else Role.CLIENT
    headers = dict(members[role].headers) if raw["security"] else {}
    case.call_and_validate(base_url=served.base_url, headers=headers, checks=CHECKS)
