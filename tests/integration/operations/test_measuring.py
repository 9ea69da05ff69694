"""What a process counts and writes down, and what operators read of it."""

import asyncio
import re
import time
from collections.abc import AsyncIterator

from deployment import Deployment, OpenDeployment
from madang.core.operations.measurements import SystemReading
from madang.entrypoints.measuring import write_down

ROWS = "SELECT requests, errors, memory, cpu, disk FROM measurements ORDER BY at, id"


class Gauge:
    """Of a machine that the test decides about."""

    def __init__(self, reading: SystemReading | Exception) -> None:
        self._reading = reading

    def read(self) -> SystemReading:
        if isinstance(self._reading, Exception):
            raise self._reading
        return self._reading


class Process:
    """The deployment's, on that machine."""

    def __init__(self, deployment: Deployment, reading: SystemReading | Exception) -> None:
        self.meter = deployment.container.meter
        self.measurement_log = deployment.container.measurement_log
        self.system_gauge = Gauge(reading)


async def scraped(deployment: Deployment) -> dict[str, float]:
    text = (await deployment.client.get(deployment.container.settings.base_url + "/metrics")).text
    return {name: float(value) for name, value in re.findall(r"^(madang_\S+) (\S+)$", text, re.MULTILINE)}


async def paid_portrait(deployment: Deployment) -> None:
    answer = await deployment.client.post("/portraits", json={})
    assert answer.status_code == 201


async def test_answers_and_the_machine_are_written_down_once_for_an_interval(deployment: Deployment) -> None:
    await deployment.client.get("/admin/jobs")
    await deployment.client.get(deployment.container.settings.base_url + "/health/live")
    process = Process(deployment, SystemReading(70.0, 60.0, 50.0))
    await write_down(process, "api:1", "api")
    await write_down(process, "api:1", "api")
    rows = [tuple(row) for row in await deployment.rows(ROWS)]
    assert rows == [(1, 0, 70.0, 60.0, 50.0), (0, 0, 70.0, 60.0, 50.0)]


async def test_what_a_caller_lets_us_wait_for_is_no_slowness_of_ours(deployment: Deployment) -> None:
    pause = 0.3

    async def body() -> AsyncIterator[bytes]:
        await asyncio.sleep(pause)
        yield b"{}"

    began = time.perf_counter()
    answer = await deployment.client.post("/portraits", content=body(), headers={"Content-Type": "application/json"})
    whole = time.perf_counter() - began
    measured = deployment.container.meter.take("api:1", "api", SystemReading())
    assert (answer.status_code, measured.requests.count) == (201, 1)
    assert measured.requests.seconds <= whole - pause


async def test_a_machine_that_cannot_be_measured_costs_no_counts(deployment: Deployment) -> None:
    await deployment.client.get("/admin/jobs")
    await write_down(Process(deployment, OSError("no such file")), "api:1", "api")
    assert [tuple(row) for row in await deployment.rows(ROWS)] == [(1, 0, None, None, None)]


async def test_calls_of_providers_add_up_over_processes_and_time(open_deployment: OpenDeployment) -> None:
    name = 'madang_provider_calls_total{kind="payment",outcome="done",provider="sandbox"}'
    for calls in (1, 2):
        async with open_deployment() as deployment:
            await paid_portrait(deployment)
            await write_down(Process(deployment, SystemReading()), f"api:{calls}", "api")
            numbers = await scraped(deployment)
            assert numbers[name] == calls
            assert numbers['madang_provider_call_seconds_count{kind="payment",provider="sandbox"}'] == calls
            assert numbers['madang_provider_call_seconds_bucket{kind="payment",le="+Inf",provider="sandbox"}'] == calls


async def test_a_provider_that_fails_is_counted_by_the_kind_of_its_failure(deployment: Deployment) -> None:
    await deployment.told_to("payment.open_checkout:unavailable@1")
    assert (await deployment.client.post("/portraits", json={})).status_code == 503
    await write_down(Process(deployment, SystemReading()), "api:1", "api")
    numbers = await scraped(deployment)
    assert numbers['madang_provider_calls_total{kind="payment",outcome="unavailable",provider="sandbox"}'] == 1


async def test_refusals_by_a_limit_and_rules_that_fire_are_numbers_too(open_deployment: OpenDeployment) -> None:
    async with open_deployment(limits={"default": "1/minute"}) as deployment:
        for _ in range(3):
            await deployment.client.get("/admin/jobs")
        await deployment.execute("INSERT INTO alerts (rule, state, since) VALUES ('disk', 'firing', now())")
        numbers = await scraped(deployment)
    assert numbers['madang_rate_limit_refusals_total{policy="default"}'] == 2
    assert (numbers['madang_alerts_firing{rule="disk"}'], numbers['madang_alerts_firing{rule="cpu"}']) == (1, 0)
