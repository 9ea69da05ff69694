"""Reconciliation with the lists of Stripe, Toss and PortOne, over HTTP: page by page, and each kind of difference."""

import dataclasses
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import pytest

from contract import fake_stripe
from deployment import Deployment, OpenDeployment
from embedded_stack import SANDBOX_ROUTES
from integration.billing.books import Books
from integration.billing.korean_companies import PortOneCompany, TossCompany
from integration.billing.till import Till
from madang.core.billing.reconciling import Report
from madang.core.identity.roles import Role
from madang.plugins.conformance.remote import serving

MORE_THAN_A_PAGE = 101


class Company(Protocol):
    name: str

    def settings(self) -> Mapping[str, Any]: ...

    def pay(self, opened: Mapping[str, Any], reference: str | None) -> Mapping[str, Any] | None:
        """The buyer pays; what the browser brings back to us, where it brings something."""
        ...

    def fill(self, number: int) -> None:
        """So many more rows in its list, of which no money came, or that tell of one payment again."""
        ...

    def lists(self) -> int:
        """How often it was asked for its list."""
        ...


class Stripe:
    name = "stripe"

    def __init__(self, opened: ExitStack) -> None:
        self.remote = opened.enter_context(serving(fake_stripe.FakeStripe()))

    def settings(self) -> Mapping[str, Any]:
        keys = {"api_key": fake_stripe.API_KEY, "webhook_secret": fake_stripe.WEBHOOK_SECRET}
        return {"base_url": self.remote.url, **keys}

    def pay(self, opened: Mapping[str, Any], reference: str | None) -> Mapping[str, Any] | None:
        self.remote.books.pay(str(reference))
        return None

    def fill(self, number: int) -> None:
        kept = self.remote.books.kept
        like = next(each for each in kept.values() if each["object"] == "checkout.session")
        unpaid = {"status": "open", "payment_status": "unpaid", "payment_intent": None, "client_reference_id": None}
        for place in range(number):
            kept[f"cs_test_more_{place}"] = {**deepcopy(like), **unpaid, "id": f"cs_test_more_{place}", "metadata": {}}

    def lists(self) -> int:
        return [each.path for each in self.remote.arrived if each.method == "GET"].count("/v1/checkout/sessions")


class Toss(TossCompany):
    def pay(self, opened: Mapping[str, Any], reference: str | None) -> dict[str, Any]:  # type: ignore[override]
        return super().pay(opened["clientParams"])

    def fill(self, number: int) -> None:
        like = self.remote.transactions[0]
        for place in range(number):
            self.remote.transactions.append({**like, "transactionKey": f"more{place}"})

    def lists(self) -> int:
        return [each.path for each in self.remote.arrived].count("/v1/transactions")


class PortOne(PortOneCompany):
    def pay(self, opened: Mapping[str, Any], reference: str | None) -> dict[str, Any]:  # type: ignore[override]
        return super().pay(opened["clientParams"])

    def fill(self, number: int) -> None:
        like = next(iter(self.remote.payments.values()))
        unpaid = {**deepcopy(like), "status": "READY", "amount": {**like["amount"], "paid": 0}}
        unpaid.pop("paidAt")
        for place in range(number):
            self.remote.payments[f"more-{place}"] = {**deepcopy(unpaid), "id": f"more-{place}", "transactionId": f"tx-{place}"}

    def lists(self) -> int:
        return [each.path for each in self.remote.arrived].count("/payments-by-cursor")


COMPANIES: tuple[Callable[[ExitStack], Company], ...] = (Stripe, Toss, PortOne)


@pytest.fixture(params=COMPANIES, ids=["stripe", "toss", "portone"])
def company(request: pytest.FixtureRequest) -> Iterator[Company]:
    with ExitStack() as opened:
        yield request.param(opened)


@pytest.fixture
async def till(open_deployment: OpenDeployment, company: Company) -> AsyncIterator[Till]:
    routes = {**SANDBOX_ROUTES, "payment": [company.name]}
    async with open_deployment(routes=routes, plugins={company.name: company.settings()}) as deployment:
        yield Till(deployment)


class Counter:
    """Where one buyer pays at one company."""

    def __init__(self, till: Till, company: Company, buyer: Any, manager: Any) -> None:
        self.till, self.company, self.buyer, self.manager = till, company, buyer, manager

    async def paid(self) -> str:
        opened = await self.till.open(self.buyer)
        payment_id: str = opened["paymentId"]
        reference = await self.till.deployment.value("SELECT reference FROM payments WHERE id = $1::uuid", payment_id)
        back = self.company.pay(opened, reference)
        await self.till.data(self.buyer, "POST", f"/payments/{payment_id}/confirm", json=back or {})
        await self.till.deployment.work()
        assert (await self.till.payment(self.buyer, payment_id))["status"] == "paid"
        return payment_id

    async def given_back(self, amount: int) -> str:
        payment_id = await self.paid()
        part = {"reason": "some were of no use", "amount": {"amount": amount, "currency": "KRW"}}
        await self.till.data(self.manager, "POST", f"/payments/{payment_id}/refunds", json=part)
        await self.till.deployment.work()
        return payment_id

    async def forgets(self, payment_id: str, what: str) -> None:
        """As if no word of it had come to us."""
        await self.till.deployment.execute(f"UPDATE payments SET {what} WHERE id = $1::uuid", payment_id)


@pytest.fixture
async def counter(till: Till, company: Company) -> Counter:
    return Counter(till, company, await till.deployment.member(), await till.deployment.member(Role.PROJECT_MANAGER))


async def reconciled(deployment: Deployment, company: Company, *, settle: bool = False) -> Report:
    today = datetime.now(ZoneInfo("Asia/Seoul")).date()
    days = today - timedelta(days=1), today + timedelta(days=2)
    return await deployment.container.reconciling.reconcile(company.name, *days, settle=settle)


def told(report: Report) -> dict[str, list[str]]:
    return {
        str(each.ours.id if each.ours else each.theirs and each.theirs.payment_id): [kind.value for kind in each.kinds]
        for each in report.differences
    }


async def test_every_kind_of_difference_is_found_over_all_pages_and_what_can_be_settled_is(
    counter: Counter, company: Company
) -> None:
    deployment = counter.till.deployment
    right, unheard = await counter.paid(), await counter.paid()
    await counter.forgets(unheard, "status = 'pending', paid_at = NULL")
    company.fill(MORE_THAN_A_PAGE)
    other, refunded, lost = await counter.paid(), await counter.given_back(2000), await counter.paid()
    await counter.forgets(other, "amount = amount - 1")
    await counter.forgets(refunded, "status = 'paid', refunded = 0")
    invented = dataclasses.replace(Books(deployment).payment(counter.buyer), provider=company.name)
    await Books(deployment).store(invented)
    await counter.forgets(lost, "provider = 'elsewhere', reference = NULL")

    before = company.lists()
    report = await reconciled(deployment, company)
    expected = {
        unheard: ["other_status"],
        other: ["other_amount"],
        refunded: ["other_status", "other_refunded"],
        lost: ["missing_here"],
        str(invented.id): ["missing_there"],
    }
    assert (told(report), report.lists, right in expected) == (expected, True, False)
    assert company.lists() - before > len(("yesterday", "today", "tomorrow"))
    assert (await counter.till.payment(counter.buyer, unheard))["status"] == "pending"

    settled = await reconciled(deployment, company, settle=True)
    assert (told(settled), settled.open) == (expected, 3)
    statuses = [(await counter.till.payment(counter.buyer, each))["status"] for each in (unheard, refunded, other)]
    assert statuses == ["paid", "partly_refunded", "paid"]
    assert await deployment.value("SELECT count(*) FROM amount_mismatches") == 1
    left = {name: kinds for name, kinds in expected.items() if name not in (unheard, refunded)}
    assert told(await reconciled(deployment, company)) == left
