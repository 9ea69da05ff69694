"""The rules of `[[billing.routing]]` name providers of the route, or say what is wrong."""

from typing import Any

import pytest
from pydantic import ValidationError

from madang.core.billing.routing import RoutingRule
from madang.entrypoints.billing_settings import routing_rules
from madang.entrypoints.settings import Settings
from madang.ports.errors import Misconfigured


def settings(*rules: Any) -> Settings:
    return Settings(routes={"payment": ["toss", "paypal"]}, billing={"routing": rules})  # type: ignore[arg-type]


def test_rules_are_kept_in_their_order() -> None:
    rules = routing_rules(settings({"providers": ["toss"], "currency": "KRW"}, {"providers": ["paypal", "toss"]}))
    assert rules == [RoutingRule(("toss",), "KRW"), RoutingRule(("paypal", "toss"))]


def test_a_rule_for_a_provider_that_the_route_does_not_have_is_refused() -> None:
    with pytest.raises(Misconfigured, match="rule 2 names stripe"):
        routing_rules(settings({"providers": ["toss"]}, {"providers": ["stripe"]}))


@pytest.mark.parametrize("rule", [{"providers": []}, {"providers": ["toss"], "currency": "krw"}, {"provider": ["toss"]}])
def test_a_rule_that_is_none_is_refused(rule: Any) -> None:
    with pytest.raises(ValidationError):
        settings(rule)
