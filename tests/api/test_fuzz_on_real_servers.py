"""Fuzzing what people do and pay from our own OpenAPI document, on a real PostgreSQL, a real Valkey and the sandbox.

Over ASGI, so that no body is waited for that never comes whole. Something was bought before: ids that are asked for are its.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Any, Final
from uuid import UUID

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from deployment import Deployment, Member, deployed
from integration.billing.till import Till
from madang.core.identity.roles import Role
from madang.entrypoints.http.rate_limits import POLICIES
from madang.entrypoints.http.routes import openapi_document

ELSEWHERE: Final = {"Portraits", "Knowledge base", "Webhooks", "Operations"}
"""Tags of what holds no account: `test_fuzz_from_the_document` walks them."""
ENDLESS: Final = {"listenToEvents"}
"""An answer that does not end is read by a test of its own."""
OF_STAFF: Final = {"Users", "Administration"}
PATIENCE: Final = 60.0
CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


class Shop:
    """A deployment with a client who has bought, and an administrator."""

    def __init__(self, runner: asyncio.Runner, deployment: Deployment) -> None:
        self._runner = runner
        self._deployment = deployment
        self.bought: Mapping[str, str] = {}
        self._members: Mapping[Role, Member] = {}

    def open(self) -> None:
        self._runner.run(self._open())

    async def _open(self) -> None:
        self._members = {role: await self._deployment.member(role) for role in (Role.CLIENT, Role.ADMIN)}
        till = Till(self._deployment)
        payment = await till.paid(self._members[Role.CLIENT])
        invoice = await self._deployment.value("SELECT id FROM invoices WHERE payment_id = $1::uuid", payment)
        self.bought = {"paymentId": payment, "invoiceId": str(invoice), "userId": str(self._members[Role.CLIENT].id)}

    def answer(self, case: "schemathesis.Case[Any]", role: Role | None) -> httpx.Response:
        headers = {} if role is None else dict(self._members[role].headers)
        asked = requests.Request(**case.as_transport_kwargs(base_url="http://testserver", headers=headers)).prepare()
        return self._runner.run(self._ask(asked))

    async def _ask(self, asked: requests.PreparedRequest) -> httpx.Response:
        """Within a time limit: whatever does not end is a finding, and holds nobody up."""
        body = asked.body.encode() if isinstance(asked.body, str) else asked.body
        headers = [(as_bytes(name), as_bytes(value)) for name, value in asked.headers.items()]
        async with asyncio.timeout(PATIENCE):
            return await self._deployment.client.request(
                str(asked.method), str(asked.url), headers=headers, content=body or b""
            )


@pytest.fixture
def shop(make_settings: Callable[..., Any]) -> Iterator[Shop]:
    chosen = make_settings(limits=dict.fromkeys(POLICIES, "1000000/minute"))
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        opened = Shop(runner, runner.run(stack.enter_async_context(deployed(chosen))))
        opened.open()
        yield opened
        runner.run(stack.aclose())


def as_bytes(written: str | bytes) -> bytes:
    return written.encode() if isinstance(written, str) else written


def asked_about(case: "schemathesis.Case[Any]", bought: Mapping[str, str]) -> None:
    """What is there, where any id at all would do."""
    for name, written in (case.path_parameters or {}).items():
        if name in bought and is_id(written):
            case.path_parameters[name] = bought[name]


def is_id(written: object) -> bool:
    try:
        return bool(UUID(str(written)))
    except ValueError:
        return False


def walked(shop: Shop, operation: Any, mode: GenerationMode) -> None:
    """Raises what the first answer lacks."""
    raw = operation.definition.raw
    role = (Role.ADMIN if raw["tags"][0] in OF_STAFF else Role.CLIENT) if raw["security"] else None

    @settings(
        max_examples=2,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def answers(case: "schemathesis.Case[Any]") -> None:
        asked_about(case, shop.bought)
        case.validate_response(shop.answer(case, role), checks=CHECKS)

    answers()


def test_every_answer_about_accounts_and_money_is_as_documented(shop: Shop) -> None:
    broken: dict[str, str] = {}
    operations = [found.ok() for found in schemathesis.openapi.from_dict(openapi_document()).get_all_operations()]
    for operation in operations:
        raw = operation.definition.raw
        if raw["tags"][0] not in ELSEWHERE and raw["operationId"] not in ENDLESS:
            for mode in GenerationMode:
                try:
                    walked(shop, operation, mode)
                except Unsatisfiable:
                    continue  # what takes nothing takes nothing wrong
                except Exception as error:  # noqa: BLE001 - of all operations at once it is told what is wrong
                    broken[f"{raw['operationId']}, {mode.name}"] = str(error)
    assert broken == {}
