"""What the log says of a call of a provider, and what it must not say."""

import pytest
import structlog.testing

from madang.entrypoints.providers.calls import guarded
from madang.ports.errors import RateLimited
from madang.ports.provider import ProviderHealth, ProviderKind
from madang.ports.sms import SmsReceipt, SmsRequest, SmsStatus

REQUEST = SmsRequest(to="+821012345678", text="a private text", idempotency_key="k-1")


class Sender:
    name = "acme"

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    async def send(self, request: SmsRequest) -> SmsReceipt:
        if self._error is not None:
            raise self._error
        return SmsReceipt(f"receipt of {request.idempotency_key}", SmsStatus.ACCEPTED)

    async def check(self) -> ProviderHealth:
        return ProviderHealth(True)


async def test_a_call_is_told_with_its_outcome_and_nothing_personal() -> None:
    with structlog.testing.capture_logs() as lines:
        receipt = await guarded(Sender(), ProviderKind.SMS).send(REQUEST)
    assert receipt.id == "receipt of k-1"
    (line,) = lines
    told = {key: line[key] for key in ("event", "kind", "provider", "operation", "outcome", "log_level")}
    assert told == {
        "event": "provider called",
        "kind": "sms",
        "provider": "acme",
        "operation": "send",
        "outcome": "done",
        "log_level": "info",
    }
    assert "private" not in repr(lines)
    assert "8210" not in repr(lines)


async def test_a_failure_is_told_by_its_kind_and_raised_as_it_was() -> None:
    error = RateLimited("too many", retry_after=3)
    with structlog.testing.capture_logs() as lines, pytest.raises(RateLimited) as raised:
        await guarded(Sender(error), ProviderKind.SMS).send(REQUEST)
    assert raised.value is error
    assert [(line["outcome"], line["log_level"]) for line in lines] == [("rate_limited", "warning")]


async def test_a_look_that_is_repeated_often_is_told_for_debugging_only() -> None:
    with structlog.testing.capture_logs() as lines:
        await guarded(Sender(), ProviderKind.SMS).check()
    assert [line["log_level"] for line in lines] == ["debug"]


def test_what_is_no_call_passes_as_it_is() -> None:
    assert guarded(Sender(), ProviderKind.SMS).name == "acme"
