"""Alerts in a whole deployment: measured, raised once, told to the operators, cleared once."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from deployment import Deployment, OpenDeployment
from madang.core.identity.roles import Role
from madang.core.kernel.ids import new_id
from madang.core.operations.alerts import EVALUATE
from madang.core.operations.measurements import CallName, Durations, Measurement, SystemReading
from madang.entrypoints.cli.diagnosis import Finding, Health
from madang.entrypoints.cli.examination import examine
from madang.ports.errors import Misconfigured

NOW_DUE = "UPDATE messages SET due_at = now() WHERE topic = $1 AND state = 'waiting'"
FULL, ROOMY = SystemReading(disk=90.0), SystemReading(disk=40.0)
TOLD = "SELECT action, details->>'rule' AS rule FROM audit_events WHERE action LIKE 'ALERT%' ORDER BY at, id"


async def measured(deployment: Deployment, system: SystemReading = ROOMY, **calls: int) -> None:
    """One process's interval; `calls` are those of the SMS provider by outcome."""
    names = {CallName("sms", "sandbox", outcome): count for outcome, count in calls.items()}
    took = {name: Durations(count, 0.1 * count, [0, count, *[0] * 11]) for name, count in names.items()}
    await deployment.container.measurement_log.record(Measurement(new_id(), "api:1", "api", Durations(), 0, took, system))


async def evaluated(deployment: Deployment, system: SystemReading, *, minutes: int) -> None:
    """Minute by minute, as the schedule does it."""
    for _ in range(minutes):
        await measured(deployment, system)
        await deployment.container.schedule_recurring_work()
        await deployment.execute(NOW_DUE, EVALUATE)
        await deployment.work()
        await deployment.let_pass(minutes=1)


async def told(deployment: Deployment) -> Sequence[tuple[str, str]]:
    return [(row["action"], row["rule"]) for row in await deployment.rows(TOLD)]


async def of_rule(deployment: Deployment, name: str = "disk") -> Any:
    admin = await deployment.member(Role.ADMIN)
    answer = (await deployment.client.get("/admin/alerts", headers=admin.headers)).json()["data"]
    return next(rule for rule in answer["rules"] if rule["rule"] == name), answer["history"]


WITH_OPERATORS = {"operator_emails": ["ops@example.com"]}


async def test_an_alert_is_raised_once_and_cleared_once_and_the_operators_are_written_to_both_times(
    open_deployment: OpenDeployment,
) -> None:
    async with open_deployment(**WITH_OPERATORS) as deployment:
        await evaluated(deployment, FULL, minutes=5)
        rule, [running] = await of_rule(deployment)
        assert (rule["state"], rule["value"], rule["firingSince"]) == ("firing", 90.0, running["raisedAt"])
        assert await told(deployment) == [("ALERT_RAISED", "disk")]
        await evaluated(deployment, ROOMY, minutes=13)
        rule, [over] = await of_rule(deployment)
        assert (rule["state"], rule["firingSince"], over["id"]) == ("quiet", None, running["id"])
        assert over["raisedAt"] < over["clearedAt"]
        assert await told(deployment) == [("ALERT_RAISED", "disk"), ("ALERT_CLEARED", "disk")]
        mails = await deployment.e_mails()
        assert [mail.recipient for mail in mails] == ["ops@example.com"] * 2
        assert all("disk" in mail.text for mail in mails)


async def test_two_workers_that_evaluate_at_once_tell_once(deployment: Deployment) -> None:
    await evaluated(deployment, FULL, minutes=2)
    await measured(deployment, FULL)

    class Delivery:
        def step(self) -> Any:
            return deployment.container.units()

    await asyncio.gather(*(deployment.container.alerts.evaluate(Delivery()) for _ in range(8)))  # type: ignore[arg-type]
    assert await told(deployment) == [("ALERT_RAISED", "disk")]
    assert await deployment.value("SELECT count(*) FROM alert_episodes") == 1


async def test_a_restart_in_between_loses_no_time_and_tells_nothing_twice(open_deployment: OpenDeployment) -> None:
    for _ in range(4):
        async with open_deployment() as deployment:
            await evaluated(deployment, FULL, minutes=1)
    async with open_deployment() as deployment:
        assert await told(deployment) == [("ALERT_RAISED", "disk")]


async def test_the_message_goes_out_although_the_provider_was_down_for_a_while(open_deployment: OpenDeployment) -> None:
    async with open_deployment(**WITH_OPERATORS) as deployment:
        await deployment.told_to("email.send:unavailable@1,email.send:unavailable@2")
        await evaluated(deployment, FULL, minutes=3)
        assert await deployment.e_mails() == []
        for _ in range(3):
            await deployment.execute(
                "UPDATE messages SET due_at = now() WHERE topic = 'notifications.tell_operators' AND state = 'waiting'"
            )
            await deployment.work()
        assert len(await deployment.e_mails()) == 1


async def test_failures_of_a_provider_are_counted_over_processes_and_only_with_enough_calls(deployment: Deployment) -> None:
    await measured(deployment, unavailable=9, done=10)
    await evaluated(deployment, ROOMY, minutes=4)
    assert await told(deployment) == []
    await measured(deployment, done=1)
    await evaluated(deployment, ROOMY, minutes=3)
    assert await told(deployment) == [("ALERT_RAISED", "sms_failures")]
    assert (await of_rule(deployment, "sms_failures"))[0]["value"] == 45.0


async def test_thresholds_windows_and_rules_are_the_deployments_to_set(open_deployment: OpenDeployment) -> None:
    alerts = {"disk": 95, "sms_failures": {"at_least": 1, "lasting_minutes": 0}, "cpu": {"enabled": False}}
    async with open_deployment(alerts=alerts) as deployment:
        await measured(deployment, unavailable=1)
        await evaluated(deployment, FULL, minutes=4)
        assert await told(deployment) == [("ALERT_RAISED", "sms_failures")]
        admin = await deployment.member(Role.ADMIN)
        rules = (await deployment.client.get("/admin/alerts", headers=admin.headers)).json()["data"]["rules"]
    assert {rule["rule"]: rule["threshold"] for rule in rules}["disk"] == 95
    assert "cpu" not in {rule["rule"] for rule in rules}


@pytest.mark.parametrize(
    ("alerts", "said"), [({"dsik": 90}, r"alerts\.dsik.*known are"), ({"disk": 100}, r"alerts\.disk: nothing is above")]
)
async def test_a_rule_that_does_not_exist_or_cannot_fire_is_told_at_the_start(
    open_deployment: OpenDeployment, alerts: dict[str, float], said: str
) -> None:
    with pytest.raises(Misconfigured, match=said):
        async with open_deployment(alerts=alerts):
            pass


async def test_the_history_is_read_page_by_page(deployment: Deployment) -> None:
    ids = sorted((new_id() for _ in range(3)), reverse=True)
    for number in ids:
        await deployment.execute(
            "INSERT INTO alert_episodes (id, rule, threshold, value, raised_at, cleared_at)"
            " VALUES ($1, 'disk', 85, 90, now(), now())",
            number,
        )
    admin = await deployment.member(Role.ADMIN)
    first = (await deployment.client.get("/admin/alerts?limit=2", headers=admin.headers)).json()
    cursor = first["meta"]["pagination"]["nextCursor"]
    second = (await deployment.client.get(f"/admin/alerts?limit=2&cursor={cursor}", headers=admin.headers)).json()
    read = [episode["id"] for answer in (first, second) for episode in answer["data"]["history"]]
    assert read == [str(number) for number in ids]
    assert second["meta"]["pagination"]["nextCursor"] is None


async def test_the_doctor_shows_what_fires(deployment: Deployment) -> None:
    def of_alerts(findings: Sequence[Finding]) -> list[tuple[str, Health]]:
        return [(found.what, found.health) for found in findings if found.what.startswith("alert")]

    assert of_alerts(await examine(deployment.container.settings)) == [("alerts", Health.GREEN)]
    await evaluated(deployment, FULL, minutes=3)
    assert of_alerts(await examine(deployment.container.settings)) == [("alert: disk", Health.YELLOW)]


async def test_alerts_are_for_administrators(deployment: Deployment) -> None:
    answer = await deployment.client.get("/admin/alerts", headers=(await deployment.member(Role.DEVELOPER)).headers)
    assert answer.status_code == 403


async def test_measurements_are_forgotten_after_a_day(deployment: Deployment) -> None:
    await measured(deployment)
    await deployment.let_pass(hours=25)
    await evaluated(deployment, ROOMY, minutes=1)
    assert await deployment.value("SELECT count(*) FROM measurements WHERE at < now() - $1::interval", timedelta(days=1)) == 0
