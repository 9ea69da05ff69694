"""Documents of payments and refunds: each once, numbered without gaps, never changed, forgotten but for their amounts."""

import asyncio
import dataclasses
import json
import random
import re
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployment import Deployment
from integration.billing.books import Books
from madang.core.billing.invoices.model import InvoiceKind, hash_of
from madang.core.billing.model import PaymentLine, PaymentStatus, RefundStatus
from madang.core.kernel.errors import NotFound
from madang.ports.money import Money
from madang.ports.payment import PaymentSnapshot, RemotePaymentStatus


@pytest.fixture
def books(deployment: Deployment) -> Books:
    return Books(deployment)


async def test_money_that_has_arrived_makes_one_invoice_however_often_it_is_told(books: Books) -> None:
    payment = await books.paid()
    await books.announced(payment, payment, payment)
    [invoice] = await books.documents(payment)
    assert re.fullmatch(r"INV-20\d\d-000001", invoice.number)
    assert (invoice.kind, invoice.amount) == (InvoiceKind.INVOICE, Money(9900, "KRW"))
    assert (invoice.supply.amount, invoice.vat.amount) == (9000, 900)
    assert invoice.content_hash == hash_of(invoice.written)


async def test_money_that_has_not_arrived_makes_none(books: Books) -> None:
    for status in (PaymentStatus.PENDING, PaymentStatus.FAILED, PaymentStatus.CANCELLED, PaymentStatus.EXPIRED):
        assert await books.documents(await books.paid(status=status)) == [], status


async def test_a_trial_that_costs_nothing_makes_none(books: Books) -> None:
    free = await books.paid(lines=(PaymentLine("Trial", 1, 0),))
    assert await books.documents(free) == []
    assert await books.broken() == {}


async def test_a_sale_abroad_holds_koreas_tax_unless_the_operator_says_otherwise(books: Books) -> None:
    [invoice] = await books.documents(await books.paid(currency="USD", country="US", method_country="US"))
    assert (invoice.content.tax_rule, invoice.vat.amount) == ("kr-vat-10", 900)


async def test_a_buyer_who_only_says_to_be_abroad_pays_koreas_tax(open_deployment: Callable[..., Any]) -> None:
    async with open_deployment(billing={"zero_rate_abroad": True}) as deployment:
        books = Books(deployment)
        [claimed] = await books.documents(await books.paid(country="US"))
        [unproven] = await books.documents(await books.paid(currency="USD", country="US"))
        [proven] = await books.documents(await books.paid(currency="USD", country="US", method_country="US"))
    assert [invoice.content.tax_rule for invoice in (claimed, unproven, proven)] == ["kr-vat-10", "kr-vat-10", "kr-export-0"]
    assert (claimed.vat.amount, proven.vat.amount) == (900, 0)


async def test_a_refund_makes_a_credit_note_that_names_the_invoice(books: Books) -> None:
    payment = await books.paid()
    refund = await books.refund(payment, 3000)
    await books.given_back(payment, 3000)
    invoice, note = await books.documents(payment)
    assert re.fullmatch(r"CN-20\d\d-000001", note.number)
    assert (note.kind, note.amount.amount, note.refund_id, note.credited_id) == (
        InvoiceKind.CREDIT_NOTE, 3000, refund.id, invoice.id,
    )  # fmt: skip
    assert note.content.credits == invoice.number


async def test_the_last_part_of_a_refund_takes_exactly_the_tax_that_is_left(books: Books) -> None:
    payment = await books.paid()
    for part in (3333, 3333, 3234):
        await books.refund(payment, part)
    await books.given_back(payment, 9900)
    invoice, *notes = await books.documents(payment)
    assert [note.amount.amount for note in notes] == [3333, 3333, 3234]
    assert sum(note.vat.amount for note in notes) == invoice.vat.amount
    assert sum(note.supply.amount for note in notes) == invoice.supply.amount


async def test_what_a_person_gave_back_at_the_provider_makes_a_credit_note_of_the_difference(books: Books) -> None:
    payment = await books.paid()
    await books.refund(payment, 2000)
    await books.given_back(payment, 5000)
    await books.given_back(payment, 9900)
    _, *notes = await books.documents(payment)
    assert [(note.amount.amount, note.refund_id is None) for note in notes] == [(2000, False), (3000, True), (4900, True)]


async def test_a_further_part_that_changes_no_status_makes_a_credit_note_too(books: Books) -> None:
    payment = await books.paid()
    for back in (2000, 2000, 5000):
        told = Money(back, payment.amount.currency)
        said = PaymentSnapshot(payment.reference or "", RemotePaymentStatus.PARTLY_REFUNDED, payment.amount, told)
        async with books.units() as uow:
            await books.deployment.container.billing.settle(uow, payment.id, said)
        await books.deployment.work()
    assert await books.credited(payment) == [2000, 3000]


@pytest.mark.parametrize("ended", [RefundStatus.SUCCEEDED, RefundStatus.FAILED])
async def test_a_refund_that_is_under_way_waits_for_its_end_and_is_credited_once(books: Books, ended: RefundStatus) -> None:
    payment = await books.paid()
    refund = await books.refund(payment, 3000, RefundStatus.RUNNING)
    await books.given_back(payment, 3000)
    assert await books.credited(payment) == []
    await books.ended(refund, payment, ended)
    assert await books.credited(payment) == [3000]
    await books.ended(refund, payment, RefundStatus.SUCCEEDED)
    assert await books.credited(payment) == [3000]


async def test_a_hundred_at_once_are_numbered_from_one_to_a_hundred(books: Books) -> None:
    payments = [books.payment() for _ in range(100)]
    await books.store(*payments)
    await books.announced(*random.Random(7).sample(payments * 2, 200))
    rows = await books.deployment.rows("SELECT sequence FROM invoices ORDER BY issued_at, sequence")
    assert sorted(row["sequence"] for row in rows) == list(range(1, 101))
    assert await books.broken() == {}


async def test_a_transaction_that_is_rolled_back_takes_its_number_back(books: Books) -> None:
    with pytest.raises(RuntimeError, match="on purpose"):
        async with books.units() as uow:
            assert await uow.invoices.next_number("T-2026") == 1
            raise RuntimeError("on purpose")
    async with books.units() as uow:
        assert await uow.invoices.next_number("T-2026") == 1


async def test_numbers_of_a_series_have_no_gap_whatever_is_rolled_back_at_the_same_time(books: Books) -> None:
    async def take(fails: bool) -> int | None:
        try:
            async with books.units() as uow:
                number = await uow.invoices.next_number("X-2026")
                if fails:
                    raise RuntimeError("on purpose")
        except RuntimeError:
            return None
        return number

    @given(st.lists(st.booleans(), min_size=6, max_size=12))
    @settings(max_examples=8)
    def outcomes(fails: list[bool]) -> None:
        plans.append(fails)

    plans: list[list[bool]] = []
    outcomes()
    taken: list[int] = []
    for fails in plans:
        taken += [number for number in await asyncio.gather(*map(take, fails)) if number is not None]
    assert sorted(taken) == list(range(1, len(taken) + 1))
    assert len(taken) > 20


CHANGES = (
    "UPDATE invoices SET amount = 1",
    "UPDATE invoices SET written = '{}'",
    "UPDATE invoices SET number = 'INV-2026-000002'",
    "UPDATE invoices SET issued_at = now() - interval '1 day'",
    "UPDATE invoices SET user_id = gen_random_uuid()",
    "DELETE FROM invoices",
)


async def test_the_database_refuses_to_change_an_issued_invoice(books: Books) -> None:
    await books.paid(await books.deployment.member())
    for change in CHANGES:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="does not change"):
            await books.deployment.execute(change)


async def test_a_buyer_may_be_sealed_anew_and_forgotten_and_never_put_back(books: Books) -> None:
    payment = await books.paid(await books.deployment.member())
    await books.deployment.execute(r"UPDATE invoices SET buyer_name = buyer_name || '\x00'")  # as under another key
    await books.deployment.execute("UPDATE invoices SET user_id = NULL, buyer_name = NULL, buyer_email = NULL")
    [invoice] = await books.documents(payment)
    assert (invoice.user_id, invoice.buyer_name, invoice.buyer_email) == (None, None, None)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await books.deployment.execute(r"UPDATE invoices SET buyer_name = '\x00'")


async def test_the_buyer_is_sealed_exported_and_forgotten_and_the_amounts_stay(books: Books) -> None:
    buyer = await books.deployment.member()
    payment = await books.paid(buyer)
    stored = str([dict(row) for row in await books.deployment.rows("SELECT * FROM invoices")])
    assert buyer.email not in stored
    assert "홍길동" not in stored
    export = (await books.deployment.client.get("/privacy/export", headers=dict(buyer.headers))).json()["data"]["sections"]
    [told] = export["invoices"]["invoices"]
    assert (told["buyerName"], told["buyerEmail"]) == ("홍길동", buyer.email)
    [section] = [each for each in books.deployment.container.personal_data if each.name == "invoices"]
    async with books.units() as uow:
        assert await section.erase(uow, buyer.id, payment.created_at) == {"invoices": 1}
    [invoice] = await books.documents(payment)
    assert (invoice.user_id, invoice.buyer_name, invoice.amount.amount) == (None, None, 9900)
    assert await books.broken() == {}


async def test_nobody_who_asked_to_be_forgotten_is_put_on_a_document(books: Books) -> None:
    buyer = await books.deployment.member()
    await books.deployment.client.request("DELETE", "/privacy/me", headers=dict(buyer.headers), json={"confirm": True})
    [invoice] = await books.documents(await books.paid(buyer))
    assert (invoice.user_id, invoice.buyer_email) == (None, None)


async def test_a_buyer_without_an_account_has_an_invoice_without_a_person(books: Books) -> None:
    [invoice] = await books.documents(await books.paid())
    assert (invoice.user_id, invoice.buyer_name, invoice.buyer_email) == (None, None, None)
    assert await books.deployment.e_mails() == []


async def test_the_buyer_gets_one_letter_with_a_link_that_opens_without_sign_in(books: Books) -> None:
    buyer = await books.deployment.member()
    payment = await books.paid(buyer)
    await books.announced(payment)
    [letter] = await books.deployment.e_mails()
    [link] = set(re.findall(r"http://\S+/invoices/[^\s\"<]+", letter.text))
    page = await books.deployment.client.get(link)
    assert page.status_code == 200
    assert "9,900원" in page.text
    assert page.headers["cache-control"] == "no-store"
    pdf = await books.deployment.client.get(f"{link}&format=pdf")
    assert pdf.content.startswith(b"%PDF-")


async def test_a_link_opens_its_own_document_only(books: Books) -> None:
    buyer = await books.deployment.member()
    first, second = await books.paid(buyer), await books.paid(buyer)
    [theirs] = await books.documents(second)
    letters = await books.deployment.e_mails()
    [token] = set(re.findall(r"token=([^\s\"<&]+)", letters[0].text))
    address = f"{books.deployment.container.settings.base_url}/invoices/{theirs.id}"
    for other in (f"{address}?token={token}", address, f"{address}?token=forged"):
        assert (await books.deployment.client.get(other)).status_code == 403
    assert first.id != second.id


async def test_the_document_keeps_what_was_true_on_its_day(deployment: Deployment) -> None:
    books = Books(deployment)
    payment = await books.paid(lines=(PaymentLine("크레딧 1,000", 2, 1990), PaymentLine("배송", 1, 11)), locale="en")
    [invoice] = await books.documents(payment)
    content = invoice.content
    assert [(line.supply, line.vat, line.amount) for line in content.lines] == [(3618, 362, 3980), (10, 1, 11)]
    assert (content.seller.name, content.locale, content.provider, content.method) == ("Madang", "en", "sandbox", "card")
    assert json.loads(invoice.written)["number"] == invoice.number


async def test_every_invariant_holds_when_all_is_well(books: Books) -> None:
    payment = await books.paid()
    await books.refund(payment, 100)
    await books.given_back(payment, 4000)
    await books.deployment.let_pass(minutes=5)
    assert await books.broken() == {}


async def test_a_payment_without_an_invoice_is_found_and_mended(books: Books) -> None:
    payment = books.payment()
    await books.store(payment)
    assert await books.broken() == {}
    await books.deployment.let_pass(minutes=5)
    await mended(books, "every-paid-payment-has-its-invoice")
    assert len(await books.documents(payment)) == 1


async def test_a_refund_without_a_credit_note_is_found_and_mended(books: Books) -> None:
    payment = await books.paid()
    async with books.units() as uow:
        await uow.payments.update(dataclasses.replace(payment, refunded=700, status=PaymentStatus.PARTLY_REFUNDED))
    await books.deployment.let_pass(minutes=5)
    await mended(books, "every-refund-has-its-credit-note")
    assert await books.credited(payment) == [700]


async def mended(books: Books, name: str) -> None:
    broken = await books.broken()
    assert list(broken) == [name]
    [invariant] = [each for each in books.deployment.container.invariants if each.name == name]
    assert await invariant.mend(broken[name][0]) == "sent billing.issue_documents"
    assert await books.broken() == {}
    await books.deployment.work()
    assert await books.broken() == {}


FORCED = {
    "no-gap-in-the-numbers-of-invoices": [
        "DELETE FROM invoices WHERE sequence = 1 AND kind = 'invoice'",
        "UPDATE invoice_series SET last = 5 WHERE series LIKE 'INV%'",
        "DELETE FROM invoice_series",
    ],
    "every-invoice-is-as-it-was-issued": [
        "UPDATE invoices SET amount = amount + 1 WHERE kind = 'invoice' AND sequence = 1",
        "UPDATE invoices SET written = replace(written, '9900', '9901') WHERE kind = 'invoice'",
        "UPDATE invoices SET issued_at = issued_at - interval '1 year'",
        "UPDATE invoices SET number = 'INV-2026-999999' WHERE kind = 'invoice' AND sequence = 1",
    ],
    "no-invoice-is-credited-too-much": ["UPDATE invoices SET amount = 20000 WHERE kind = 'credit_note'"],
}


async def test_what_is_changed_by_force_is_found(books: Books) -> None:
    await books.paid()
    payment = await books.paid()
    await books.refund(payment, 100)
    await books.given_back(payment, 100)
    for kept in ("invoices", "invoice_series"):
        await books.deployment.execute(f"CREATE TABLE kept_{kept} AS TABLE {kept}")
    await books.deployment.execute("ALTER TABLE invoices DISABLE TRIGGER invoices_rows")
    unseen = []
    for name, by_force in ((name, each) for name, all_ in FORCED.items() for each in all_):
        assert await books.broken() == {}
        await books.deployment.execute(by_force)
        if name not in await books.broken():
            unseen.append(by_force)
        for kept in ("invoices", "invoice_series"):
            await books.deployment.execute(f"DELETE FROM {kept}")
            await books.deployment.execute(f"INSERT INTO {kept} TABLE kept_{kept}")
    assert unseen == []


async def test_the_invoice_of_a_payment_is_found_once_it_is_paid(books: Books) -> None:
    payment = await books.paid()
    await books.refund(payment, 100)
    found = await books.deployment.container.invoices.of_payment(payment.id)
    assert found.invoice.kind is InvoiceKind.INVOICE
    with pytest.raises(NotFound):
        await books.deployment.container.invoices.of_payment((await books.paid(status=PaymentStatus.PENDING)).id)
