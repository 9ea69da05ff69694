"""Every operation of the OpenAPI document that names something, called by somebody whose it is not.

The walk is over the document: an operation that is added without a recipe for what it names fails here.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from deployment import Deployment, Member, OpenDeployment
from integration.billing.books import Books
from madang.core.billing.model import Refund, RefundStatus
from madang.core.billing.subscriptions.model import PaymentMethod
from madang.core.identity.roles import Role
from madang.core.kernel.ids import new_id
from madang.core.kernel.inbox import InboxEntry
from madang.entrypoints.http.authentication import Audience
from madang.entrypoints.http.operation import PREFIX
from madang.entrypoints.http.routes import openapi_document
from madang.ports.money import Money

DOCUMENT = openapi_document()
NAMED = re.compile(r"\{(\w+)\}")
METHODS = ("get", "post", "put", "patch", "delete")
Ids = Mapping[str, str]
Recipe = Callable[[Deployment, Member], Awaitable[Ids]]
Named = tuple[str, str, dict[str, Any]]


def operations() -> list[Named]:
    """Those that name something, and that not everybody may call."""
    return [
        (method, path.removeprefix(PREFIX), operation)
        for path, item in DOCUMENT["paths"].items()
        for method, operation in item.items()
        if method in METHODS and NAMED.search(path) and operation["security"]
    ]


async def asked(deployment: Deployment, member: Member, method: str, path: str, **more: Any) -> Any:
    answer = await deployment.client.request(method, path, headers=dict(member.headers), **more)
    assert answer.is_success, (method, path, answer.text)
    return answer.json()["data"]


async def a_file(deployment: Deployment, owner: Member) -> Ids:
    form = {"data": {"purpose": "document"}, "files": {"file": ("note.txt", b"a note", "text/plain")}}
    return {"fileId": (await asked(deployment, owner, "POST", "/files", **form))["id"]}


async def a_session(deployment: Deployment, owner: Member) -> Ids:
    """The one that a sign-up opens, of an account of its own."""
    body = {"email": f"{new_id().hex[-12:]}@example.com", "password": "a sentence that nobody else has"}
    return {"sessionId": (await deployment.client.post("/auth/register", json=body)).json()["data"]["sessionId"]}


async def an_api_key(deployment: Deployment, owner: Member) -> Ids:
    body = {"name": "Mine", "permissions": ["files:read"]}
    return {"keyId": (await asked(deployment, owner, "POST", "/api-keys", json=body))["id"]}


async def a_webhook_endpoint(deployment: Deployment, owner: Member) -> Ids:
    body = {"url": "https://127.0.0.1/hooks", "eventTypes": ["files.completed"]}
    endpoint = await asked(deployment, owner, "POST", "/webhook-endpoints", json=body)
    await asked(deployment, owner, "POST", f"/webhook-endpoints/{endpoint['id']}/test")
    deliveries = await asked(deployment, owner, "GET", f"/webhook-endpoints/{endpoint['id']}/deliveries")
    return {"endpointId": endpoint["id"], "deliveryId": deliveries[0]["id"]}


async def an_invoice(deployment: Deployment, owner: Member) -> Ids:
    books = Books(deployment)
    [invoice] = await books.documents(await books.paid(owner))
    return {"invoiceId": str(invoice.id)}


async def a_portrait(deployment: Deployment, owner: Member) -> Ids:
    return {"portraitId": (await asked(deployment, owner, "POST", "/portraits", json={}))["id"]}


async def an_erasure(deployment: Deployment, owner: Member) -> Ids:
    return {"erasureId": (await asked(deployment, owner, "DELETE", "/privacy/me", json={"confirm": True}))["id"]}


async def the_owner(_: Deployment, owner: Member) -> Ids:
    return {"userId": str(owner.id)}


async def a_job(deployment: Deployment, owner: Member) -> Ids:
    await a_portrait(deployment, owner)
    return {"jobId": str(await deployment.value("SELECT id FROM messages LIMIT 1"))}


async def a_payment(deployment: Deployment, owner: Member) -> Ids:
    """With a refund that nobody sends."""
    pages = {"successUrl": "https://shop.example.com/paid", "cancelUrl": "https://shop.example.com/cart"}
    body = {"creditPackId": "credits-100", "currency": "KRW", **pages}
    payment_id = (await asked(deployment, owner, "POST", "/checkouts", json=body))["paymentId"]
    now, refund_id = deployment.container.clock.now(), new_id()
    refund = Refund(refund_id, UUID(payment_id), f"test:{refund_id}", Money(1, "KRW"), "test", RefundStatus.FAILED, now, now)
    async with deployment.container.units() as uow:
        await uow.payments.add_refund(refund)
    return {"paymentId": payment_id, "refundId": str(refund_id)}


async def a_payment_plan(deployment: Deployment, owner: Member) -> Ids:
    manager = await deployment.member(Role.PROJECT_MANAGER)
    day = (deployment.container.clock.now() + timedelta(days=30)).date().isoformat()
    installments = [{"phase": "계약금", "amount": 1000, "dueDate": day}]
    body = {"projectId": str(new_id()), "clientId": str(owner.id), "currency": "KRW", "installments": installments}
    made = await asked(deployment, manager, "POST", "/payment-plans", json={**body, "monthlyFee": 100})
    return {"planId": made["id"], "number": "1"}


async def a_notice(deployment: Deployment, owner: Member) -> Ids:
    entry = InboxEntry(new_id(), "sandbox", new_id().hex, "payment.paid", {}, deployment.container.clock.now())
    async with deployment.container.units() as uow:
        await uow.inbox.add(entry)
    return {"noticeId": str(entry.id)}


async def a_care_entry(*_: object) -> Ids:
    return {"code": "SC003"}


async def the_sandbox(*_: object) -> Ids:
    return {"name": "sandbox"}


async def a_subscription(deployment: Deployment, owner: Member) -> Ids:
    back = {"successUrl": "https://shop.example.com/a", "cancelUrl": "https://shop.example.com/b"}
    body = {"planId": "hosting-basic", "currency": "KRW", **back}
    return {"subscriptionId": (await asked(deployment, owner, "POST", "/subscriptions", json=body))["id"]}


async def a_payment_method(deployment: Deployment, owner: Member) -> Ids:
    method = PaymentMethod(new_id(), owner.id, "sandbox", str(owner.id), "card **** 1234", deployment.container.clock.now())
    async with deployment.container.units() as uow:
        await uow.payment_methods.add(method)
    return {"methodId": str(method.id)}


RECIPES: Mapping[str, Recipe] = {
    "/admin/jobs": a_job,
    "/admin/limits": the_owner,
    "/admin/providers": the_sandbox,
    "/admin/webhooks": a_notice,
    "/api-keys": an_api_key,
    "/auth/sessions": a_session,
    "/files": a_file,
    "/invoices": an_invoice,
    "/knowledge-base": a_care_entry,
    "/payment-methods": a_payment_method,
    "/payment-plans": a_payment_plan,
    "/payments": a_payment,
    "/portraits": a_portrait,
    "/privacy/erasures": an_erasure,
    "/subscriptions": a_subscription,
    "/users": the_owner,
    "/webhook-endpoints": a_webhook_endpoint,
}
OF_ROLES = ("/admin/", "/knowledge-base/", "/users/", "/payments/{paymentId}/refunds", "/payment-plans/")
"""What a permission guards and nobody owns."""
OF_OWNERS = ("getRefund", "getPaymentPlan", "payInstallment")
"""Among them, what is its owner's all the same."""


def recipe_for(path: str) -> Recipe:
    found = [recipe for prefix, recipe in RECIPES.items() if path.startswith(f"{prefix}/")]
    assert found, f"no recipe makes what {path} names: add one"
    return found[0]


def body_of(operation: dict[str, Any]) -> dict[str, Any]:
    """What the document itself gives as an example."""
    contents = operation.get("requestBody", {}).get("content", {})
    example = contents.get("application/json", {}).get("examples", {}).get("example", {}).get("value")
    return {} if example is None else {"json": example}


def headers_of(deployment: Deployment, stranger: Member, path: str) -> Mapping[str, str]:
    """Where a token opens one thing only: the token of another one."""
    if path.startswith("/privacy/erasures/"):
        audience = Audience.ERASURE
    elif path.startswith("/portraits/"):
        audience = Audience.RESULT if path.endswith(("/result", "/download", "/survey")) else Audience.PORTRAIT
    else:
        return stranger.headers
    return {"Authorization": f"Bearer {deployment.foreign_token(audience)}"}


async def answers_to_others(deployment: Deployment, named: Named) -> tuple[int, str, int]:
    """The status and code that a stranger gets, and the status for nobody in particular."""
    method, path, operation = named
    owner, stranger = await deployment.member(), await deployment.member()
    ids = await recipe_for(path)(deployment, owner)
    written, body = NAMED.sub(lambda name: ids[name[1]], path), body_of(operation)
    answer = await deployment.client.request(method, written, headers=dict(headers_of(deployment, stranger, path)), **body)
    nobody = await deployment.client.request(method, written, **body)
    return answer.status_code, answer.json().get("error", {}).get("code", ""), nobody.status_code


async def test_what_is_somebody_elses_is_not_there(open_deployment: OpenDeployment) -> None:
    wrong = {}
    async with open_deployment(outbound_networks=["127.0.0.0/8"]) as deployment:
        for named in operations():
            status, code, for_nobody = await answers_to_others(deployment, named)
            guarded = named[1].startswith(OF_ROLES) and named[2]["operationId"] not in OF_OWNERS
            refused = (status, code) == (403, "INSUFFICIENT_PERMISSIONS") if guarded else status == 404
            if not (refused and for_nobody == 401):
                wrong[named[2]["operationId"]] = (status, code, for_nobody)
    assert wrong == {}


@pytest.mark.parametrize("named", operations(), ids=lambda named: named[2]["operationId"])
def test_there_is_a_recipe_for_everything_that_is_named(named: Named) -> None:
    assert recipe_for(named[1]) in RECIPES.values()
