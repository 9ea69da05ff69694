"""Webhooks of the sandbox: signed, over real HTTP, believed only when ours, and late, doubled, shuffled or lost on demand."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from madang.adapters.sandbox.gate import Gate
from madang.adapters.sandbox.image_model import SandboxImageModel
from madang.adapters.sandbox.pages import create_app
from madang.adapters.sandbox.payment import SandboxPaymentGateway
from madang.adapters.sandbox.settings import SandboxSettings
from madang.adapters.sandbox.webhooks import Courier, signed_headers, signing_secret
from madang.plugins.conformance.remote import closed_port
from madang.ports.context import ProviderContext
from madang.ports.errors import SignatureInvalid
from madang.ports.image_model import PictureRequest, PredictionStatus
from madang.ports.money import Money
from madang.ports.payment import CheckoutRequest, RefundRequest, RemotePaymentStatus
from madang.ports.secret import Secret
from madang.ports.webhook import WebhookRequest

Build = Callable[..., Any]


class Shop(ThreadingHTTPServer):
    """Takes webhooks on loopback, after refusing as many as it was told to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taker)
        self.received: list[WebhookRequest] = []
        self.refuse = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/webhooks"


class _Taker(BaseHTTPRequestHandler):
    server: Shop

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.server.refuse:
            self.server.refuse -= 1
            self.send_response(503)
        else:
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.server.received.append(WebhookRequest(headers, body, datetime.now(UTC)))
            self.send_response(204)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def shop() -> Iterator[Shop]:
    server = Shop()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
async def courier(context: ProviderContext) -> AsyncIterator[Courier]:
    settings = SandboxSettings()
    gate = Gate(settings, context)
    courier = Courier(settings, context, gate)
    yield courier
    await courier.stop()
    await gate.close()


@pytest.fixture
def browser(visit: Callable[[], httpx.AsyncClient]) -> httpx.AsyncClient:
    return visit()


async def click(browser: httpx.AsyncClient, path: str, method: str = "POST", **body: Any) -> httpx.Response:
    return await browser.request(method, f"/sandbox/{path}", json=body)


async def bought(gateway: SandboxPaymentGateway, browser: httpx.AsyncClient, shop: Shop, **pay: Any) -> str:
    request = CheckoutRequest(
        "payment-1", Money(9900, "KRW"), "portrait", "http://s/ok", "http://s/no", "k", webhook_url=shop.url
    )
    reference = (await gateway.open_checkout(request)).reference or ""
    await click(browser, f"checkout/{reference}/pay", **pay)
    return reference


async def arrived(courier: Courier, shop: Shop, count: int) -> list[WebhookRequest]:
    for _ in range(400):
        await courier.deliver_due()
        if len(shop.received) >= count:
            break
        await asyncio.sleep(0.02)
    return shop.received


async def settled(browser: httpx.AsyncClient, waiting: int = 0) -> list[dict[str, Any]]:
    """The deliveries, once only so many wait: the shop has a webhook a moment before its courier writes that down."""
    for _ in range(400):
        deliveries: list[dict[str, Any]] = (await click(browser, "api/deliveries", "GET")).json()
        if sum(each["state"] == "waiting" for each in deliveries) <= waiting:
            break
        await asyncio.sleep(0.02)
    return deliveries


async def test_a_paid_checkout_is_announced_by_a_signed_snapshot_whatever_proxy_the_environment_names(
    sandbox: Build, browser: httpx.AsyncClient, shop: Shop, courier: Courier, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")
    gateway = sandbox(SandboxPaymentGateway)
    reference = await bought(gateway, browser, shop)
    [request] = await arrived(courier, shop, 1)
    [notice] = await gateway.read_webhook(request)
    assert (notice.kind, notice.reference, notice.payment_id) == ("payment.paid", reference, "payment-1")
    assert notice.snapshot == await gateway.fetch(reference)
    assert notice.event_id == request.headers["webhook-id"]
    assert notice.occurred_at is not None


async def test_a_refund_is_announced_too(sandbox: Build, browser: httpx.AsyncClient, shop: Shop, courier: Courier) -> None:
    gateway = sandbox(SandboxPaymentGateway)
    reference = await bought(gateway, browser, shop)
    await gateway.refund(RefundRequest(reference, Money(9900, "KRW"), "why", "r"))
    received = await arrived(courier, shop, 2)
    notices = {notice.kind: notice for request in received for notice in await gateway.read_webhook(request)}
    assert set(notices) == {"payment.paid", "payment.refunded"}, "in any order: two couriers may be on their way at once"
    notice = notices["payment.refunded"]
    assert notice.snapshot is not None
    assert notice.snapshot.status is RemotePaymentStatus.REFUNDED


async def test_a_shop_that_is_down_gets_it_later_under_the_same_event_id(
    sandbox: Build, browser: httpx.AsyncClient, shop: Shop, courier: Courier
) -> None:
    shop.refuse = 1
    gateway = sandbox(SandboxPaymentGateway)
    await bought(gateway, browser, shop)
    [request] = await arrived(courier, shop, 1)
    assert (await gateway.read_webhook(request))[0].kind == "payment.paid"
    [delivery] = await settled(browser)
    assert (delivery["state"], delivery["attempts"], delivery["last_answer"]) == ("delivered", 2, "204")


async def test_duplicates_carry_one_event_id(sandbox: Build, browser: httpx.AsyncClient, shop: Shop, courier: Courier) -> None:
    await click(browser, "knobs", "PUT", webhook_duplicates=1)
    gateway = sandbox(SandboxPaymentGateway)
    await bought(gateway, browser, shop, webhook="twice")
    received = await arrived(courier, shop, 3)
    assert len({(await gateway.read_webhook(request))[0].event_id for request in received}) == 1
    assert len(received) == 3


@pytest.mark.parametrize(("turned", "chosen"), [({"webhook_lose_next": 1}, "now"), ({}, "lost")], ids=["knob", "click"])
async def test_lost_webhooks_never_leave_and_are_seen_on_the_page(
    sandbox: Build, browser: httpx.AsyncClient, shop: Shop, courier: Courier, turned: dict[str, int], chosen: str
) -> None:
    await click(browser, "knobs", "PUT", **turned)
    gateway = sandbox(SandboxPaymentGateway)
    reference = await bought(gateway, browser, shop, webhook=chosen)
    await gateway.refund(RefundRequest(reference, Money(100, "KRW"), "why", "r"))
    [request] = await arrived(courier, shop, 1)
    assert (await gateway.read_webhook(request))[0].kind == "payment.partly_refunded"
    assert [each["state"] for each in await settled(browser)] == ["delivered", "lost"]


async def test_a_late_webhook_waits_and_a_shuffled_one_may_be_overtaken(
    sandbox: Build, browser: httpx.AsyncClient, shop: Shop, courier: Courier
) -> None:
    gateway = sandbox(SandboxPaymentGateway)
    reference = await bought(gateway, browser, shop, webhook="later")
    await gateway.refund(RefundRequest(reference, Money(100, "KRW"), "why", "r"))
    [request] = await arrived(courier, shop, 1)
    assert (await gateway.read_webhook(request))[0].kind == "payment.partly_refunded"
    assert [each["state"] for each in await settled(browser, 1)] == ["delivered", "waiting"]


async def test_all_couriers_together_send_each_delivery_once(
    sandbox: Build, context: ProviderContext, browser: httpx.AsyncClient, shop: Shop, courier: Courier
) -> None:
    settings = SandboxSettings()
    gate = Gate(settings, context)
    other = Courier(settings, context, gate)
    await bought(sandbox(SandboxPaymentGateway), browser, shop)
    for _ in range(5):
        await asyncio.gather(courier.deliver_due(), other.deliver_due())
    await other.stop()
    await gate.close()
    await arrived(courier, shop, 1)
    [delivery] = (await click(browser, "api/deliveries", "GET")).json()
    assert (len(shop.received), delivery["attempts"]) == (1, 1)


async def test_the_pages_send_what_an_earlier_process_left(sandbox: Build, context: ProviderContext, shop: Shop) -> None:
    model = sandbox(SandboxImageModel, image_seconds=0)
    await model.start(PictureRequest("a portrait", "k", 1, webhook_url=shop.url))
    app = create_app(SandboxSettings(), context)
    events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    answers: asyncio.Queue[Any] = asyncio.Queue()
    living = asyncio.ensure_future(app({"type": "lifespan"}, events.get, answers.put))
    await events.put({"type": "lifespan.startup"})
    assert (await answers.get())["type"] == "lifespan.startup.complete"
    for _ in range(400):
        if shop.received:
            break
        await asyncio.sleep(0.02)
    await events.put({"type": "lifespan.shutdown"})
    assert (await answers.get())["type"] == "lifespan.shutdown.complete"
    await living
    assert len(shop.received) == 1


def genuine(context: ProviderContext, when: datetime, body: str | None = None, secret: Secret | None = None) -> WebhookRequest:
    data = {"reference": "pay_1", "payment_id": "p", "status": "paid", "amount": 9900, "currency": "KRW", "refunded": 0}
    text = body if body is not None else json.dumps({"type": "payment.paid", "timestamp": when.isoformat(), "data": data})
    headers = signed_headers(secret or signing_secret(SandboxSettings(), context), "evt_1", text, when)
    return WebhookRequest(headers, text.encode(), datetime.now(UTC))


async def test_a_genuine_webhook_is_believed(context: ProviderContext) -> None:
    [notice] = await SandboxPaymentGateway(SandboxSettings(), context).read_webhook(genuine(context, datetime.now(UTC)))
    assert notice.snapshot is not None
    assert notice.snapshot.amount == Money(9900, "KRW")


async def test_an_unknown_kind_gives_a_notice_without_reference_and_an_unknown_status_is_pending(
    context: ProviderContext,
) -> None:
    gateway = SandboxPaymentGateway(SandboxSettings(), context)
    [other] = await gateway.read_webhook(genuine(context, datetime.now(UTC), '{"type": "billing_key.issued", "data": {}}'))
    assert (other.kind, other.reference, other.snapshot) == ("billing_key.issued", None, None)
    odd = genuine(context, datetime.now(UTC)).body.decode().replace('"paid"', '"settled_in_a_new_way"')
    [notice] = await gateway.read_webhook(genuine(context, datetime.now(UTC), odd))
    assert notice.snapshot is not None
    assert notice.snapshot.status is RemotePaymentStatus.PENDING


def forgeries(context: ProviderContext) -> dict[str, WebhookRequest]:
    now = datetime.now(UTC)
    good = genuine(context, now)
    return {
        "another body": replace(good, body=good.body.replace(b"9900", b"9901")),
        "another key": genuine(context, now, secret=Secret("whsec_bm90LXRoZS1rZXktdGhhdC13ZS11c2U=")),
        "another event id": replace(good, headers={**good.headers, "webhook-id": "evt_2"}),
        "another time": replace(good, headers={**good.headers, "webhook-timestamp": str(int(now.timestamp()) + 5)}),
        "no signature": replace(good, headers={k: v for k, v in good.headers.items() if k != "webhook-signature"}),
        "half a signature": replace(good, headers={**good.headers, "webhook-signature": "v1"}),
        "no base64": replace(good, headers={**good.headers, "webhook-signature": "v1,%%%"}),
        "another version": replace(good, headers={**good.headers, "webhook-signature": "v9,abcd"}),
        "no time": replace(good, headers={**good.headers, "webhook-timestamp": "yesterday"}),
        "stale": genuine(context, now - timedelta(minutes=6)),
        "from the future": genuine(context, now + timedelta(minutes=6)),
        "not UTF-8": replace(good, body=b"\xff\xfe"),
        "not an event": genuine(context, now, "[1]"),
        "not JSON": genuine(context, now, "hello"),
        "no payment in it": genuine(context, now, '{"type": "payment.paid", "data": {"reference": "x"}}'),
    }


@pytest.mark.parametrize("name", forgeries(ProviderContext("", Path(), Secret("test-key-not-secret"), "test")))
async def test_a_forged_or_stale_webhook_is_refused(context: ProviderContext, name: str) -> None:
    with pytest.raises(SignatureInvalid):
        await SandboxPaymentGateway(SandboxSettings(), context).read_webhook(forgeries(context)[name])


async def test_a_finished_prediction_is_announced_and_a_cancelled_one_is_not(
    sandbox: Build, context: ProviderContext, shop: Shop, courier: Courier
) -> None:
    model = sandbox(SandboxImageModel, image_seconds=0.05)
    slow = sandbox(SandboxImageModel, image_seconds=60)
    doomed = await slow.start(PictureRequest("a portrait", "k1", 1, webhook_url=shop.url))
    await slow.cancel(doomed.id)
    started = await model.start(PictureRequest("a portrait", "k2", 1, webhook_url=shop.url))
    [request] = await arrived(courier, shop, 1)
    told = model.read_webhook(request)
    assert (told.id, told.status) == (started.id, PredictionStatus.SUCCEEDED)
    with pytest.raises(SignatureInvalid):
        model.read_webhook(genuine(context, datetime.now(UTC)))
