"""What the accounts keep of a call: what it used, what it cost, what it was for, and nothing about anybody."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
import structlog.testing

from madang.core.kernel.request_context import serving
from madang.core.operations.breaker import BreakerState
from madang.core.operations.metering import Charge, MeteredCall, Settlement
from madang.core.operations.prices import Price, PriceTable
from madang.core.operations.provider_standing import BreakerChange, ProviderStanding, RecordedChange
from madang.entrypoints.providers import call_ledger
from madang.entrypoints.providers.call_ledger import CallLedger
from madang.entrypoints.providers.calls import Listeners, guarded
from madang.ports.errors import (
    Misconfigured,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    Unavailable,
    Unsupported,
)
from madang.ports.image_model import PictureRequest, Prediction, PredictionStatus, RemotePicture
from madang.ports.money import Cost
from madang.ports.provider import ProviderKind
from madang.ports.sms import SmsReceipt, SmsRequest, SmsStatus
from madang.ports.text_model import PromptMessage, Role, TextRequest, TextResult, TokenUsage

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
TABLE = PriceTable(
    [
        Price("acme", "writer-2", date(2026, 1, 1), "USD", Decimal("2.5"), Decimal("0.25"), Decimal(10)),
        Price("acme", "painter-1", date(2026, 1, 1), "USD", picture=Decimal("0.04")),
        Price("acme", "*", date(2026, 1, 1), "KRW", message=Decimal(20)),
        Price("acme", "*", date(2026, 1, 1), "KRW", message=Decimal(50), over=90),
    ]
)
TEXT = TextRequest([PromptMessage(Role.USER, "Tell a private story.")], idempotency_key="story:1")
PICTURE = PictureRequest("a private wish", "picture:1", seed=7, count=2)
SMS = SmsRequest(to="+821012345678", text="a private text", idempotency_key="sms:1")


@dataclass
class Store:
    """Fulfils both stores of the ledger; `broken` is what the database says."""

    calls: list[MeteredCall] = field(default_factory=list)
    settlements: list[Settlement] = field(default_factory=list)
    changes: list[RecordedChange] = field(default_factory=list)
    told: list[tuple[str, str, int]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    broken: Exception | None = None
    silent: asyncio.Event | None = None

    async def record(self, calls: Sequence[MeteredCall], settlements: Sequence[Settlement] = ()) -> None:
        if self.silent is not None:
            await self.silent.wait()
        if self.broken is not None:
            raise self.broken
        self.calls += calls
        self.settlements += settlements

    async def changed(self, process_id: str, changes: Sequence[RecordedChange]) -> None:
        self.changes += changes

    async def tell(self, process_id: str, process_kind: str, standings: Sequence[ProviderStanding]) -> None:
        self.told.append((process_id, process_kind, len(standings)))

    async def goodbye(self, process_id: str) -> None:
        self.gone.append(process_id)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def ledger(store: Store) -> CallLedger:
    return CallLedger(store, store, TABLE, SimpleNamespace(now=lambda: NOON), "host:1:a")


def asked(ledger: CallLedger, kind: ProviderKind, answer: Any, **more: Any) -> Any:
    """A provider of that kind that answers so, or raises it, whatever it is asked."""

    async def say(*_: Any) -> Any:
        if isinstance(answer, BaseException):
            raise answer
        return answer

    names = ("generate", "start", "fetch", "cancel", "send", "post", "publish", "put", "find")
    provider = SimpleNamespace(name="acme", **dict.fromkeys(names, say), **more)
    return guarded(provider, kind, listeners=Listeners(ledger=ledger))


def written(**usage: int) -> TextResult:
    return TextResult("Once upon a time", "writer-2-2026-09-08", usage=TokenUsage(**usage))


async def kept(ledger: CallLedger, store: Store) -> MeteredCall:
    await ledger.close()
    (call,) = store.calls
    return call


async def test_a_text_is_kept_with_its_tokens_its_model_and_its_cost(ledger: CallLedger, store: Store) -> None:
    await asked(ledger, ProviderKind.TEXT_MODEL, written(input_tokens=1000, output_tokens=200)).generate(TEXT)
    call = await kept(ledger, store)
    assert (call.at, call.kind, call.provider, call.operation, call.outcome) == (NOON, "text_model", "acme", "generate", "done")
    assert (call.usage.model, call.usage.input_tokens, call.usage.output_tokens) == ("writer-2-2026-09-08", 1000, 200)
    assert (call.charge, call.cost) == (Charge.KNOWN, Cost(4500))
    assert call.seconds > 0


async def test_a_provider_that_names_its_cost_is_believed(ledger: CallLedger, store: Store) -> None:
    answer = replace(written(input_tokens=1000), cost=Cost(7, "EUR"))
    await asked(ledger, ProviderKind.TEXT_MODEL, answer).generate(TEXT)
    assert (await kept(ledger, store)).cost == Cost(7, "EUR")


async def test_a_model_that_nobody_priced_shows_as_unknown(ledger: CallLedger, store: Store) -> None:
    await asked(ledger, ProviderKind.TEXT_MODEL, replace(written(input_tokens=10), model="writer-9")).generate(TEXT)
    call = await kept(ledger, store)
    assert (call.charge, call.cost) == (Charge.UNKNOWN, None)


@pytest.mark.parametrize(
    ("error", "charge"),
    [
        (Unavailable("down"), Charge.NONE),
        (RateLimited("busy"), Charge.NONE),
        (Rejected("no", reason="content_policy"), Charge.NONE),
        (Misconfigured("old key"), Charge.NONE),
        (Unsupported("no pictures"), Charge.NONE),
        (OutcomeUnknown("no answer in time"), Charge.UNKNOWN),
        (KeyError("a defect"), Charge.UNKNOWN),
    ],
)
async def test_what_was_surely_not_done_costs_nothing_and_what_may_have_been_nobody_knows(
    ledger: CallLedger, store: Store, error: Exception, charge: Charge
) -> None:
    with pytest.raises(type(error)):
        await asked(ledger, ProviderKind.TEXT_MODEL, error).generate(TEXT)
    call = await kept(ledger, store)
    assert (call.charge, call.cost, call.usage.input_tokens) == (charge, None, 0)


async def test_a_call_whose_caller_went_away_is_kept_too(ledger: CallLedger, store: Store) -> None:
    with pytest.raises(asyncio.CancelledError):
        await asked(ledger, ProviderKind.TEXT_MODEL, asyncio.CancelledError()).generate(TEXT)
    call = await kept(ledger, store)
    assert (call.outcome, call.charge) == ("cancelled", Charge.UNKNOWN)


async def test_a_message_costs_by_its_bytes_and_one_that_failed_nobody_knows_what(ledger: CallLedger, store: Store) -> None:
    accepted, failed = SmsReceipt("r-1", SmsStatus.ACCEPTED), SmsReceipt("r-2", SmsStatus.FAILED, "no such number")
    await asked(ledger, ProviderKind.SMS, accepted).send(replace(SMS, text="가" * 45))
    await asked(ledger, ProviderKind.SMS, accepted).send(replace(SMS, text="가" * 46))
    await asked(ledger, ProviderKind.SMS, failed).send(SMS)
    await ledger.close()
    assert [call.cost for call in store.calls] == [Cost(20_000_000, "KRW"), Cost(50_000_000, "KRW"), None]
    assert [call.charge for call in store.calls] == [Charge.KNOWN, Charge.KNOWN, Charge.UNKNOWN]


async def test_a_prediction_that_runs_is_settled_by_the_look_that_finds_it_ended(ledger: CallLedger, store: Store) -> None:
    running = Prediction("p-1", PredictionStatus.RUNNING, model="painter-1")
    made = replace(running, status=PredictionStatus.SUCCEEDED, pictures=[RemotePicture("one", "image/png")])
    await asked(ledger, ProviderKind.IMAGE_MODEL, running).start(PICTURE)
    await asked(ledger, ProviderKind.IMAGE_MODEL, running).fetch("p-1")
    await asked(ledger, ProviderKind.IMAGE_MODEL, made).fetch("p-1")
    call = await kept(ledger, store)
    assert (call.charge, call.cost, call.usage.pictures) == (Charge.PENDING, None, 2)
    (told,) = store.settlements
    assert (told.reference, told.usage.pictures) == (call.reference, 1)
    assert (told.charge, told.cost) == (Charge.KNOWN, Cost(40_000))
    assert call.reference
    assert "p-1" not in call.reference, "the id leads to somebody's picture"


async def test_a_prediction_that_is_made_at_once_costs_at_once(ledger: CallLedger, store: Store) -> None:
    pictures = [RemotePicture("one", "image/png"), RemotePicture("two", "image/png")]
    made = Prediction("p-1", PredictionStatus.SUCCEEDED, pictures, "painter-1")
    await asked(ledger, ProviderKind.IMAGE_MODEL, made).start(PICTURE)
    call = await kept(ledger, store)
    assert (call.cost, call.reference) == (Cost(80_000), None)


async def test_a_post_costs_what_its_platform_says_of_each(ledger: CallLedger, store: Store) -> None:
    capabilities = SimpleNamespace(cost_per_post=Cost(15_000))
    await asked(ledger, ProviderKind.SOCIAL, SimpleNamespace(id="1"), capabilities=capabilities).publish(object())
    assert (await kept(ledger, store)).cost == Cost(15_000)


async def test_looks_and_the_storage_are_no_rows(ledger: CallLedger, store: Store) -> None:
    await asked(ledger, ProviderKind.SMS, SmsReceipt("r-1", SmsStatus.DELIVERED)).fetch("r-1")
    await asked(ledger, ProviderKind.SMS, None).find("sms:1")
    await asked(ledger, ProviderKind.STORAGE, object()).put(object())
    await ledger.close()
    assert store.calls == []


@pytest.mark.parametrize(
    ("subject", "product", "shown"),
    [
        ("portrait:7", "portraits", "portrait:7"),
        ("user:01997f2e", None, None),
        ("erasure:3", None, None),
        ("", None, None),
    ],
)
async def test_a_call_says_which_products_job_it_was_for_and_never_who_for(
    ledger: CallLedger, store: Store, subject: str, product: str | None, shown: str | None
) -> None:
    with serving("request", subject):
        await asked(ledger, ProviderKind.SMS, SmsReceipt("r-1", SmsStatus.ACCEPTED)).send(SMS)
    call = await kept(ledger, store)
    assert (call.product, call.subject) == (product, shown)
    assert "8210" not in repr(call)
    assert "private" not in repr(call)


async def test_a_database_that_is_silent_lets_no_call_wait(ledger: CallLedger, store: Store) -> None:
    store.silent = asyncio.Event()
    writing = asyncio.create_task(ledger.flush())
    model = asked(ledger, ProviderKind.TEXT_MODEL, written(input_tokens=1))
    await model.generate(TEXT)
    writing = asyncio.create_task(ledger.flush())
    await asyncio.sleep(0)
    await model.generate(TEXT)
    store.silent.set()
    await writing
    await ledger.close()
    assert len(store.calls) == 2


async def test_what_a_database_refused_is_written_by_the_next_try_and_once(ledger: CallLedger, store: Store) -> None:
    store.broken = Unavailable("away")
    await asked(ledger, ProviderKind.TEXT_MODEL, written(input_tokens=1)).generate(TEXT)
    with pytest.raises(Unavailable):
        await ledger.flush()
    store.broken = None
    await ledger.flush()
    await ledger.flush()
    assert len(store.calls) == 1
    await ledger.close()


async def test_what_does_not_fit_any_more_is_counted_and_said(
    ledger: CallLedger, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_ledger, "_ROOM", 3)
    model = asked(ledger, ProviderKind.TEXT_MODEL, written(input_tokens=1))
    for _ in range(5):
        await model.generate(TEXT)
    with structlog.testing.capture_logs() as lines:
        await ledger.close()
    assert len(store.calls) == 3
    assert [line["count"] for line in lines if line["log_level"] == "error"] == [2]


async def test_a_defect_of_the_accounts_is_no_failure_of_the_call(ledger: CallLedger, store: Store) -> None:
    answer = SimpleNamespace(model="m", usage="not what the port says")
    with structlog.testing.capture_logs() as lines:
        assert await asked(ledger, ProviderKind.TEXT_MODEL, answer).generate(TEXT) is answer
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["a call is missing in the accounts"]


async def test_the_end_of_a_process_is_not_held_up_by_a_database_that_is_away(ledger: CallLedger, store: Store) -> None:
    store.broken = Unavailable("away")
    await asked(ledger, ProviderKind.TEXT_MODEL, written(input_tokens=1)).generate(TEXT)
    with structlog.testing.capture_logs() as lines:
        await ledger.close()
    assert [line["event"] for line in lines] == ["the last calls were not written down"]


async def test_breakers_and_standings_are_told_under_the_process_and_taken_back_at_its_end(
    ledger: CallLedger, store: Store
) -> None:
    ledger.process_kind = "worker"
    ledger.changed(BreakerChange("sms", "acme", BreakerState.OPEN, "unavailable"))
    await ledger.report([ProviderStanding("sms", "acme", BreakerState.OPEN)])
    await ledger.close()
    assert [(change.at, change.provider, change.state, change.why) for change in store.changes] == [
        (NOON, "acme", BreakerState.OPEN, "unavailable")
    ]
    assert (store.told, store.gone) == ([("host:1:a", "worker", 1)], ["host:1:a"])


async def test_a_process_that_asked_nobody_tells_nothing(ledger: CallLedger, store: Store) -> None:
    await ledger.report([])
    await ledger.close()
    assert (store.told, store.gone) == ([], [])
