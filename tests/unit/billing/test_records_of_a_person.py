"""What a person is told of themselves: each record whole. And what becomes of a subscription whose money went back."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from invoice_samples import invoice
from madang.core.billing.invoices.model import BUYER_EMAIL, BUYER_NAME
from madang.core.billing.invoices.personal_data import InvoicesPersonalData
from madang.core.billing.model import Payment, PaymentStatus
from madang.core.billing.payment_plans.model import Installment, InstallmentKind, InstallmentStatus, PaymentPlan
from madang.core.billing.payment_plans.personal_data import PaymentPlansPersonalData
from madang.core.billing.personal_data import BillingPersonalData
from madang.core.billing.subscriptions import taking_back
from madang.core.billing.subscriptions.course import CancelAtProvider, Course
from madang.core.billing.subscriptions.hosted_steps import Hosting
from madang.core.billing.subscriptions.model import PaymentMethod, PeriodKind, PeriodStatus, SubscriptionKind
from madang.core.billing.subscriptions.personal_data import SubscriptionsPersonalData
from madang.core.kernel.ids import new_id
from madang.ports.money import Money
from unit.billing.subscription_in_memory import START, Life, S, paid_for

NOW = datetime(2031, 5, 1, 12, tzinfo=UTC)
PRICE = Money(9900, "KRW")
KEEPS = Hosting(cancels=True)


def unit(name: str, method: str, *rows: Any, **others: Any) -> Any:
    async def of_person(user_id: Any) -> Any:
        return list(rows)

    return SimpleNamespace(**{name: SimpleNamespace(**{method: of_person}), **others})


async def test_of_a_payment_the_person_is_told_what_the_row_says() -> None:
    times = (NOW, NOW, NOW + timedelta(days=1))
    paid = Payment(new_id(), "credits", "credits:1", PRICE, "bank", PaymentStatus.PARTLY_REFUNDED, *times)
    paid = replace(paid, reference="pay_1", description="A pack", refunded=900, paid_at=NOW)
    assert await BillingPersonalData().export(unit("payments", "of_user", paid), new_id()) == {
        "payments": [
            {
                "id": str(paid.id),
                "description": "A pack",
                "amount": 9900,
                "currency": "KRW",
                "refunded": 900,
                "provider": "bank",
                "reference": "pay_1",
                "status": "partly_refunded",
                "createdAt": NOW,
                "paidAt": NOW,
            }
        ]
    }


async def test_of_a_plan_the_person_is_told_each_instalment() -> None:
    due, payment_id = date(2031, 6, 1), new_id()
    first = Installment(1, InstallmentKind.MILESTONE, "design", 500, due, NOW, status=InstallmentStatus.PAID)
    second = Installment(2, InstallmentKind.MONTHLY, "2031-06", 100, due, NOW)
    paid = replace(first, payment_id=payment_id, paid_at=NOW)
    plan = PaymentPlan(new_id(), new_id(), new_id(), "KRW", (paid, second), NOW, NOW, monthly_fee=100)
    told = {"number": 1, "kind": "milestone", "phase": "design", "amount": 500, "dueDate": "2031-06-01", "status": "paid"}
    other = {"number": 2, "kind": "monthly", "phase": "2031-06", "amount": 100, "dueDate": "2031-06-01", "status": "pending"}
    assert await PaymentPlansPersonalData().export(unit("payment_plans", "of_client", plan), new_id()) == {
        "paymentPlans": [
            {
                "id": str(plan.id),
                "projectId": str(plan.project_id),
                "status": "completed",
                "currency": "KRW",
                "monthlyFee": 100,
                "createdAt": NOW,
                "installments": [
                    {**told, "paymentId": str(payment_id), "paidAt": NOW},
                    {**other, "paymentId": None, "paidAt": None},
                ],
            }
        ]
    }


async def test_of_an_invoice_the_person_is_told_what_it_says_with_their_name_opened() -> None:
    cipher: Any = SimpleNamespace(decrypt=lambda sealed, purpose: f"{sealed.decode()} for {purpose}")
    issued = replace(invoice(), buyer_name=b"name", buyer_email=b"mail")
    told = {
        "id": str(issued.id),
        "kind": "invoice",
        "number": "INV-2026-000001",
        "paymentId": str(issued.payment_id),
        "amount": 9900,
        "currency": "KRW",
        "lines": ["증명사진 세트"],
        "buyerName": f"name for {BUYER_NAME}",
        "buyerEmail": f"mail for {BUYER_EMAIL}",
        "issuedAt": issued.issued_at,
    }
    nameless = replace(issued, buyer_name=None, buyer_email=None)
    assert await InvoicesPersonalData(cipher).export(unit("invoices", "of_user", issued, nameless), new_id()) == {
        "invoices": [told, {**told, "buyerName": None, "buyerEmail": None}]
    }


async def test_of_a_subscription_the_person_is_told_its_price_and_what_pays_it() -> None:
    none: Any = None
    found = replace(paid_for().course.subscription, reference="sub_1", country="KR", ended_at=NOW)
    method = PaymentMethod(new_id(), found.user_id, "bank", "customer-1", "•••• 1111", NOW)
    methods = unit("payment_methods", "of_user", method).payment_methods
    uow = unit("subscriptions", "of_user", found, payment_methods=methods)
    assert await SubscriptionsPersonalData(none, none, none).export(uow, found.user_id) == {
        "subscriptions": [
            {
                "id": str(found.id),
                "planId": "basic",
                "amount": 30_000,
                "currency": "KRW",
                "intervalMonths": 1,
                "provider": "bank",
                "reference": "sub_1",
                "status": "active",
                "country": "KR",
                "createdAt": found.created_at,
                "endedAt": NOW,
            }
        ],
        "paymentMethods": [{"id": str(method.id), "provider": "bank", "label": "•••• 1111", "createdAt": NOW}],
    }


def hosted(course: Course, **changes: Any) -> Course:
    return replace(course, subscription=replace(course.subscription, kind=SubscriptionKind.HOSTED, **changes))


def renewed() -> Life:
    life = paid_for()
    life.until_due()
    life.pay()
    return life


def test_a_refund_of_what_runs_ends_it_and_one_of_anything_else_does_not() -> None:
    life = renewed()
    first, second = sorted(life.periods.values(), key=lambda period: period.number)
    assert first.payment_id is not None
    assert second.payment_id is not None
    over = taking_back.refunded(life.course, second, second.payment_id, life.now)
    assert (over.status, over.subscription.end_reason, over.subscription.ended_at) == (S.ENDED, "refunded", life.now)
    assert over.consequences == ()
    at_provider = taking_back.refunded(hosted(life.course), second, second.payment_id, life.now)
    assert at_provider.consequences == (CancelAtProvider(False),)
    for course, period, payment_id in (
        (life.course, first, first.payment_id),
        (life.course, second, first.payment_id),
        (life.course, None, second.payment_id),
        (life.course, replace(second, kind=PeriodKind.CHANGE), second.payment_id),
        (over, second, second.payment_id),
    ):
        assert taking_back.refunded(course, period, payment_id, life.now) is course


def test_money_that_was_gone_before_it_counted_paid_for_the_period_that_was_tried_last_with_it() -> None:
    life = paid_for()
    life.until_due()
    (trying,) = (period for period in life.periods.values() if period.status is PeriodStatus.CHARGING)
    assert taking_back.paid_for_what_runs(life.course, trying, trying.tries[-1])
    assert not taking_back.paid_for_what_runs(life.course, trying, new_id())
    retried = replace(trying, tries=(*trying.tries, new_id()))
    assert not taking_back.paid_for_what_runs(life.course, retried, trying.tries[-1])
    given_up = replace(trying, status=PeriodStatus.UNPAID)
    assert not taking_back.paid_for_what_runs(life.course, given_up, trying.tries[-1])
    assert taking_back.paid_for_what_runs(replace(life.course, current=None), trying, trying.tries[-1])


@pytest.mark.parametrize("kind", [SubscriptionKind.STORED_METHOD, SubscriptionKind.HOSTED])
def test_what_a_bank_takes_back_ends_what_runs_and_lets_run_out_what_is_paid(kind: SubscriptionKind) -> None:
    life = renewed()
    life.took_step(life.course.changed(life.now, kind=kind))
    first, second = sorted(life.periods.values(), key=lambda period: period.number)
    assert first.payment_id is not None
    assert second.payment_id is not None
    over = taking_back.charged_back(life.course, second, second.payment_id, KEEPS, life.now)
    assert (over.status, over.subscription.end_reason) == (S.ENDED, "charged_back")
    runs_out = taking_back.charged_back(life.course, first, first.payment_id, KEEPS, life.now)
    assert (runs_out.status, runs_out.subscription.cancel_at_period_end) == (S.ACTIVE, True)
    asked = (CancelAtProvider(True),) if kind is SubscriptionKind.HOSTED else ()
    assert runs_out.consequences == asked
    leaving = life.course.changed(life.now, cancel_at_period_end=True)
    assert taking_back.charged_back(leaving, first, first.payment_id, KEEPS, life.now) is leaving
    for course, period, payment_id in (
        (life.course, None, first.payment_id),
        (life.course, second, first.payment_id),
        (over, first, first.payment_id),
    ):
        assert taking_back.charged_back(course, period, payment_id, KEEPS, life.now) is course
    busy = life.course.changed(life.now, asking="change")
    at_once = taking_back.charged_back(busy, first, first.payment_id, KEEPS, START)
    assert at_once.status is (S.ENDED if kind is SubscriptionKind.HOSTED else S.ACTIVE)
