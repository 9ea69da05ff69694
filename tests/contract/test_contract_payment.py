"""The payment gateway: checkouts, cards, refunds, and what survives a lost answer."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from madang.adapters.sandbox.payment import SandboxPaymentGateway
from madang.ports.errors import Rejected
from madang.ports.money import Money
from madang.ports.payment import CheckoutRequest, PaymentSnapshot, RefundRequest, RemotePaymentStatus

Build = Callable[..., Any]
PRICE = Money(9900, "KRW")
CHECKOUT = CheckoutRequest(
    "payment-1", PRICE, "나의 리즈 사진", "http://shop.example/ok", "http://shop.example/no", "order-1", expires_at=None
)


@pytest.fixture
def gateway(sandbox: Build) -> SandboxPaymentGateway:
    built: SandboxPaymentGateway = sandbox(SandboxPaymentGateway)
    return built


@pytest.fixture
def browser(visit: Callable[[], httpx.AsyncClient]) -> httpx.AsyncClient:
    return visit()


async def opened(gateway: SandboxPaymentGateway, **changes: Any) -> str:
    checkout = await gateway.open_checkout(replace(CHECKOUT, **changes))
    assert checkout.reference is not None
    return checkout.reference


async def paid(gateway: SandboxPaymentGateway, browser: httpx.AsyncClient, **changes: Any) -> str:
    reference = await opened(gateway, **changes)
    answer = await browser.post(f"/sandbox/checkout/{reference}/pay", json={})
    assert answer.json()["status"] == "paid"
    return reference


async def state(gateway: SandboxPaymentGateway, reference: str) -> RemotePaymentStatus:
    return (await gateway.fetch(reference)).status


async def test_opening_a_checkout_charges_nothing_and_says_where_to_go(gateway: SandboxPaymentGateway) -> None:
    checkout = await gateway.open_checkout(CHECKOUT)
    assert checkout.url == f"http://127.0.0.1:8000/sandbox/checkout/{checkout.reference}"
    snapshot = await gateway.fetch(checkout.reference or "")
    assert snapshot == PaymentSnapshot(
        checkout.reference or "", RemotePaymentStatus.PENDING, PRICE, Money(0, "KRW"), "payment-1"
    )


async def test_the_same_key_finds_the_checkout_and_another_purchase_under_it_is_refused(gateway: SandboxPaymentGateway) -> None:
    first = await opened(gateway)
    assert await opened(gateway) == first
    assert await opened(gateway, idempotency_key="order-2") == first
    with pytest.raises(Rejected) as reused:
        await opened(gateway, amount=Money(1, "KRW"))
    assert reused.value.reason == "invalid_request"


async def test_paying_twice_pays_once(gateway: SandboxPaymentGateway, browser: httpx.AsyncClient) -> None:
    reference = await paid(gateway, browser)
    before = await gateway.fetch(reference)
    await browser.post(f"/sandbox/checkout/{reference}/pay", json={"action": "cancel"})
    await browser.post(f"/sandbox/checkout/{reference}/pay", json={"method": "phone"})
    assert await gateway.fetch(reference) == before
    assert (before.status, before.method) == (RemotePaymentStatus.PAID, "card")
    with pytest.raises(Rejected) as again:
        await opened(gateway, idempotency_key="order-2")
    assert again.value.reason == "already_paid"


async def test_a_declined_card_may_be_followed_by_another(gateway: SandboxPaymentGateway, browser: httpx.AsyncClient) -> None:
    reference = await opened(gateway)
    await browser.put("/sandbox/knobs", json={"decline": True})
    declined = (await browser.post(f"/sandbox/checkout/{reference}/pay", json={})).json()
    assert (declined["status"], declined["redirectTo"]) == ("failed", f"/sandbox/checkout/{reference}")
    assert (await gateway.fetch(reference)).failure == "declined"
    await browser.put("/sandbox/knobs", json={"decline": None})
    assert (await browser.post(f"/sandbox/checkout/{reference}/pay", json={})).json()["status"] == "paid"
    assert (await gateway.fetch(reference)).failure is None


async def test_a_cancelled_checkout_is_over(gateway: SandboxPaymentGateway, browser: httpx.AsyncClient) -> None:
    reference = await opened(gateway)
    cancelled = (await browser.post(f"/sandbox/checkout/{reference}/pay", json={"action": "cancel"})).json()
    assert (cancelled["status"], cancelled["redirectTo"]) == ("cancelled", "http://shop.example/no")
    refused = await browser.post(f"/sandbox/checkout/{reference}/pay", json={})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "NOT_PAYABLE")


async def test_a_checkout_expires_at_its_time(gateway: SandboxPaymentGateway, browser: httpx.AsyncClient) -> None:
    reference = await opened(gateway, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    assert await state(gateway, reference) is RemotePaymentStatus.EXPIRED
    assert (await browser.post(f"/sandbox/checkout/{reference}/pay", json={})).status_code == 409


async def test_the_list_of_payments_pages_through_all_of_them(gateway: SandboxPaymentGateway) -> None:
    now = datetime.now(UTC)
    references = {await opened(gateway, payment_id=f"p-{n}", idempotency_key=f"o-{n}") for n in range(103)}
    first = await gateway.list_payments(now - timedelta(minutes=1), now + timedelta(minutes=1))
    rest = await gateway.list_payments(now - timedelta(minutes=1), now + timedelta(minutes=1), cursor=first.cursor)
    assert len(first.payments) == 100
    assert rest.cursor is None
    assert {payment.reference for payment in [*first.payments, *rest.payments]} == references
    assert not (await gateway.list_payments(now + timedelta(minutes=1), now + timedelta(minutes=2))).payments


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(st.integers(1, 9900), min_size=1, max_size=6))
async def test_any_row_of_refunds_leaves_the_sum_within_the_payment(
    gateway: SandboxPaymentGateway, browser: httpx.AsyncClient, parts: list[int]
) -> None:
    number = len(await listed(gateway))
    reference = await opened(gateway, payment_id=f"p-{number}", idempotency_key=f"o-{number}")
    await browser.post(f"/sandbox/checkout/{reference}/pay", json={})
    given_back = 0
    for place, part in enumerate(parts):
        request = RefundRequest(reference, Money(part, "KRW"), "why", f"r-{place}")
        if given_back + part > PRICE.amount:
            with pytest.raises(Rejected):
                await gateway.refund(request)
        else:
            await gateway.refund(request)
            given_back += part
        assert (await gateway.fetch(reference)).refunded.amount == given_back


async def listed(gateway: SandboxPaymentGateway) -> list[PaymentSnapshot]:
    now = datetime.now(UTC)
    return list((await gateway.list_payments(now - timedelta(hours=1), now + timedelta(hours=1))).payments)


async def test_the_checkout_page_speaks_the_buyers_language_and_runs_no_script(
    gateway: SandboxPaymentGateway, browser: httpx.AsyncClient
) -> None:
    for locale, amount, words in (("ko", "9,900원", "연습용 화면"), ("en", "KRW 9,900", "simulation")):
        reference = await opened(
            gateway, payment_id=locale, idempotency_key=locale, locale=locale, description="<script>alert(1)</script>"
        )
        page = await browser.get(f"/sandbox/checkout/{reference}")
        assert page.status_code == 200
        assert amount in page.text
        assert words in page.text
        assert "<script" not in page.text
        assert " style=" not in page.text
        assert "default-src 'self'" in page.headers["content-security-policy"]


async def test_the_browser_is_sent_back_to_the_shop(gateway: SandboxPaymentGateway, browser: httpx.AsyncClient) -> None:
    reference = await opened(gateway)
    back = await browser.post(
        f"/sandbox/checkout/{reference}/pay", data={"action": "pay", "method": "transfer", "webhook": "lost"}
    )
    assert (back.status_code, back.headers["location"]) == (303, "http://shop.example/ok")
    assert (await gateway.fetch(reference)).method == "transfer"
