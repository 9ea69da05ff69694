"""Fuzzing from our own OpenAPI document: no 500, and every answer as documented."""

import asyncio
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from api.api_in_memory import CARE, SIGNATURE, InMemoryContainer
from invoice_samples import INVOICE
from madang.core.files.service import AnnounceUpload
from madang.core.kernel.caller import Caller, CallerKind
from madang.core.portraits.model import PortraitStatus
from madang.core.portraits.ordering import OrderPortrait
from madang.entrypoints.http.app import create_app
from madang.entrypoints.http.routes import routes_for

JOB = UUID("01997f2e-6c00-7a10-9c3e-0242ac120002")
OWNER = UUID("01997f2e-6c00-7a10-9c3e-0242ac120003")
OWNER_CALLS = Caller(CallerKind.USER, OWNER)
FILE = UUID("01997f2e-6c00-7a10-9c3e-0242ac120004")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
RAW = ("receiveWebhook", "importCareEntries")
"""Bodies that are taken as they are: no bytes break their schema."""
AUDIENCES = {
    "getPortrait": "portrait",
    "setPortraitPhone": "portrait",
    "submitPortraitPhoto": "portrait",
    "checkPortraitPayment": "portrait",
    "getPortraitInvoice": "portrait",
    "getPortraitResult": "portrait-result",
    "downloadPortrait": "portrait-result",
    "submitPortraitSurvey": "portrait-result",
}
STATES = {
    "setPortraitPhone": PortraitStatus.PENDING_PHONE,
    "submitPortraitPhoto": PortraitStatus.PENDING_UPLOAD,
    "getPortrait": PortraitStatus.PROCESSING,
}

container = InMemoryContainer()
OPERATIONS = [route.operation.id for route in routes_for(container.settings.products)]


@pytest.fixture(scope="module")
def document() -> Any:
    """Read when the test runs: every test runner collects it."""
    return schemathesis.openapi.from_asgi("/openapi.json", create_app(container))


def a_job_in_the_right_state(operation: str) -> None:
    """So that most requests get past the state check to what they are about."""
    container.portraits.portraits.clear()
    container.portraits.surveys.clear()
    container.portraits.attempts.clear()
    container.knowledge_base.entries = {CARE.code: CARE}
    asyncio.run(container.portraits.order(OrderPortrait(JOB, "address:test", "ko")))
    container.portraits.complete(JOB)
    container.files.files.clear()
    asyncio.run(container.files.announce_upload(OWNER_CALLS, AnnounceUpload(FILE, "a.png", "picture", "image/png", 100)))
    if operation != "completeUpload":
        asyncio.run(container.files.complete(OWNER_CALLS, FILE))
    if operation in STATES:
        container.portraits.change(JOB, status=STATES[operation])


def headers_for(operation: str, path: str) -> dict[str, str]:
    headers = {"Webhook-Signature": SIGNATURE}
    if operation in AUDIENCES:
        headers["Authorization"] = f"Bearer {container.token(AUDIENCES[operation], JOB)}"
    elif "/auth/" in path:
        headers["Authorization"] = f"Bearer {container.token('api', JOB, userId=str(JOB), sid=str(JOB))}"
    elif "/files" in path:
        extra = {"userId": str(OWNER), "role": "client", "permissions": ["files:read", "files:write"]}
        headers["Authorization"] = f"Bearer {container.token('api', OWNER, **extra)}"
    elif any(part in path for part in ("/subscriptions", "/payment-methods")):
        extra = {"userId": str(OWNER), "role": "client", "permissions": ["subscriptions:read", "subscriptions:write"]}
        headers["Authorization"] = f"Bearer {container.token('api', OWNER, **extra)}"
    elif any(part in path for part in ("/checkouts", "/payments", "/payment-plans", "/admin/webhooks")):
        permissions = ["payments:read", "payments:write", "payments:refund", "operations:read", "operations:write"]
        permissions.append("payment-plans:write")
        extra = {"userId": str(OWNER), "role": "pm", "permissions": permissions}
        headers["Authorization"] = f"Bearer {container.token('api', OWNER, **extra)}"
    elif "/invoices" in path:
        extra = {"userId": str(OWNER), "role": "client", "permissions": ["invoices:read"]}
        headers["Authorization"] = f"Bearer {container.token('api', OWNER, **extra)}"
    elif "credits" in path:
        permissions = ["credits:read", "credits:spend", "credits:grant"]
        extra = {"userId": str(OWNER), "role": "admin", "permissions": permissions}
        headers["Authorization"] = f"Bearer {container.token('api', OWNER, **extra)}"
    elif "knowledge-base" in path:
        headers |= container.editor()
    return headers


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("mode", GenerationMode)
def test_every_answer_is_as_documented(document: Any, operation: str, mode: GenerationMode) -> None:
    @settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
    @given(document.find_operation_by_id(operation).as_strategy(generation_mode=mode))
    def answers(case: "schemathesis.Case[Any]") -> None:
        a_job_in_the_right_state(operation)
        parameters = case.path_parameters or {}
        with suppress(ValueError, TypeError, AttributeError):
            UUID(parameters.get("portraitId"))
            parameters["portraitId"] = str(JOB)
        with suppress(ValueError, TypeError, AttributeError):
            UUID(parameters.get("fileId"))
            parameters["fileId"] = str(FILE)
        with suppress(ValueError, TypeError, AttributeError):
            UUID(parameters.get("invoiceId"))
            parameters["invoiceId"] = str(INVOICE)
        checks = CHECKS if operation in RAW else [*CHECKS, negative_data_rejection]
        case.call_and_validate(headers=headers_for(operation, case.path), checks=checks)

    answers()
