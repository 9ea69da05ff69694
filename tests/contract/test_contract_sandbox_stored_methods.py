"""Cards that people leave at the sandbox: the page, the way back, and what a declined charge leaves in its books."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from madang.adapters.sandbox.payment import SandboxPaymentGateway
from madang.ports.errors import Rejected
from madang.ports.money import Money
from madang.ports.payment import (
    ChargeRequest,
    KeepMethodRequest,
    PaymentSnapshot,
    RemotePaymentStatus,
    StoredMethod,
    StoreMethodRequest,
)

Build = Callable[..., Any]
WINDOW = StoreMethodRequest("customer 1", "http://shop.example/kept?plan=a", "http://shop.example/no", "window-1")


@pytest.fixture
def gateway(sandbox: Build) -> SandboxPaymentGateway:
    built: SandboxPaymentGateway = sandbox(SandboxPaymentGateway)
    return built


@pytest.fixture
def browser(visit: Callable[[], httpx.AsyncClient]) -> httpx.AsyncClient:
    return visit()


async def window(gateway: SandboxPaymentGateway, **changes: Any) -> str:
    checkout = await gateway.open_method_window(replace(WINDOW, **changes))
    return urlsplit(checkout.url or "").path


async def kept(gateway: SandboxPaymentGateway, browser: httpx.AsyncClient) -> StoredMethod:
    answer = await browser.post(f"{await window(gateway)}/agree", data={"action": "agree"})
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert (answer.status_code, query["plan"], query["customerId"]) == (303, ["a"], ["customer 1"])
    return await gateway.keep_method(KeepMethodRequest("customer 1", query["clientKey"][0], "keep-1"))


def charge(method: StoredMethod, **changes: Any) -> ChargeRequest:
    request = ChargeRequest(
        "payment-1", method.customer_id, method.token, Money(9900, "KRW"), "구독", "key-1", webhook_url="http://127.0.0.1:9/w"
    )
    return replace(request, **changes)


async def test_a_person_reads_what_they_agree_to_and_may_leave_without(
    gateway: SandboxPaymentGateway, browser: httpx.AsyncClient
) -> None:
    for locale, words in (("ko", "카드 등록에 동의"), ("en", "Agree and leave the card")):
        assert words in (await browser.get(await window(gateway, locale=locale, idempotency_key=locale))).text
    path = await window(gateway)
    left = await browser.post(f"{path}/agree", data={"action": "cancel"})
    assert left.headers["location"] == "http://shop.example/no"
    again = (await browser.post(f"{path}/agree", json={})).json()
    assert (again["status"], again["redirectTo"]) == ("cancelled", "http://shop.example/no")
    assert 'name="action"' not in (await browser.get(path)).text
    assert (await browser.get("/sandbox/methods/wnd_unknown")).status_code == 404


async def test_a_key_is_spent_once(gateway: SandboxPaymentGateway, browser: httpx.AsyncClient) -> None:
    path = await window(gateway)
    first, second = [(await browser.post(f"{path}/agree", json={})).json()["redirectTo"] for _ in range(2)]
    assert first == second
    key = parse_qs(urlsplit(first).query)["clientKey"][0]
    await gateway.keep_method(KeepMethodRequest("customer 1", key, "keep-1"))
    with pytest.raises(Rejected) as spent:
        await gateway.keep_method(KeepMethodRequest("customer 1", key, "keep-2"))
    assert spent.value.reason == "not_found"


async def test_a_declined_charge_is_in_the_books_and_announced_and_may_be_tried_again(
    gateway: SandboxPaymentGateway, browser: httpx.AsyncClient
) -> None:
    method = await kept(gateway, browser)
    await browser.put("/sandbox/knobs", json={"decline": True})
    for _ in range(2):
        with pytest.raises(Rejected) as declined:
            await gateway.charge(charge(method))
        assert declined.value.reason == "declined"
    failed = await found(gateway)
    assert (failed.status, failed.failure, failed.paid_at) == (RemotePaymentStatus.FAILED, "declined", None)
    assert (await browser.post(f"/sandbox/checkout/{failed.reference}/pay", json={})).status_code == 409
    await browser.put("/sandbox/knobs", json={"decline": None})
    paid = await gateway.charge(charge(method, idempotency_key="key-2"))
    assert (paid.status, paid.reference, paid.failure) == (RemotePaymentStatus.PAID, failed.reference, None)
    sent = (await browser.get("/sandbox/api/deliveries")).json()
    assert [each["kind"] for each in sent] == ["payment.paid", "payment.failed"]


async def test_a_payment_id_belongs_to_one_amount(gateway: SandboxPaymentGateway, browser: httpx.AsyncClient) -> None:
    method = await kept(gateway, browser)
    paid = await gateway.charge(charge(method))
    with pytest.raises(Rejected) as refused:
        await gateway.charge(charge(method, amount=Money(1, "KRW"), idempotency_key="key-2"))
    assert refused.value.reason == "invalid_request"
    assert await found(gateway) == paid


async def found(gateway: SandboxPaymentGateway) -> PaymentSnapshot:
    snapshot = await gateway.find("payment-1")
    assert snapshot is not None
    return snapshot
