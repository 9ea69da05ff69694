"""A checkout goes to the next provider only when the one before surely opened nothing; in doubt it stays where it is."""

from dataclasses import replace
from typing import Any

import pytest

from integration.billing.bank import ABLE, Bank
from integration.billing.conftest import Office
from madang.core.billing.checkouts import NewCheckout
from madang.core.billing.model import Payment, PaymentStatus
from madang.core.kernel.caller import Caller, CallerKind
from madang.core.kernel.errors import AlreadyExists
from madang.core.kernel.ids import new_id
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable
from madang.ports.payment import RemotePaymentStatus

BUYER = Caller(CallerKind.USER, new_id())


def order(**changes: Any) -> NewCheckout:
    pages = ("https://shop.example.com/paid", "https://shop.example.com/cart")
    return replace(NewCheckout(new_id(), "KRW", *pages, credit_pack_id="credits-100"), **changes)


@pytest.fixture
def second(office: Office) -> Bank:
    """Behind the first in the route."""
    other = Bank(name="second", capabilities=ABLE)
    office.open_with(Bank(), other)
    return other


async def the_payment(office: Office) -> Payment:
    [row] = await office.database.fetch("SELECT id FROM payments")
    async with office.units() as uow:
        found = await uow.payments.get(row["id"])
    assert found is not None
    return found


@pytest.mark.parametrize("error", [Unavailable("down"), RateLimited("busy"), Misconfigured("old key")])
async def test_where_surely_nothing_was_opened_the_next_provider_is_asked_and_both_tries_are_kept(
    office: Office, second: Bank, error: PortError
) -> None:
    office.bank.before_checkout = error
    opened = await office.checkouts.open(BUYER, order())
    assert (opened.provider, len(second.checkouts)) == ("second", 1)
    payment = await the_payment(office)
    assert (payment.status, payment.provider) == (PaymentStatus.PENDING, "second")
    assert await office.attempts(payment) == [("bank", "checkout", "failed"), ("second", "checkout", "pending")]


async def test_after_an_unknown_outcome_no_second_provider_is_asked_and_the_order_is_opened_where_it_was(
    office: Office, second: Bank
) -> None:
    office.bank.before_checkout = OutcomeUnknown("no answer")
    with pytest.raises(OutcomeUnknown):
        await office.checkouts.open(BUYER, order(client_reference="order-1"))
    payment = await the_payment(office)
    assert (payment.status, await office.attempts(payment)) == (PaymentStatus.CREATED, [("bank", "checkout", "unknown")])
    office.bank.before_checkout = Unavailable("down")
    with pytest.raises(Unavailable):
        await office.checkouts.open(BUYER, order(client_reference="order-1"))
    with pytest.raises(AlreadyExists):
        await office.checkouts.open(BUYER, order(client_reference="order-1", credit_pack_id="credits-1000"))
    office.bank.before_checkout = None
    opened = await office.checkouts.open(BUYER, order(client_reference="order-1"))
    assert (opened.provider, opened.payment_id, second.checkouts) == ("bank", payment.id, [])
    assert {request.idempotency_key for request in office.bank.checkouts} == {f"checkout:{payment.id}"}
    assert (await the_payment(office)).status is PaymentStatus.PENDING


async def test_a_refused_order_goes_nowhere_else_and_leaves_its_reference_free(office: Office, second: Bank) -> None:
    office.bank.before_checkout = Rejected("not this", reason="invalid_request")
    with pytest.raises(Rejected):
        await office.checkouts.open(BUYER, order(client_reference="order-1"))
    failed = await the_payment(office)
    assert (failed.status, failed.client_reference, second.checkouts) == (PaymentStatus.FAILED, None, [])
    office.bank.before_checkout = None
    assert (await office.checkouts.open(BUYER, order(client_reference="order-1"))).payment_id != failed.id


@pytest.mark.parametrize(
    ("closes", "refuses", "becomes"),
    [(True, None, "expired"), (False, None, "pending"), (True, Rejected("no", reason="invalid_request"), "pending")],
    ids=["closed", "by a provider that cannot", "by one that does not"],
)
async def test_a_checkout_that_was_being_opened_while_its_buyer_was_erased_is_closed(
    office: Office, closes: bool, refuses: Rejected | None, becomes: str
) -> None:
    """And where it is not, what is paid there is settled as any other payment."""

    async def erased() -> None:
        async with office.units() as uow:
            await uow.payments.forget_user(BUYER.person)

    office.open_with(Bank(capabilities=replace(ABLE, closes_checkouts=closes), meanwhile=erased, before_close=refuses))
    opened = await office.checkouts.open(BUYER, order())
    await office.work()
    assert ((await the_payment(office)).status, await office.dead()) == (PaymentStatus(becomes), [])
    office.bank.tell(str(opened.id), RemotePaymentStatus.PAID)
    await office.work_for_days()
    assert (await the_payment(office)).status is PaymentStatus.PAID


async def test_a_named_provider_is_the_only_one_asked(office: Office, second: Bank) -> None:
    second.before_checkout = Unavailable("down")
    with pytest.raises(Unavailable):
        await office.checkouts.open(BUYER, order(provider="second"))
    assert (len(second.checkouts), office.bank.checkouts) == (1, [])


async def test_a_try_that_was_cut_off_goes_on_where_it_was_under_the_same_id(office: Office, second: Bank) -> None:
    new = order()
    office.bank.before_checkout = RuntimeError("the process ends here")
    with pytest.raises(RuntimeError):
        await office.checkouts.open(BUYER, new)
    office.bank.before_checkout = None
    first, again = [await office.checkouts.open(BUYER, new) for _ in range(2)]
    assert (first, first.provider, first.payment_id) == (again, "bank", new.id)
    assert await office.attempts(await the_payment(office)) == [("bank", "checkout", "pending")]
