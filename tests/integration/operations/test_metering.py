"""Rows of calls: written once, summed by whatever is asked, settled later, and replaced by sums of their day."""

import asyncio
import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from deployment import Deployment
from madang.core.kernel.ids import new_id
from madang.core.kernel.request_context import serving
from madang.core.operations.measurements import CallName
from madang.core.operations.metering import Charge, Grouping, MeteredCall, Settlement
from madang.core.operations.prices import Usage
from madang.ports.image_model import Prediction, PredictionStatus
from madang.ports.money import Cost
from madang.ports.sms import SmsRequest
from madang.ports.text_model import PromptMessage, Role, TextRequest, TextResult, TokenUsage
from operator_shell import run_command

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
ALL_DAYS = (date(2020, 1, 1), date(2100, 1, 1))
keys: Iterator[int] = count()


def call(**changes: Any) -> MeteredCall:
    values: dict[str, Any] = {
        "id": new_id(),
        "at": NOON,
        "kind": "text_model",
        "provider": "acme",
        "operation": "generate",
        "outcome": "done",
        "seconds": 1.5,
        "usage": Usage("writer-2", 1000, 200, 300),
        "charge": Charge.KNOWN,
        "cost": Cost(4500),
        "product": "portraits",
        "subject": "portrait:1",
    }
    return MeteredCall(**{**values, **changes})


def unpriced(**changes: Any) -> MeteredCall:
    return call(charge=Charge.UNKNOWN, cost=None, usage=Usage("writer-9", 10, 20), **changes)


async def sums(deployment: Deployment, *by: Grouping) -> list[tuple[Any, ...]]:
    found = await deployment.container.metering_log.spending(*ALL_DAYS, by)
    return [(*each.group.values(), each.calls, each.failed, each.unpriced, list(each.costs)) for each in found]


async def test_costs_are_summed_by_kind_provider_model_product_and_day(deployment: Deployment) -> None:
    metering = deployment.container.metering_log
    failed = call(outcome="unavailable", charge=Charge.NONE, cost=None, usage=Usage())
    won = call(
        kind="sms", provider="korean", usage=Usage(messages=1), cost=Cost(20_000_000, "KRW"), at=NOON + timedelta(days=1)
    )
    await metering.record([call(), call(product=None, subject=None), unpriced(), failed, won])
    assert await sums(deployment) == [(5, 1, 1, [Cost(20_000_000, "KRW"), Cost(9000)])]
    assert await sums(deployment, Grouping.KIND) == [
        ("sms", 1, 0, 0, [Cost(20_000_000, "KRW")]),
        ("text_model", 4, 1, 1, [Cost(9000)]),
    ]
    assert await sums(deployment, Grouping.PROVIDER, Grouping.MODEL) == [
        ("acme", "", 1, 1, 0, []),
        ("acme", "writer-2", 2, 0, 0, [Cost(9000)]),
        ("acme", "writer-9", 1, 0, 1, []),
        ("korean", "", 1, 0, 0, [Cost(20_000_000, "KRW")]),
    ]
    assert [row[:2] for row in await sums(deployment, Grouping.PRODUCT)] == [("portraits", 4), (None, 1)]
    assert [row[:2] for row in await sums(deployment, Grouping.DAY)] == [(NOON.date(), 4), (date(2026, 11, 2), 1)]
    (of_the_job,) = await metering.spent_on("portrait:1")
    assert (of_the_job.calls, of_the_job.unpriced, list(of_the_job.costs)) == (4, 1, [Cost(20_000_000, "KRW"), Cost(4500)])
    assert await metering.spent_on("portrait:2") == []


async def test_the_same_calls_told_twice_are_kept_once_also_in_the_totals(deployment: Deployment) -> None:
    metering, calls = deployment.container.metering_log, [call(), unpriced()]
    await metering.record(calls)
    await asyncio.gather(*(metering.record([*calls, call()]) for _ in range(4)))
    assert [row[0] for row in await sums(deployment)] == [6]
    spent = {each.model: each for each in await metering.totals()}
    assert (spent["writer-2"].input_tokens, list(spent["writer-2"].costs)) == (5000, [Cost(5 * 4500)])
    assert (spent["writer-9"].unpriced, list(spent["writer-9"].costs)) == (1, [])


async def test_an_answer_that_no_row_can_hold_keeps_no_other_call_out_of_the_accounts(deployment: Deployment) -> None:
    ledger = deployment.container.call_ledger
    request = TextRequest([PromptMessage(Role.USER, "Tell a story.")], idempotency_key="story:1")
    answers = [
        TextResult("Once", "writer\0-2\ud800", usage=TokenUsage(10, 20)),
        TextResult("upon", "writer-2", usage=TokenUsage(10**30, -5)),
        TextResult("a time", "writer-2", usage=TokenUsage(10, 20), cost=Cost(10**30)),
        TextResult("there", "writer-2", usage=TokenUsage(10, 20), cost=Cost(7, "dollars")),
        TextResult("was", "writer-2", usage=TokenUsage(10, 20), cost=Cost(7)),
    ]
    for answer in answers:
        ledger.called(CallName("text_model", "acme", "done"), None, "generate", 0.1, request=request, result=answer)
    lost = Prediction("p-\0", PredictionStatus.SUCCEEDED, model="painter\0")
    ledger.called(CallName("image_model", "acme", "done"), None, "fetch", 0.1, request="p-1", result=lost)
    await ledger.flush()
    assert await sums(deployment, Grouping.MODEL) == [("writer-2", 5, 0, 4, [Cost(7)])]


async def test_a_prediction_is_settled_once(deployment: Deployment) -> None:
    metering = deployment.container.metering_log
    bought = call(
        kind="image_model", operation="start", charge=Charge.PENDING, cost=None, reference="p-1", usage=Usage(pictures=1)
    )
    other = call(kind="image_model", operation="start", charge=Charge.PENDING, cost=None, reference="p-2", usage=Usage())
    told = Settlement("image_model", "acme", "p-1", Usage("painter-1", pictures=1), Charge.KNOWN, Cost(40_000))
    await metering.record([bought, other], [told])
    for _ in range(2):
        await metering.record([], [told])
    assert await sums(deployment, Grouping.MODEL) == [("", 1, 0, 1, []), ("painter-1", 1, 0, 0, [Cost(40_000)])]
    assert [list(each.costs) for each in await metering.totals() if each.model == "painter-1"] == [[Cost(40_000)]]
    assert await deployment.value("SELECT reference FROM metered_calls WHERE charge = 'known'") is None


async def test_old_rows_become_sums_of_their_day_and_no_sum_changes(deployment: Deployment) -> None:
    metering = deployment.container.metering_log
    now = datetime.now(UTC)
    old = [
        maker(at=now - timedelta(days=days), product=product, subject=None)
        for maker in (call, unpriced)
        for days in (91, 91, 100)
        for product in ("portraits", None)
    ]
    await metering.record([*old, call(at=now)])
    groupings = (Grouping.DAY, Grouping.KIND, Grouping.PROVIDER, Grouping.MODEL, Grouping.PRODUCT)
    before, in_all = await sums(deployment, *groupings), await sums(deployment)
    for _ in range(2):
        await sum_up(deployment)
        assert await deployment.value("SELECT count(*) FROM metered_calls") == 1
        assert await sums(deployment, *groupings) == before
        assert await sums(deployment) == in_all
    await metering.record(old[:1])
    await sum_up(deployment)
    assert [row[0] for row in await sums(deployment)] == [in_all[0][0] + 1], "a sum of the day takes more"


async def sum_up(deployment: Deployment) -> None:
    """As the schedule does it every hour."""
    await deployment.container.schedule_recurring_work()
    await deployment.execute("UPDATE messages SET due_at = now() WHERE topic = 'operations.sum_up_calls' AND state = 'waiting'")
    await deployment.work()


async def test_operators_sum_up_costs_from_a_terminal(deployment: Deployment, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    await deployment.container.metering_log.record([call(at=now), unpriced(at=now), call(at=now - timedelta(days=40))])
    settings = deployment.container.settings
    servers = {"MADANG_DATABASE_URL": settings.database_url, "MADANG_REDIS_URL": settings.redis_url}

    def run(*options: str) -> Any:
        return run_command("providers", "costs", *options, folder=tmp_path, **servers)

    done = await asyncio.to_thread(run, "--days", "7", "--by", "provider,model", "--json")
    told = {each["model"]: each for each in json.loads(done.stdout)}
    assert (told["writer-2"]["calls"], told["writer-2"]["costs"]) == (1, [{"amount": "0.004500", "currency": "USD"}])
    assert (told["writer-9"]["unpricedCalls"], told["writer-9"]["costs"]) == (1, [])
    wrong = await asyncio.to_thread(run, "--by", "moon")
    assert (wrong.returncode, "name some of day, kind" in wrong.stderr) == (1, True)


async def test_a_real_call_is_a_row_a_moment_later_and_a_number_for_prometheus(deployment: Deployment) -> None:
    sender = deployment.container.providers.sms_senders()[0]
    with serving("request", "portrait:7"):
        await sender.send(SmsRequest(to="+821012345678", text="hello", idempotency_key=f"sms:{next(keys)}"))
    await deployment.until("SELECT count(*) = 1 FROM metered_calls")
    row = dict((await deployment.rows("SELECT * FROM metered_calls"))[0])
    assert (row["kind"], row["provider"], row["operation"], row["outcome"]) == ("sms", "sandbox", "send", "done")
    assert (row["charge"], row["cost_micros"], row["product"], row["subject"]) == ("known", 0, "portraits", "portrait:7")
    text = (await deployment.client.get(deployment.container.settings.base_url + "/metrics")).text
    labels = 'currency="USD",kind="sms",model="",provider="sandbox"'
    assert re.findall(rf"^madang_provider_cost_total{{{labels}}} (\S+)$", text, re.MULTILINE) == ["0.0"]


async def test_a_row_names_nobody(deployment: Deployment) -> None:
    member = await deployment.member()
    sender = deployment.container.providers.sms_senders()[0]
    with serving("request", f"user:{member.id}"):
        await sender.send(SmsRequest(to="+821012345678", text="hello", idempotency_key=f"sms:{next(keys)}"))
    await deployment.container.call_ledger.flush()
    found = [repr(dict(row)) for row in await deployment.rows("SELECT * FROM metered_calls")]
    assert len(found) == 1
    assert not any(str(member.id) in row or "8210" in row or "hello" in row for row in found)
