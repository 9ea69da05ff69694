"""`madang billing reconcile` on real rows, with the sandbox as the payment company."""

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from deployment import Deployment
from integration.billing.books import Books
from integration.billing.till import Till
from madang.core.billing.reconciling import Report
from madang.entrypoints.supervisor.first_run import SANDBOX_CONFIGURATION
from operator_shell import run_command

KEY = "test-key-not-secret-test-key-not-secret"


@pytest.fixture
def till(deployment: Deployment) -> Till:
    return Till(deployment)


def days() -> tuple[Any, Any]:
    """Yesterday to tomorrow, so that no midnight comes between."""
    today = datetime.now(ZoneInfo("Asia/Seoul")).date()
    return today - timedelta(days=1), today + timedelta(days=2)


async def reconciled(deployment: Deployment, *, settle: bool = False) -> Report:
    return await deployment.container.reconciling.reconcile("sandbox", *days(), settle=settle)


def told(report: Report) -> dict[str, list[str]]:
    return {str(each.ours.id if each.ours else each.theirs): [kind.value for kind in each.kinds] for each in report.differences}


async def test_what_no_webhook_told_us_is_found_and_settled_and_what_nobody_knows_stays(till: Till) -> None:
    buyer = await till.deployment.member()
    right, unheard, invented = (
        await till.paid(buyer),
        (await till.open(buyer))["paymentId"],
        Books(till.deployment).payment(buyer),
    )
    abandoned = (await till.open(buyer))["paymentId"]
    await till.pay(unheard)
    await Books(till.deployment).store(invented)
    expected = {unheard: ["other_status"], str(invented.id): ["missing_there"]}
    assert told(await reconciled(till.deployment)) == expected
    assert (await till.payment(buyer, unheard))["status"] == "pending"
    report = await reconciled(till.deployment, settle=True)
    assert (told(report), report.open, report.ours) == (expected, 1, 4)
    assert (await till.payment(buyer, unheard))["status"] == "paid"
    assert told(await reconciled(till.deployment)) == {str(invented.id): ["missing_there"]}
    assert {right, abandoned}.isdisjoint(expected)


async def test_money_that_none_of_ours_stands_for_is_missing_here(till: Till) -> None:
    buyer = await till.deployment.member()
    lost = (await till.open(buyer))["paymentId"]
    await till.pay(lost)
    await till.deployment.execute("DELETE FROM payment_attempts")
    await till.deployment.execute("DELETE FROM payments WHERE id = $1::uuid", lost)
    [difference] = (await reconciled(till.deployment, settle=True)).differences
    assert ([kind.value for kind in difference.kinds], difference.ours, difference.settled) == (["missing_here"], None, False)
    assert difference.theirs is not None
    assert difference.theirs.payment_id == lost


async def test_another_amount_is_never_believed_and_raises_the_alert(till: Till) -> None:
    buyer = await till.deployment.member()
    payment_id = await till.paid(buyer)
    await till.deployment.execute("UPDATE payments SET amount = 1 WHERE id = $1::uuid", payment_id)
    report = await reconciled(till.deployment, settle=True)
    assert (told(report), report.open) == ({payment_id: ["other_amount"]}, 1)
    assert await till.deployment.value("SELECT count(*) FROM amount_mismatches") == 1


async def test_many_pages_are_gone_through_and_progress_is_told(till: Till) -> None:
    buyer, books = await till.deployment.member(), Books(till.deployment)
    moment = datetime.now(UTC)
    made = [books.payment(buyer, created_at=moment) for _ in range(250)]
    await books.store(*made)
    pages: list[int] = []
    since, until = days()
    report = await till.deployment.container.reconciling.reconcile(
        "sandbox", since, until, progress=lambda so_far: pages.append(so_far.ours)
    )
    assert (report.ours, len(report.differences)) == (250, 250)
    assert {200, 250} <= set(pages)


async def test_the_command_tells_every_difference_and_exits_with_1_until_there_is_none(
    till: Till, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    buyer = await till.deployment.member()
    payment_id = (await till.open(buyer))["paymentId"]
    await till.pay(payment_id)
    folder = tmp_path / "operator"
    folder.mkdir()
    (folder / "madang.toml").write_text(SANDBOX_CONFIGURATION)
    data = str(till.deployment.container.settings.data_dir)
    servers = {"MADANG_DATABASE_URL": database_url, "MADANG_REDIS_URL": redis_url, "MADANG_DATA_DIR": data}
    since, until = days()
    words = ("billing", "reconcile", "--provider", "sandbox", "--from", str(since), "--to", str(until))
    run: Callable[..., Any] = run_command
    environment: Mapping[str, str] = {**servers, "MADANG_SECRET_KEY": KEY}
    first = await asyncio.to_thread(run, *words, "--json", folder=folder, **environment)
    assert first.returncode == 1, first.stderr
    [difference] = json.loads(first.stdout)["differences"]
    assert (difference["ours"]["status"], difference["theirs"]["status"], difference["ours"]["id"]) == (
        "pending",
        "paid",
        payment_id,
    )
    settled = await asyncio.to_thread(run, *words, "--settle", folder=folder, **environment)
    assert settled.returncode == 0, settled.stderr
    assert "other_status" in settled.stdout
    assert "1 payments here, 1 differ, 0 still do" in settled.stdout
