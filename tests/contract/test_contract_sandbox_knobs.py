"""The sandbox's knobs and faults: what is understood, what is kept of it, and choices that are made by seed."""

from functools import partial
from typing import Any

import pytest

from madang.adapters.sandbox import knobs
from madang.adapters.sandbox.chance import dice, digest, identifier, share
from madang.adapters.sandbox.gate import Gate, Passage
from madang.adapters.sandbox.knobs import Fault, parse_faults
from madang.adapters.sandbox.settings import SandboxSettings
from madang.ports.context import ProviderContext
from madang.ports.errors import Misconfigured


@pytest.mark.parametrize(
    ("text", "understood"),
    [
        ("", []),
        (" , ", []),
        ("sms.send:unavailable", [Fault("sms.send", "unavailable")]),
        ("*:slow=0@*,a.*:rejected=x=y@12", [Fault("*", "slow", "0", None), Fault("a.*", "rejected", "x=y", 12)]),
        ("a.b:rate_limited@1, a.b:garbage=", [Fault("a.b", "rate_limited"), Fault("a.b", "garbage", "")]),
    ],
)
def test_faults_are_understood_and_told_again(text: str, understood: list[Fault]) -> None:
    assert list(parse_faults(text)) == understood
    assert list(parse_faults(", ".join(map(str, understood)))) == understood


@pytest.mark.parametrize(
    "text",
    ["a.b", "a.b:", "a.b:nothing", ":slow", "a.b:slow@", "a.b:slow@0", "a.b:slow@-1", "a.b:slow=-1", "a.b:rate_limited=",
     "a.b:slow=nan", "a.b:slow=inf"],
)  # fmt: skip
def test_a_fault_that_means_nothing_is_named(text: str) -> None:
    with pytest.raises(Misconfigured, match="answer_lost, garbage, rate_limited, rejected, slow, unavailable") as refused:
        parse_faults(text)
    assert (refused.value.provider, refused.value.operation) == ("sandbox", "knobs")


@pytest.mark.parametrize(
    ("waiting", "operation", "met"),
    [("a.b", "a.b", True), ("a.b", "a.bc", False), ("a.*", "a.c", True), ("a.*", "ab.c", False), ("*", "a.b", True)],
)
def test_a_fault_waits_for_its_operation_for_all_of_a_port_or_for_any(waiting: str, operation: str, met: bool) -> None:
    assert Fault(waiting, "slow").matches(operation) is met


def test_seconds_are_those_told_else_the_usual() -> None:
    assert (Fault("*", "slow", "0").seconds(5.0), Fault("*", "slow").seconds(5.0)) == (0.0, 5.0)


@pytest.mark.parametrize(
    ("fault", "latency"), [(None, 1.0), ("slow", 6.0), ("slow=2", 3.0), ("garbage", 1.0), ("rate_limited=9", 1.0)]
)
def test_a_call_takes_its_latency_and_what_its_fault_adds(fault: str | None, latency: float) -> None:
    met = parse_faults(f"*:{fault}")[0] if fault else None
    assert Passage("a.b", 1, SandboxSettings(latency=1.0), met).latency == latency
    jittered = [Passage("a.b", number, SandboxSettings(latency=1.0, latency_jitter=0.5), met).latency for number in range(9)]
    assert len(set(jittered)) == 9
    assert all(latency <= each < latency + 0.5 for each in jittered)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("latency", 0), ("latency", 0.5), ("decline", True), ("decline", False), ("webhook_duplicates", 3), ("faults", ""),
    ],
)  # fmt: skip
async def test_a_knob_is_turned_and_put_back(context: ProviderContext, name: str, value: Any) -> None:
    gate = Gate(SandboxSettings(latency=2.0, decline=True, webhook_duplicates=1, faults="a.b:slow@*"), context)
    turned = await gate.world.run(lambda c: knobs.change(c, gate.settings, {name: value}))
    assert getattr(turned, name) == value
    assert await gate.world.run(lambda c: knobs.current(c, gate.settings)) == turned
    assert await gate.world.run(lambda c: knobs.change(c, gate.settings, {name: None})) == gate.settings
    await gate.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("nothing", 1), ("seed", 2), ("webhook_secret", "x"), ("latency", -0.1), ("latency", "1"), ("latency", True),
        ("latency", float("inf")), ("decline", 1), ("webhook_duplicates", 0.5), ("webhook_duplicates", True), ("faults", 1),
        ("faults", "a.b:nothing"),
    ],
)  # fmt: skip
async def test_a_knob_that_does_not_fit_is_refused_and_the_others_stay(context: ProviderContext, name: str, value: Any) -> None:
    gate = Gate(SandboxSettings(), context)
    with pytest.raises(Misconfigured) as refused:
        await gate.world.run(lambda c: knobs.change(c, gate.settings, {"latency": 0.5, name: value}))
    assert (refused.value.provider, refused.value.operation) == ("sandbox", "knobs")
    assert await gate.world.run(lambda c: knobs.current(c, gate.settings)) == gate.settings
    await gate.close()


async def test_counts_go_down_in_the_world_and_a_changed_setting_arms_anew(context: ProviderContext) -> None:
    settings = SandboxSettings(faults="a.b:slow@3, a.*:garbage@*, c.d:unavailable")
    gate = Gate(settings, context)
    for operation, kind, left in (
        ("a.b", "slow", "a.b:slow@2, a.*:garbage@*, c.d:unavailable@1"),
        ("a.c", "garbage", "a.b:slow@2, a.*:garbage@*, c.d:unavailable@1"),
        ("c.d", "unavailable", "a.b:slow@2, a.*:garbage@*"),
        ("c.d", None, "a.b:slow@2, a.*:garbage@*"),
        ("a.b", "slow", "a.b:slow@1, a.*:garbage@*"),
        ("a.b", "slow", "a.*:garbage@*"),
    ):
        now = await gate.world.run(lambda c: knobs.current(c, settings))
        met = await gate.world.run(partial(knobs.take_fault, faults=now.faults, operation=operation))
        assert (met.kind if met else None) == kind
        assert (await gate.world.run(lambda c: knobs.current(c, settings))).faults == left
    other = SandboxSettings(faults="e.f:slow")
    assert (await gate.world.run(lambda c: knobs.current(c, other))).faults == "e.f:slow@1"
    await gate.close()


def test_everything_is_shown_but_the_secret() -> None:
    shown = knobs.shown(SandboxSettings(latency=0.5))
    assert set(shown) == {*knobs.CHANGEABLE, "seed"}
    assert shown["latency"] == 0.5


def test_choices_follow_from_the_words_alone() -> None:
    assert digest("a", 1) == "839e11a421d370be28db56fde67e9aadde2f31514becf2626b521ea3b9009ef4"
    assert identifier("pay", 1, "key") == "pay_ea3a270a40ccfa07a6817223"
    assert [share("a", number) for number in range(3)] == [0.9072717048811123, 0.5141306901658262, 0.45571240755544684]
    assert dice("a", 1).randrange(1000) == 943
