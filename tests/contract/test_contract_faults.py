"""Every fault knob gives its error of the taxonomy, as often as it was asked to, and changes while the sandbox runs."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from madang.adapters.sandbox.image_model import SandboxImageModel
from madang.adapters.sandbox.knobs import parse_faults
from madang.adapters.sandbox.payment import SandboxPaymentGateway
from madang.adapters.sandbox.settings import SandboxSettings
from madang.adapters.sandbox.sms import SandboxSmsSender
from madang.adapters.sandbox.text_model import SandboxTextModel
from madang.ports.errors import Misconfigured, OutcomeUnknown, ProviderError, RateLimited, Rejected, Unavailable
from madang.ports.image_model import PictureRequest
from madang.ports.money import Money
from madang.ports.payment import CheckoutRequest, RefundRequest
from madang.ports.sms import SmsRequest
from madang.ports.text_model import PromptMessage, Role, TextRequest

Build = Callable[..., Any]


def sms(key: str = "k", timeout: float = 20.0) -> SmsRequest:
    return SmsRequest("+821012345678", "hello", key, timeout=timeout)


CHECKOUT = CheckoutRequest("payment-1", Money(9900, "KRW"), "portrait", "http://shop/ok", "http://shop/no", "k")
CALLS: dict[str, tuple[Any, str, Any]] = {
    "sms.send": (SandboxSmsSender, "send", sms()),
    "image_model.start": (SandboxImageModel, "start", PictureRequest("portrait", "k", 1)),
    "text_model.generate": (SandboxTextModel, "generate", TextRequest([PromptMessage(Role.USER, "hello")], "k")),
    "payment.open_checkout": (SandboxPaymentGateway, "open_checkout", CHECKOUT),
}
ERRORS: dict[str, type[ProviderError]] = {
    "unavailable": Unavailable,
    "rate_limited=7": RateLimited,
    "rejected=blocked": Rejected,
    "answer_lost": OutcomeUnknown,
    "slow=600": OutcomeUnknown,
}


@pytest.mark.parametrize(
    ("operation", "fault"),
    [*((each, "rejected=blocked") for each in CALLS), ("text_model.generate", "rate_limited=7"), ("sms.send", "answer_lost")],
)
async def test_a_fault_raises_its_error_once_and_then_the_call_works(sandbox: Build, operation: str, fault: str) -> None:
    provider_type, method, request = CALLS[operation]
    provider = sandbox(provider_type, faults=f"{operation}:{fault}")
    with pytest.raises(ERRORS[fault]) as raised:
        await getattr(provider, method)(request)
    assert type(raised.value) is ERRORS[fault]
    assert (raised.value.provider, raised.value.operation) == ("sandbox", operation)
    assert raised.value.request_id
    if isinstance(raised.value, RateLimited):
        assert raised.value.retry_after == 7
    if isinstance(raised.value, Rejected):
        assert raised.value.reason == "blocked"
    assert await getattr(provider, method)(request)


async def test_a_fault_counts_its_calls_across_processes_and_spares_other_operations(sandbox: Build) -> None:
    first = sandbox(SandboxSmsSender, faults="sms.send:unavailable@2")
    second = sandbox(SandboxSmsSender, faults="sms.send:unavailable@2")
    assert await first.find("k") is None
    for sender in (first, second):
        with pytest.raises(Unavailable):
            await sender.send(sms())
    assert (await first.send(sms())).id == (await second.send(sms())).id


async def test_a_slow_call_past_its_time_out_is_unknown_and_was_done(sandbox: Build) -> None:
    sender = sandbox(SandboxSmsSender, faults="sms.send:slow=0.3")
    with pytest.raises(OutcomeUnknown):
        await sender.send(sms(timeout=0.2))
    assert await sender.find("k") is not None


async def test_a_slow_connection_past_the_time_out_is_unavailable_and_was_not_done(sandbox: Build) -> None:
    sender = sandbox(SandboxSmsSender, faults="sms.send:slow=60")
    with pytest.raises(Unavailable):
        await sender.send(sms(timeout=0.05))
    assert await sender.find("k") is None


async def test_a_slow_answer_within_the_time_out_is_only_slow(sandbox: Build) -> None:
    assert await sandbox(SandboxSmsSender, faults="sms.*:slow=0.05", latency=0.01, latency_jitter=0.01).send(sms())


async def test_an_unreadable_answer_of_an_effect_is_unknown_and_of_a_question_unavailable(sandbox: Build) -> None:
    sender = sandbox(SandboxSmsSender, faults="sms.send:garbage, sms.find:garbage")
    with pytest.raises(OutcomeUnknown):
        await sender.send(sms())
    with pytest.raises(Unavailable):
        await sender.find("k")
    assert await sender.find("k") is not None


async def test_a_fault_without_end_goes_on_until_it_is_taken_away_over_http(sandbox: Build, visit: Build) -> None:
    settings = SandboxSettings(faults="*:unavailable@*")
    sender = sandbox(SandboxSmsSender, faults=settings.faults)
    for _ in range(3):
        with pytest.raises(Unavailable):
            await sender.send(sms())
    client = visit(settings)
    changed = await client.put("/sandbox/knobs", json={"faults": "", "latency": 0.001})
    assert changed.json()["faults"] == ""
    assert await sender.send(sms())
    back = await client.put("/sandbox/knobs", json={"latency": None})
    assert back.json()["latency"] == 0.0
    shown = (await client.get("/sandbox/knobs")).json()
    assert shown["faults"] == ""
    assert "webhook_secret" not in shown
    journal = (await client.get("/sandbox/api/calls")).json()
    assert [call["fault"] for call in journal] == [None, "unavailable", "unavailable", "unavailable"]


async def test_faults_that_were_set_while_it_runs_wait_for_their_call_also_when_webhooks_leave(
    sandbox: Build, visit: Build
) -> None:
    gateway, sender, client = sandbox(SandboxPaymentGateway), sandbox(SandboxSmsSender), visit()
    await client.put("/sandbox/knobs", json={"faults": "sms.send:unavailable@2", "webhook_lose_next": 2})
    checkout = await gateway.open_checkout(replace(CHECKOUT, webhook_url="http://127.0.0.1:9/webhooks"))
    for _ in range(2):
        with pytest.raises(Unavailable):
            await sender.send(sms())
        await client.post(f"/sandbox/checkout/{checkout.reference}/pay", json={"action": "pay"})
    await gateway.refund(RefundRequest(checkout.reference, CHECKOUT.amount, "failed", "refund-1"))
    assert await sender.send(sms())
    shown = (await client.get("/sandbox/knobs")).json()
    assert (shown["faults"], shown["webhook_lose_next"]) == ("", 0)
    assert {delivery["state"] for delivery in (await client.get("/sandbox/api/deliveries")).json()} == {"lost"}


@pytest.mark.parametrize(
    "body", [{"nope": 1}, {"latency": -1}, {"latency": "slow"}, {"faults": "sms.send"}, {"decline": 3}, {"seed": 4}, [1]]
)
async def test_a_wrong_knob_is_refused_and_changes_nothing(visit: Build, body: Any) -> None:
    client = visit()
    before = (await client.get("/sandbox/knobs")).json()
    refused = await client.put("/sandbox/knobs", json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert (await client.get("/sandbox/knobs")).json() == before


@pytest.mark.parametrize(("method", "path"), [("PUT", "/knobs"), ("POST", "/checkout/pay_1/pay"), ("POST", "/authorize")])
@pytest.mark.parametrize("body", [b"{{{", b"\xff", b"[" * 100_000])
async def test_what_is_not_json_is_refused_by_the_pages(visit: Build, method: str, path: str, body: bytes) -> None:
    refused = await visit().request(method, f"/sandbox{path}", content=body, headers={"content-type": "application/json"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    "address", ["", "javascript:alert(1)", "//elsewhere.example", "http://x\r\nset-cookie: a=b", "http://한"]
)
async def test_a_connected_account_comes_back_to_a_web_address_only(visit: Build, address: str) -> None:
    refused = await visit().post("/sandbox/authorize", data={"redirect_uri": address})
    assert refused.status_code == 400
    assert "location" not in refused.headers


@pytest.mark.parametrize(
    "text", ["sms.send", "sms.send:explodes", "sms.send:slow@0", "sms.send:slow=soon", ":slow", "a:slow@x"]
)
def test_a_fault_that_is_not_understood_is_misconfigured(text: str) -> None:
    with pytest.raises(Misconfigured, match="faults"):
        parse_faults(text)


async def test_no_error_shows_a_secret_or_a_telephone_number(sandbox: Build) -> None:
    sender = sandbox(SandboxSmsSender, faults="sms.send:answer_lost")
    with pytest.raises(OutcomeUnknown) as raised:
        await sender.send(sms())
    shown = f"{raised.value} {raised.value.context()} {raised.value!r}"
    assert "8210" not in shown
    assert "test-key" not in shown


async def test_a_check_reaches_the_world_and_says_that_it_is_a_simulation(sandbox: Build) -> None:
    for provider_type, _, _ in CALLS.values():
        provider = sandbox(provider_type)
        health = await provider.check()
        assert provider.name == "sandbox"
        assert health.reachable
        assert "simulation" in health.detail
