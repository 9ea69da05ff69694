"""The in-memory models, storage, payments, network and tokens through the conformance kit, and what a test sees of them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.memory_faults import MemoryFaults
from madang.adapters.memory.capabilities import ISSUER
from madang.adapters.memory.identity import MemoryIdentity
from madang.adapters.memory.image_model import MemoryImageModel
from madang.adapters.memory.payment import MemoryPaymentGateway
from madang.adapters.memory.settings import MemorySettings
from madang.adapters.memory.signatures import signed_token
from madang.adapters.memory.storage import MemoryStorage
from madang.adapters.memory.subscriptions import months_after
from madang.adapters.memory.text_model import MemoryTextModel, least
from madang.plugins.conformance.identity import IdentityConformance
from madang.plugins.conformance.image_model import REQUEST as PICTURE
from madang.plugins.conformance.image_model import ImageModelConformance
from madang.plugins.conformance.payment import CHECKOUT, PaymentConformance
from madang.plugins.conformance.payment_subscriptions import PLAN
from madang.plugins.conformance.social import SocialConformance
from madang.plugins.conformance.stage import Stage
from madang.plugins.conformance.storage import OBJECT, StorageConformance
from madang.plugins.conformance.text_model import REQUEST, SCHEMA, TextModelConformance
from madang.ports.context import ProviderContext
from madang.ports.errors import Rejected
from madang.ports.identity import ForeignPerson, PersonChange, VerifyToken
from madang.ports.money import Money
from madang.ports.payment import (
    ChangeSubscriptionRequest,
    Checkout,
    PaymentSnapshot,
    RemotePaymentStatus,
    RemoteSubscriptionStatus,
    StoredMethod,
    SubscriptionStart,
)
from madang.ports.secret import Secret
from madang.ports.text_model import FinishReason
from madang.ports.webhook import WebhookRequest


class TestTextModel(MemoryFaults, TextModelConformance):
    port = "text_model"


class TestImageModel(MemoryFaults, ImageModelConformance):
    port = "image_model"
    at_once = True


class TestStorage(MemoryFaults, StorageConformance):
    port = "storage"


class TestPayment(MemoryFaults, PaymentConformance):
    port = "payment"

    async def pay(self, stage: Stage, checkout: Checkout) -> str:
        assert checkout.reference is not None
        stage.build().pay(checkout.reference)
        return checkout.reference

    async def leave_method(self, stage: Stage, window: Checkout) -> str:
        return parse_qs(urlsplit(stage.build().leave(window.url)).query)["clientKey"][0]

    async def exhaust(self, stage: Stage, method: StoredMethod) -> None:
        stage.build().decline(method.token)

    def announcement(self, stage: Stage, snapshot: PaymentSnapshot, signed_at: datetime) -> WebhookRequest:
        request: WebhookRequest = stage.build().announce(snapshot.reference, signed_at)
        return request

    def other_event(self, stage: Stage) -> WebhookRequest:
        request: WebhookRequest = stage.build().announce("of something else")
        return request

    async def agree(self, stage: Stage, start: SubscriptionStart) -> str:
        assert start.checkout is not None
        reference: str = stage.build().agree(start.checkout.reference)
        return reference

    async def period_ends(self, stage: Stage, reference: str, *, declined: bool = False) -> str | None:
        gateway: MemoryPaymentGateway = stage.build()
        return gateway.fail_renewal(reference) if declined else gateway.renew(reference)

    def subscription_announcement(
        self, stage: Stage, reference: str, payment: str | None, signed_at: datetime
    ) -> WebhookRequest:
        request: WebhookRequest = stage.build().announce_subscription(reference, payment, signed_at)
        return request


class TestSocial(MemoryFaults, SocialConformance):
    port = "social"

    async def agree(self, stage: Stage, address: str) -> str:
        code: str = stage.build().agree(address, "Cafe_Seoul")
        return code


class TestIdentity(MemoryFaults, IdentityConformance):
    port = "identity"

    @pytest.fixture(autouse=True)
    def _enrolled(self, stage: Stage) -> None:
        self.issuer: MemoryIdentity = stage.build()
        self.issuer.enrol(ForeignPerson(ISSUER, self.subject))

    def token(self, claims: Mapping[str, Any], *, stranger: bool = False) -> str:
        return signed_token(Secret("a key of somebody else"), claims) if stranger else self.issuer.sign(claims)

    def announcement(self, change: PersonChange, subject: str, signed_at: datetime) -> WebhookRequest:
        said = "something new" if change is PersonChange.OTHER else change
        return self.issuer.announce({"change": said, "subject": subject}, signed_at)


async def test_a_text_model_says_what_it_was_told_to_say(context: ProviderContext) -> None:
    model = MemoryTextModel(MemorySettings(), context)
    model.say("first", "x" * 99_999)
    first, long, usual = [await model.generate(REQUEST) for _ in range(3)]
    assert (first.text, usual.text) == ("first", REQUEST.messages[0].text)
    assert (long.finish, len(long.text)) == (FinishReason.LENGTH, 4 * REQUEST.max_output_tokens)
    assert model.asked == [REQUEST] * 3


@pytest.mark.parametrize(
    "schema",
    [
        SCHEMA,
        {"type": "object", "required": ["a"], "properties": {"a": {"enum": ["x", "y"]}, "b": {"type": "string"}}},
        {
            "type": "object",
            "required": ["s", "n", "f", "l", "o", "c", "z"],
            "properties": {
                "s": {"type": "string", "minLength": 9, "maxLength": 9},
                "n": {"type": "integer", "minimum": 3},
                "f": {"type": "boolean"},
                "l": {"type": "array", "minItems": 2, "items": {"type": "number", "minimum": 0.5}},
                "o": {"type": "object", "required": ["x"]},
                "c": {"const": 7},
                "z": {"type": ["null", "string"]},
            },
        },
    ],
)
def test_the_least_that_a_schema_allows_is_valid(schema: dict[str, Any]) -> None:
    jsonschema_rs.validate(schema, least(schema))


async def test_a_test_sees_what_was_bought_stored_and_posted(context: ProviderContext) -> None:
    image, storage = MemoryImageModel(MemorySettings(), context), MemoryStorage(MemorySettings(), context)
    started = await image.start(PICTURE)
    await storage.put(OBJECT)
    assert image.bought == [PICTURE]
    assert MemoryStorage(MemorySettings(), context).objects == {OBJECT.key: OBJECT.body}
    other = await image.start(replace(PICTURE, seed=1, idempotency_key="other"))
    pictures = [(await image.download(each.pictures[0])).data for each in (started, other)]
    assert pictures[0] != pictures[1]
    for change in ({"width": 0}, {"height": 5000}):
        with pytest.raises(Rejected):
            await image.start(replace(PICTURE, idempotency_key="bad", **change))


async def test_a_declined_card_pays_nothing(context: ProviderContext) -> None:
    gateway = MemoryPaymentGateway(MemorySettings(), context)
    reference = (await gateway.open_checkout(CHECKOUT)).reference or ""
    gateway.fail(reference)
    gateway.pay(reference)
    snapshot = await gateway.fetch(reference)
    assert (snapshot.status, snapshot.failure) == (RemotePaymentStatus.FAILED, "declined")


async def subscribed(gateway: MemoryPaymentGateway, key: str, **changes: Any) -> str:
    start = await gateway.subscribe(replace(PLAN, idempotency_key=key, **changes))
    assert start.checkout is not None
    return gateway.agree(start.checkout.reference or "")


async def test_a_trial_is_charged_when_it_is_over(context: ProviderContext) -> None:
    gateway = MemoryPaymentGateway(MemorySettings(), context)
    reference = await subscribed(gateway, "s-1", trial_days=14)
    trial = await gateway.fetch_subscription(reference)
    charge = gateway.renew(reference) or ""
    renewed = await gateway.fetch_subscription(reference)
    assert (renewed.status, renewed.current_period_start) == (RemoteSubscriptionStatus.ACTIVE, trial.trial_ends_at)
    assert (await gateway.fetch(charge)).subscription == reference
    gateway.give_up(reference)
    assert (await gateway.fetch_subscription(reference)).status is RemoteSubscriptionStatus.CANCELLED
    assert gateway.renew(reference) is None


async def test_a_dearer_price_charges_the_rest_of_the_period(context: ProviderContext) -> None:
    gateway = MemoryPaymentGateway(MemorySettings(), context)
    reference = await subscribed(gateway, "s-1")
    change = ChangeSubscriptionRequest(reference, "team", True, "change-1", Money(29_900, "KRW"), interval_months=12)
    for _ in range(2):
        await gateway.change_subscription(change)
    now = datetime.now(UTC)
    first, more = (await gateway.list_payments(now - timedelta(minutes=1), now + timedelta(minutes=1))).payments
    assert (first.amount, more.amount.currency) == (PLAN.amount, "KRW")
    assert 19_990 <= more.amount.amount <= 20_000
    before = await gateway.fetch_subscription(reference)
    assert gateway.renew(reference)
    after = await gateway.fetch_subscription(reference)
    assert before.current_period_end is not None
    assert (after.current_period_start, after.amount) == (before.current_period_end, Money(29_900, "KRW"))
    assert after.current_period_end == months_after(before.current_period_end, 12)


@given(st.integers(1_577_836_800, 2_208_988_800), st.integers(1, 36))
def test_a_month_later_is_the_same_day_or_the_last_of_a_shorter_month(seconds: int, months: int) -> None:
    moment = datetime.fromtimestamp(seconds, UTC)
    later = months_after(moment, months)
    assert (later.year * 12 + later.month) - (moment.year * 12 + moment.month) == months
    assert later.day == moment.day or (later.day < moment.day and (later + timedelta(days=1)).day == 1)
    assert later.time() == moment.time()


async def test_a_token_is_issued_for_a_while_and_for_a_sign_in(context: ProviderContext) -> None:
    issuer = MemoryIdentity(MemorySettings(), context)
    token = issuer.issue("user_1", timedelta(minutes=1), nonce="n-1")
    assert (await issuer.verify(VerifyToken(Secret(token), datetime.now(UTC), "n-1"))).subject == "user_1"
    with pytest.raises(Rejected) as over:
        await issuer.verify(VerifyToken(Secret(token), datetime.now(UTC) + timedelta(minutes=2), "n-1"))
    assert over.value.reason == "expired_token"
