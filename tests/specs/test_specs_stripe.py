"""What Stripe's adapter sends, against the schemas of the official parameters, which also hold the rules of its stand-in.

`stripe/request-params.2026-10-28.endive.json` are JSON Schemas of the parameters by call, `stripe/fixtures3.latest.json` are
Stripe's examples of its objects.
"""

import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from contract.fake_stripe import API_KEY, FakeStripe
from contract.fake_stripe_rules import RULES
from madang.adapters.stripe.payment import StripePaymentGateway
from madang.adapters.stripe.settings import StripeSettings
from madang.plugins.conformance.payment import CHECKOUT
from madang.plugins.conformance.payment_subscriptions import PLAN
from madang.plugins.conformance.remote import serving
from madang.ports.context import ProviderContext
from madang.ports.money import Money
from madang.ports.payment import (
    CancelSubscriptionRequest,
    ChangeSubscriptionRequest,
    RefundRequest,
    ResumeSubscriptionRequest,
)
from madang.ports.secret import Secret

KINDS = (
    "checkout.session", "payment_intent", "charge", "refund", "subscription", "subscription_item", "price", "invoice",
    "invoice_payment", "dispute", "event",
)  # fmt: skip

CLOSING = "POST /v1/checkout/sessions/{id}/expire"
"""The description's extract leaves it out: it is asked without any parameter."""


def described(name: str) -> Mapping[str, Any]:
    if not os.environ.get("MADANG_SPECS"):
        pytest.skip("MADANG_SPECS names no folder of official descriptions")
    found: Mapping[str, Any] = json.loads((Path(os.environ["MADANG_SPECS"]) / "stripe" / name).read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def schemas() -> Mapping[str, Any]:
    operations: Mapping[str, Any] = described("request-params.2026-10-28.endive.json")["operations"]
    return operations


@pytest.fixture
def account() -> Iterator[FakeStripe]:
    with serving(FakeStripe()) as service:
        yield service


@pytest.fixture
async def gateway(account: FakeStripe, context: ProviderContext) -> AsyncIterator[StripePaymentGateway]:
    gateway = StripePaymentGateway(StripeSettings(Secret(API_KEY), base_url=account.url), context)
    yield gateway
    await gateway.close()


async def life(account: FakeStripe, gateway: StripePaymentGateway) -> None:
    """Every call that changes something, with everything that a request can say."""
    end = datetime.now(UTC) + timedelta(hours=1)
    bought = await gateway.open_checkout(replace(CHECKOUT, expires_at=end))
    account.books.pay(str(bought.reference))
    await gateway.refund(RefundRequest(str(bought.reference), Money(300, "KRW"), "미안합니다", "refund-1"))
    account.books.dispute(account.books.kept[str(bought.reference)]["payment_intent"])
    for number, request in enumerate((replace(PLAN, trial_days=7), replace(PLAN, price_reference="price_pro"))):
        start = await gateway.subscribe(replace(request, idempotency_key=f"subscribe-{number}"))
        assert start.checkout is not None
        account.books.pay(str(start.checkout.reference))
        reference = str(account.books.kept[str(start.checkout.reference)]["subscription"])
        account.books.period_ends(reference)
        told = ChangeSubscriptionRequest(reference, "", True, f"change-{number}", Money(19_800, "KRW"), 12)
        await gateway.change_subscription(told)
        await gateway.change_subscription(
            replace(told, price_reference="price_pro", prorate=False, idempotency_key=f"again-{number}")
        )
        await gateway.cancel_subscription(CancelSubscriptionRequest(reference, True, f"cancel-{number}"))
        await gateway.resume_subscription(ResumeSubscriptionRequest(reference, f"resume-{number}"))
        await gateway.cancel_subscription(CancelSubscriptionRequest(reference, False, f"end-{number}"))
    left_open = await gateway.subscribe(replace(PLAN, idempotency_key="subscribe-and-leave"))
    assert left_open.checkout is not None
    await gateway.cancel_subscription(CancelSubscriptionRequest(str(left_open.checkout.reference), False, "close"))


async def test_everything_that_is_sent_is_a_parameter_of_stripes(
    account: FakeStripe, gateway: StripePaymentGateway, schemas: Mapping[str, Any]
) -> None:
    await life(account, gateway)
    judged = set()
    for name, asked in account.answered:
        if schema := schemas.get(name):
            jsonschema_rs.validate(schema, asked)
            judged.add(name)
        elif name == CLOSING:
            assert not asked
            judged.add(name)
    assert judged == {name for name in RULES if not name.startswith("GET ")}


async def test_an_unknown_parameter_would_be_noticed(
    account: FakeStripe, gateway: StripePaymentGateway, schemas: Mapping[str, Any]
) -> None:
    await gateway.open_checkout(CHECKOUT)
    [(name, asked)] = account.answered
    for wrong in ({**asked, "receipt": True}, {**asked, "expires_at": "soon"}, {**asked, "line_items": [{"name": "x"}]}):
        with pytest.raises(jsonschema_rs.ValidationError):
            jsonschema_rs.validate(schemas[name], wrong)


def test_the_stand_in_takes_no_parameter_that_stripe_does_not(schemas: Mapping[str, Any]) -> None:
    for name, rule in RULES.items():
        if name in schemas:
            assert not list(beyond(rule, schemas[name], name))


def beyond(rule: Any, schema: Mapping[str, Any], path: str) -> Iterator[str]:
    """What the rule allows, or does not ask for, other than the schema."""
    if isinstance(rule, list):
        yield from beyond(rule[0], schema.get("items", {}), f"{path}[]")
    elif isinstance(rule, Mapping):
        properties = schema.get("properties", {})
        for name, inner in rule.items():
            plain = name.removesuffix("!")
            if plain not in properties:
                yield f"{path}.{plain}"
            else:
                yield from beyond(inner, properties[plain], f"{path}.{plain}")
        yield from (f"{path}.{name}!" for name in schema.get("required", ()) if f"{name}!" not in rule and name in rule)


async def test_the_stand_ins_objects_have_no_field_that_stripes_do_not(
    account: FakeStripe, gateway: StripePaymentGateway
) -> None:
    await life(account, gateway)
    resources = described("fixtures3.latest.json")["resources"]
    kept = account.books.kept.values()
    items = [item for each in kept if each["object"] == "subscription" for item in each["items"]["data"]]
    event = json.loads(account.event("ping", {}, datetime.now(UTC)).body)
    seen = set()
    for made in (*kept, *items, *(item["price"] for item in items), event):
        kind = made["object"]
        example = resources[kind] if kind != "subscription_item" else resources["subscription"]["items"]["data"][0]
        seen.add(kind)
        assert not made.keys() - example.keys() - {"asked"} - AFTER_THE_EXAMPLES.get(kind, set()), kind
    assert seen == set(KINDS)


AFTER_THE_EXAMPLES = {"refund": {"failure_reason"}}
"""Fields of the SDK's types that the examples lack, because they are only there sometimes."""
