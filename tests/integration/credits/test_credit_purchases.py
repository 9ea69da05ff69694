"""Credit packs are granted once when they are paid, and taken back as far as the money goes back."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from deployment import Deployment, Member
from integration.billing.till import Till
from integration.credits.bookkeeping import Books, now
from madang.core.billing.events import payment_changed, refund_changed
from madang.core.billing.model import Payment, PaymentLine, PaymentStatus, Refund, RefundStatus
from madang.core.identity.roles import Role
from madang.core.kernel.ids import new_id
from madang.ports.money import Money
from madang.ports.payment import PaymentSnapshot, RemotePaymentStatus

PRICE = 5000
S = PaymentStatus


async def a_payment(
    deployment: Deployment, member: Member | None, *, packs: int = 1, purpose: str = "credit_packs", **changes: Any
) -> Payment:
    """Paid for, and announced."""
    payment_id, when = new_id(), now()
    payment = Payment(
        id=payment_id,
        purpose=purpose,
        subject=f"credit_pack:{payment_id}",
        amount=Money(PRICE * packs, "KRW"),
        provider="sandbox",
        status=S.PENDING,
        created_at=when,
        updated_at=when,
        expires_at=when + timedelta(hours=1),
        user_id=None if member is None else member.id,
        lines=(PaymentLine("크레딧 100개", packs, PRICE, "credits-100"),),
    )
    async with deployment.container.units() as uow:
        await uow.payments.add(payment)
    return await told(deployment, payment, **{"status": S.PAID, "paid_at": when, **changes})


async def told(deployment: Deployment, payment: Payment, **changes: Any) -> Payment:
    """As billing does when the provider says so."""
    changed = replace(payment, **changes)
    async with deployment.container.units() as uow:
        await uow.payments.update(changed)
        uow.announce(payment_changed(changed))
    await deployment.work()
    return changed


async def back(deployment: Deployment, payment: Payment, amount: int) -> Payment:
    status = S.REFUNDED if amount == payment.amount.amount else S.PARTLY_REFUNDED
    return await told(deployment, payment, status=status, refunded=amount)


async def test_what_was_paid_is_granted_once_and_ends_with_its_day(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    payment = await a_payment(deployment, member, packs=3)
    for _ in range(2):
        await told(deployment, payment)
    assert await books.have(member) == (300, 0)
    [lot] = await books.lots(member)
    assert (lot["source"], lot["subject"], lot["amount"]) == ("pack", f"payment:{payment.id}", 300)
    assert timedelta(days=365) < lot["expires_at"] - now() <= timedelta(days=366)
    assert await books.in_system("sold") == -300
    await books.check()


async def test_many_workers_at_once_grant_once(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    payment = await a_payment(deployment, member, status=S.PENDING)
    paid = replace(payment, status=S.PAID, paid_at=now())
    async with deployment.container.units() as uow:
        await uow.payments.update(paid)
        for _ in range(10):
            uow.announce(payment_changed(paid))
    await asyncio.gather(deployment.work(), deployment.work())
    assert await books.have(member) == (100, 0)
    await books.check()


@pytest.mark.parametrize("status", [S.PENDING, S.FAILED, S.CANCELLED, S.EXPIRED])
async def test_what_was_not_paid_is_not_granted(deployment: Deployment, books: Books, status: PaymentStatus) -> None:
    member = await deployment.member()
    await a_payment(deployment, member, status=status, paid_at=None)
    assert await books.have(member) == (0, 0)


async def test_what_was_bought_for_something_else_is_no_credits(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    await a_payment(deployment, member, purpose="items")
    assert await books.have(member) == (0, 0)


async def test_a_refund_takes_back_what_is_left_and_records_the_rest_as_lost(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    await books.grant(member, 7)
    payment = await a_payment(deployment, member)
    await books.deduct(member, 30)
    await back(deployment, payment, PRICE)
    assert await books.have(member) == (7, 0)
    assert (await books.in_system("taken_back"), await books.in_system("lost"), await books.in_system("spent")) == (70, 30, 0)
    await books.check()


async def test_of_what_was_spent_to_the_last_a_refund_takes_nothing_and_writes_it_off(
    deployment: Deployment, books: Books
) -> None:
    member = await deployment.member()
    payment = await a_payment(deployment, member)
    await books.deduct(member, 100)
    payment = await back(deployment, payment, PRICE // 2)
    assert (await books.in_system("lost"), await books.in_system("spent")) == (50, 50)
    await books.grant(member, 5)
    await back(deployment, payment, PRICE)
    assert (await books.in_system("lost"), await books.have(member)) == (100, (5, 0))
    await books.check()


async def test_refunds_in_part_take_back_in_proportion_and_add_up(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    payment = await a_payment(deployment, member)
    payment = await back(deployment, payment, 999)
    assert await books.have(member) == (81, 0)
    payment = await back(deployment, payment, 2500)
    assert await books.have(member) == (50, 0)
    await back(deployment, payment, PRICE)
    assert await books.have(member) == (0, 0)
    assert await books.in_system("taken_back") == 100
    await books.check()


async def test_each_part_that_a_person_gives_back_at_the_provider_takes_back_its_share(
    deployment: Deployment, books: Books
) -> None:
    member = await deployment.member()
    payment = await a_payment(deployment, member)
    for returned in (1000, 2500, 2500, 3000):
        word = PaymentSnapshot(
            "any", RemotePaymentStatus.PARTLY_REFUNDED, payment.amount, refunded=Money(returned, payment.amount.currency)
        )
        async with deployment.container.units() as uow:
            await deployment.container.billing.settle(uow, payment.id, word)
        await deployment.work()
        assert await books.have(member) == (100 - returned // 50, 0)
    await books.check()


async def test_a_pack_is_bought_spent_from_and_refunded_over_http(deployment: Deployment, books: Books) -> None:
    till, member, manager = Till(deployment), await deployment.member(), await deployment.member(Role.PROJECT_MANAGER)
    payment_id = await till.paid(member)
    assert (await till.data(member, "GET", "/credits/balance"))["balance"] == 100
    await till.data(member, "POST", "/credits/deduct", json={"amount": 30, "reason": "a test"}, key="spend")
    part = {"reason": "of no use", "amount": {"amount": 2000, "currency": "KRW"}}
    await till.data(manager, "POST", f"/payments/{payment_id}/refunds", json=part, key="part")
    await deployment.work()
    assert await books.have(member) == (30, 0)
    await till.data(manager, "POST", f"/payments/{payment_id}/refunds", json={"reason": "the rest"}, key="rest")
    await deployment.work()
    assert await books.have(member) == (0, 0)
    assert (await books.in_system("taken_back"), await books.in_system("lost")) == (70, 30)
    await books.check()


async def test_a_refund_of_ours_counts_before_the_payment_says_so(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    payment = await a_payment(deployment, member)
    done = Refund(new_id(), payment.id, "a reason", Money(2500, "KRW"), "asked", RefundStatus.SUCCEEDED, now(), now())
    failed = replace(done, id=new_id(), key="another", status=RefundStatus.FAILED)
    async with deployment.container.units() as uow:
        for refund in (done, failed):
            await uow.payments.add_refund(refund)
            uow.announce(refund_changed(refund, payment))
    await deployment.work()
    assert await books.have(member) == (50, 0)


async def test_what_is_held_when_the_money_goes_back_is_waited_for(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    payment = await a_payment(deployment, member)
    await books.hold(member, 40, "one job")
    await books.hold(member, 20, "another job")
    await back(deployment, payment, PRICE)
    assert await books.have(member) == (0, 60)
    await books.take("one job", 30)
    await books.release("another job")
    assert await books.have(member) == (0, 0)
    assert (await books.in_system("taken_back"), await books.in_system("lost")) == (70, 30)
    await books.check()


async def test_money_that_went_back_before_anybody_granted_grants_nothing(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    await a_payment(deployment, member, status=S.REFUNDED, refunded=PRICE)
    assert await books.have(member) == (0, 0)
    await a_payment(deployment, member, status=S.PARTLY_REFUNDED, refunded=PRICE // 2)
    assert await books.have(member) == (50, 0)
    await books.check()


async def test_what_a_stranger_or_somebody_who_is_gone_bought_is_granted_to_nobody_and_given_back(
    deployment: Deployment, books: Books
) -> None:
    await a_payment(deployment, None)
    gone = await deployment.member()
    await books.forget(gone)
    await told(deployment, await a_payment(deployment, gone))
    assert await deployment.value("SELECT count(*) FROM credit_lots") == 0
    assert await deployment.value("SELECT count(*) FROM messages WHERE state = 'dead' AND topic LIKE 'credits.%'") == 0
    refunds = await deployment.rows("SELECT amount, reason FROM refunds")
    assert [(refund["amount"], refund["reason"]) for refund in refunds] == [(PRICE, "not_owed")] * 2


async def test_a_disputed_payment_keeps_its_credits_until_the_money_is_gone(deployment: Deployment, books: Books) -> None:
    member = await deployment.member()
    payment = await told(deployment, await a_payment(deployment, member), status=S.DISPUTED)
    assert await books.have(member) == (100, 0)
    await back(deployment, payment, PRICE)
    assert await books.have(member) == (0, 0)
