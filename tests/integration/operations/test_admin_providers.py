"""Providers as administrators see them, and a look at one on request."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deployment import Deployment, Member, OpenDeployment
from embedded_stack import SANDBOX_ROUTES
from madang.core.identity.roles import Role
from madang.core.operations.breaker import BreakerState
from madang.core.operations.provider_standing import ProviderStanding
from madang.entrypoints.measuring import tell_standings, write_down
from madang.ports.provider import ProviderKind
from madang.ports.sms import SmsRequest
from operator_shell import run_command

SMS = SmsRequest(to="+821012345678", text="hello", idempotency_key="sms:1")


async def listed(deployment: Deployment, query: str = "") -> list[dict[str, Any]]:
    admin = await deployment.member(Role.ADMIN)
    answer = await deployment.client.get(f"/admin/providers{query}", headers=admin.headers)
    assert answer.status_code == 200, answer.text
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


async def the_one(deployment: Deployment, kind: str, name: str) -> dict[str, Any]:
    return next(each for each in await listed(deployment, f"?kind={kind}") if each["name"] == name)


async def check(deployment: Deployment, name: str, by: Member) -> Any:
    return await deployment.client.post(f"/admin/providers/{name}/check", headers=by.headers)


async def test_every_provider_is_listed_those_of_the_route_first_and_why_one_is_not_configured(
    open_deployment: OpenDeployment,
) -> None:
    async with open_deployment(routes={**SANDBOX_ROUTES, "email": ["smtp", "sandbox"]}) as deployment:
        found = await listed(deployment)
        emails = [(each["name"], each["position"]) for each in found if each["kind"] == "email"]
        assert emails[:2] == [("smtp", 1), ("sandbox", 2)]
        assert all(position is None for _, position in emails[2:])
        assert [name for name, _ in emails[2:]] == sorted(name for name, _ in emails[2:])
        kinds = list(dict.fromkeys(each["kind"] for each in found))
        assert kinds == [kind.value for kind in ProviderKind if kind.value in kinds]
        smtp = next(each for each in found if each["name"] == "smtp")
        assert smtp["configured"] is False
        assert "MADANG_SMTP_HOST" in smtp["why"]
        assert (smtp["health"], smtp["breaker"]["state"]) == (None, None)
        assert (smtp["numbers"]["calls"], smtp["numbers"]["errorRate"], smtp["numbers"]["latencyP95"]) == (0, None, None)


async def test_all_processes_tell_how_they_stand_and_the_worst_is_shown_first(deployment: Deployment) -> None:
    open_elsewhere = ProviderStanding("sms", "sandbox", BreakerState.OPEN, failures=5, turned_away=3, places=20)
    await deployment.container.provider_standings.tell("host-2:7:ab", "worker", [open_elsewhere])
    await deployment.container.providers.sms_senders()[0].send(SMS)
    deployment.container.call_ledger.process_kind = "api"
    await write_down(deployment.container, deployment.container.process_id, "api")
    await tell_standings(deployment.container)
    sandbox = await the_one(deployment, "sms", "sandbox")
    states = [(each["processKind"], each["state"], each["turnedAway"]) for each in sandbox["breaker"]["processes"]]
    assert states == [("api", "closed", 0), ("worker", "open", 3)]
    assert sandbox["breaker"]["state"] == "open"
    assert (sandbox["numbers"]["calls"], sandbox["numbers"]["failed"], sandbox["numbers"]["errorRate"]) == (1, 0, 0.0)
    text = (await deployment.client.get(deployment.container.settings.base_url + "/metrics")).text
    assert 'madang_provider_breakers{kind="sms",provider="sandbox",state="open"} 1.0' in text
    await deployment.execute("UPDATE provider_standings SET at = at - interval '2 minutes'")
    assert (await the_one(deployment, "sms", "sandbox"))["breaker"]["processes"] == []


async def test_a_process_that_ends_takes_its_standings_with_it(open_deployment: OpenDeployment) -> None:
    async with open_deployment() as deployment:
        async with open_deployment() as other:
            await other.container.providers.sms_senders()[0].send(SMS)
            await tell_standings(other.container)
            assert (await the_one(deployment, "sms", "sandbox"))["breaker"]["state"] == "closed"
        assert (await the_one(deployment, "sms", "sandbox"))["breaker"]["state"] is None


async def test_costs_and_calls_without_a_price_are_those_of_the_window(deployment: Deployment) -> None:
    await deployment.container.providers.sms_senders()[0].send(SMS)
    await deployment.container.call_ledger.flush()
    await deployment.execute("INSERT INTO metered_calls (id, at, kind, provider, model, operation, outcome, seconds, charge)"
                             " VALUES (gen_random_uuid(), now() - interval '20 min', 'sms', 'sandbox', '', 'send', 'done', 1,"
                             " 'unknown')")  # fmt: skip
    costs = [{"amount": "0.000000", "currency": "USD"}]
    of_15_minutes = (await listed(deployment, "?kind=sms"))[0]["numbers"]
    assert (of_15_minutes["costs"], of_15_minutes["unpricedCalls"], of_15_minutes["windowSeconds"]) == (costs, 0, 900)
    of_an_hour = (await listed(deployment, "?kind=sms&window=60"))[0]["numbers"]
    assert (of_an_hour["costs"], of_an_hour["unpricedCalls"], of_an_hour["windowSeconds"]) == (costs, 1, 3600)


@pytest.mark.parametrize("query", ["?window=0", "?window=181", "?window=x", "?kind=telepathy", "?windows=5"])
async def test_a_query_that_makes_no_sense_is_refused(deployment: Deployment, query: str) -> None:
    admin = await deployment.member(Role.ADMIN)
    answer = await deployment.client.get(f"/admin/providers{query}", headers=admin.headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")


async def test_a_check_asks_every_kind_of_the_plugin_is_kept_and_recorded(deployment: Deployment) -> None:
    admin = await deployment.member(Role.ADMIN)
    answer = await check(deployment, "sandbox", admin)
    found = {each["kind"]: each for each in answer.json()["data"]}
    assert answer.status_code == 200
    assert {"text_model", "image_model", "payment", "sms", "email"} <= set(found)
    assert all(each["reachable"] and each["detail"] is None for each in found.values())
    sandbox = await the_one(deployment, "sms", "sandbox")
    assert sandbox["health"] == found["sms"]
    (event,) = await deployment.rows("SELECT * FROM audit_events WHERE action = 'PROVIDER_CHECKED'")
    assert (event["actor_id"], event["subject"], event["details"]["sms"]) == (admin.id, "provider:sandbox", True)


@pytest.fixture
def mute_server() -> Iterator[int]:
    """Takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def test_a_provider_that_does_not_answer_or_lacks_its_keys_is_told_and_holds_nobody_up(
    open_deployment: OpenDeployment, mute_server: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("madang.entrypoints.providers.checks._SECONDS", 0.1)
    plugins = {"smtp": {"host": "127.0.0.1", "port": mute_server, "security": "none", "sender": "a@example.com"}}
    async with open_deployment(plugins=plugins) as deployment:
        admin = await deployment.member(Role.ADMIN)
        (mute,) = (await check(deployment, "smtp", admin)).json()["data"]
        assert (mute["reachable"], mute["detail"]) == (False, "no answer within 0 s")
        (keyless,) = (await check(deployment, "resend", admin)).json()["data"]
        assert keyless["reachable"] is False
        assert "MADANG_RESEND_API_KEY" in keyless["detail"]


async def test_what_no_plugin_gives_is_not_there(deployment: Deployment) -> None:
    admin = await deployment.member(Role.ADMIN)
    for name in ("nobody", "%00", "..%2F..", "a" * 300):
        answer = await check(deployment, name, admin)
        assert answer.status_code == 404, name
    assert (await check(deployment, "nobody", admin)).json()["error"]["code"] == "PROVIDER_NOT_FOUND"


async def test_only_who_operates_the_deployment_looks(deployment: Deployment) -> None:
    developer = await deployment.member(Role.DEVELOPER)
    for answer in (
        await deployment.client.get("/admin/providers", headers=developer.headers),
        await check(deployment, "sandbox", developer),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "INSUFFICIENT_PERMISSIONS")


def test_the_command_checks_all_of_the_routes_and_fails_when_one_does(tmp_path: Path) -> None:
    (tmp_path / "madang.toml").write_text('[routes]\nsms = ["sandbox"]\nemail = ["resend", "sandbox"]\n')
    done = run_command("providers", "check", "--json", folder=tmp_path)
    assert done.returncode == 1
    assert '"kind": "email",\n    "position": 1,\n    "name": "resend",\n    "ok": false' in done.stdout
    assert done.stdout.count('"ok": true') == 3
    (tmp_path / "madang.toml").write_text('[routes]\nsms = ["sandbox"]\n')
    done = run_command("providers", "check", folder=tmp_path)
    assert (done.returncode, done.stdout.count("works")) == (0, 2)
