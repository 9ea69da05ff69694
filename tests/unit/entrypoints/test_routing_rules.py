"""What a deployment may change of a route's patience, and what it is told when that makes no sense."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from madang.core.operations.breaker import BreakerRule
from madang.entrypoints.providers.routing_rules import DEFAULTS, rules_for
from madang.entrypoints.settings import Settings
from madang.ports.provider import ProviderKind


def test_what_is_not_set_is_as_the_table_says() -> None:
    assert {kind: rules_for(kind, {}) for kind in ProviderKind} == DEFAULTS


def test_the_file_and_the_environment_change_single_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "madang.toml").write_text(
        "[routing.text_model]\nfailures = 2\nconcurrency = 8\n[routing.sms]\nwait_seconds = 0\n"
    )
    monkeypatch.setenv("MADANG_ROUTING__TEXT_MODEL__CONCURRENCY", "3")
    rules = rules_for(ProviderKind.TEXT_MODEL, Settings().routing)
    assert (rules.breaker, rules.concurrency, rules.wait) == (BreakerRule(2, 30.0), 3, 30.0)
    assert rules_for(ProviderKind.SMS, Settings().routing).wait == 0


@pytest.mark.parametrize(
    ("routing", "told"),
    [
        ({"text": {"failures": 3}}, "there is no kind of provider text"),
        ({"payment": {"failures": 3}}, "payment has no circuit breaker"),
        ({"storage": {"open_seconds": 3}}, "storage has no circuit breaker"),
        ({"sms": {"failures": -1}}, "greater than or equal to 0"),
        ({"sms": {"concurrency": 0}}, "greater than or equal to 1"),
        ({"sms": {"failure": 3}}, "Extra inputs are not permitted"),
    ],
)
def test_what_makes_no_sense_is_told(routing: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Settings(routing=routing)  # type: ignore[arg-type]
