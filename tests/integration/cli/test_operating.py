"""`madang doctor`, `jobs`, `redrive` and `plugins` on a database of the test's own, with nothing running."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from madang.entrypoints.cli.failures import told
from madang.entrypoints.supervisor.first_run import SANDBOX_CONFIGURATION, is_unconfigured
from madang.ports.errors import Unavailable
from operator_shell import COMMAND, Run, clean_environment

_INSERT = """
INSERT INTO messages (id, topic, lane, payload, state, due_at, attempts, failures, lease_token, request_id, created_at)
VALUES ($1, 'notifications.send_sms', 'short', '{}', $2, now(), 3, 3, 3, 'request-1', now())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "madang.toml").write_text(SANDBOX_CONFIGURATION)
    return tmp_path


@pytest.fixture
def servers(database_url: str, redis_url: str) -> Mapping[str, str]:
    return {"MADANG_DATABASE_URL": database_url, "MADANG_REDIS_URL": redis_url}


def _findings(output: str) -> dict[str, dict[str, str]]:
    return {finding["what"]: finding for finding in json.loads(output)["findings"]}


def test_the_doctor_tells_that_nothing_runs_in_the_background(folder: Path, servers: Mapping[str, str], run: Run) -> None:
    done = run("doctor", "--json", folder=folder, **servers)
    found = _findings(done.stdout)
    assert done.returncode == 1
    assert found["migrations"]["health"] == "green"
    assert found["worker"]["health"] == "red"
    assert "`madang worker`" in found["worker"]["advice"]
    assert found["storage: local writable"]["health"] == "green", found["storage: local writable"]


def test_the_doctor_tells_a_database_that_was_never_migrated(
    folder: Path, empty_database_url: str, redis_url: str, run: Run
) -> None:
    done = run("doctor", folder=folder, MADANG_DATABASE_URL=empty_database_url, MADANG_REDIS_URL=redis_url)
    assert done.returncode == 1
    assert "migrations: run `madang db upgrade`" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_the_doctor_tells_a_redis_that_is_stopped(folder: Path, database_url: str, run: Run) -> None:
    stopped = f"unix://{folder}/nobody.sock"
    done = run("doctor", "--json", folder=folder, MADANG_DATABASE_URL=database_url, MADANG_REDIS_URL=stopped)
    found = _findings(done.stdout)
    assert done.returncode == 1
    assert found["redis"]["health"] == "red"
    assert "MADANG_REDIS_URL" in found["redis"]["advice"]
    assert found["database"]["health"] == "green"


def test_the_doctor_tells_that_there_is_no_server_at_all(folder: Path, run: Run) -> None:
    done = run("doctor", "--json", folder=folder)
    found = _findings(done.stdout)
    assert done.returncode == 1
    assert "`madang up`" in found["database"]["advice"]
    assert "`madang up`" in found["redis"]["advice"]


@pytest.mark.parametrize("running", [True, False])
def test_the_doctor_names_a_route_that_leads_nowhere(folder: Path, servers: Mapping[str, str], running: bool, run: Run) -> None:
    settings = SANDBOX_CONFIGURATION.replace('payment = ["sandbox"]', 'payment = ["paypall"]')
    (folder / "madang.toml").write_text(settings.replace('sms = ["sandbox"]', 'sms = ["twilio"]'))
    done = run("doctor", "--json", folder=folder, **(servers if running else {}))
    found = _findings(done.stdout)
    assert done.returncode == 1
    assert "no plugin gives payment 'paypall' (did you mean 'paypal'?)" in found["payment: paypall"]["detail"]
    assert "MADANG_TWILIO_ACCOUNT_SID" in found["sms: twilio"]["detail"]


@pytest.mark.parametrize(("name", "written"), [("DEFAULT", "lots"), ("NOTHING", "5/minute")])
def test_the_doctor_names_a_limit_that_the_api_would_not_start_with(
    folder: Path, servers: Mapping[str, str], name: str, written: str, run: Run
) -> None:
    done = run("doctor", "--json", folder=folder, **servers, **{f"MADANG_LIMITS__{name}": written})
    found = _findings(done.stdout)["limits"]
    assert (done.returncode, found["health"]) == (1, "red")
    assert f"limits.{name.lower()}" in found["detail"]


def test_the_doctor_tells_stand_ins_in_production(folder: Path, servers: Mapping[str, str], run: Run) -> None:
    assert "stand-ins in production" not in _findings(run("doctor", "--json", folder=folder, **servers).stdout)
    done = run("doctor", "--json", folder=folder, MADANG_ENVIRONMENT="production", **servers)
    assert "payment, sms" in _findings(done.stdout)["stand-ins in production"]["detail"].replace("storage, ", "")


def test_a_process_names_a_route_that_leads_nowhere_when_it_starts(folder: Path, servers: Mapping[str, str]) -> None:
    (folder / "madang.toml").write_text(SANDBOX_CONFIGURATION.replace('payment = ["sandbox"]', 'payment = ["paypall"]'))
    environment = clean_environment(MADANG_LOG_FORMAT="json", **servers)
    with subprocess.Popen([*COMMAND, "relay"], cwd=folder, env=environment, stderr=subprocess.PIPE, text=True) as relay:
        assert relay.stderr is not None
        lines = (json.loads(line) for line in relay.stderr)
        warned = next(line for line in lines if line["event"] == "a route names a provider that cannot be used")
        relay.terminate()
    assert (warned["route"], warned["provider"]) == ("routes.payment", "paypall")


def test_a_database_that_is_away_is_told_with_the_variable_that_names_it() -> None:
    sentence = told(Unavailable("the database is not reachable", provider="postgresql", operation="connect")).sentence
    assert "MADANG_DATABASE_URL" in sentence


async def _insert(url: str, state: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        identity = uuid4()
        await connection.execute(_INSERT, identity, state)
    finally:
        await connection.close()
    return str(identity)


async def test_dead_messages_are_told_listed_shown_and_retried(folder: Path, servers: Mapping[str, str], run: Run) -> None:
    dead = await _insert(servers["MADANG_DATABASE_URL"], "dead")
    found = _findings(run("doctor", "--json", folder=folder, **servers).stdout)
    assert found["dead messages"]["health"] == "red"
    listed = json.loads(run("jobs", "list", "--state", "dead", "--json", folder=folder, **servers).stdout)
    assert [row["id"] for row in listed] == [dead]
    assert json.loads(run("jobs", "show", dead, "--json", folder=folder, **servers).stdout)["requestId"] == "request-1"
    retried = run("jobs", "retry", dead, folder=folder, **servers)
    assert (retried.returncode, retried.stdout.strip()) == (0, f"{dead}: due now")


def test_a_message_that_is_not_there_is_told(folder: Path, servers: Mapping[str, str], run: Run) -> None:
    missing = str(uuid4())
    shown = run("jobs", "show", missing, folder=folder, **servers)
    assert (shown.returncode, shown.stderr.strip()) == (1, f"madang: there is no message {missing}")


async def test_redrive_runs_dead_messages_again_only_when_asked(folder: Path, servers: Mapping[str, str], run: Run) -> None:
    dead = await _insert(servers["MADANG_DATABASE_URL"], "dead")
    run("redrive", "--json", folder=folder, **servers)
    assert json.loads(run("jobs", "show", dead, "--json", folder=folder, **servers).stdout)["state"] == "dead"
    planned = json.loads(run("redrive", "--dead", "--dry-run", "--json", folder=folder, **servers).stdout)
    assert {"what": "dead message of notifications.send_sms", "subject": dead, "done": "would be due again"} in planned
    mended = json.loads(run("redrive", "--dead", "--json", folder=folder, **servers).stdout)
    assert {"what": "dead message of notifications.send_sms", "subject": dead, "done": "due again"} in mended
    assert json.loads(run("jobs", "show", dead, "--json", folder=folder, **servers).stdout)["state"] == "waiting"


def test_migrations_go_up_and_down_by_command(folder: Path, empty_database_url: str, run: Run) -> None:
    address = {"MADANG_DATABASE_URL": empty_database_url}
    assert run("db", "current", folder=folder, **address).stdout.strip() == "none"
    assert run("db", "upgrade", folder=folder, **address).returncode == 0
    assert run("db", "upgrade", folder=folder, **address).stdout.strip().endswith("already")
    assert run("db", "downgrade", "base", "--yes", folder=folder, **address).returncode == 0
    assert run("db", "current", folder=folder, **address).stdout.strip() == "none"


def test_plugins_are_listed_with_kind_and_capabilities_and_checked(folder: Path, run: Run) -> None:
    listed = json.loads(run("plugins", "list", "--json", folder=folder).stdout)
    assert {"payment", "sms", "text_model", "image_model"} <= {one["kind"] for one in listed if one["name"] == "sandbox"}
    assert all(one["configured"] for one in listed if one["name"] in ("sandbox", "local"))
    assert "image_model" in run("plugins", "list", folder=folder).stdout
    checked = run("plugins", "check", "sandbox", folder=folder)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "payment: works" in checked.stdout
    assert "there is no plugin nobody" in run("plugins", "check", "nobody", folder=folder).stderr


def test_a_plugin_project_is_begun_once(folder: Path, run: Run) -> None:
    begun = run("plugins", "new", "harbour", folder=folder)
    assert (begun.returncode, "madang-harbour" in begun.stdout) == (0, True)
    assert (folder / "madang-harbour" / "tests" / "test_harbour.py").is_file()
    again = run("plugins", "new", "harbour", folder=folder)
    assert again.returncode != 0
    assert "madang-harbour is there already" in again.stderr


def test_the_openapi_document_needs_no_server(folder: Path, run: Run) -> None:
    document = json.loads(run("openapi", folder=folder).stdout)
    assert document["openapi"].startswith("3.1")
    assert "/api/v1/portraits" in document["paths"]


def test_only_a_folder_without_any_configuration_is_given_the_sandbox(tmp_path: Path) -> None:
    assert is_unconfigured(tmp_path, {"PATH": "/bin", "MADANG_PORT": "8001", "MADANG_LOG_LEVEL": "debug"})
    assert not is_unconfigured(tmp_path, {"MADANG_ENVIRONMENT": "production"})
    assert not is_unconfigured(tmp_path, {"MADANG_DATABASE_URL": "postgresql://db/madang"})
    (tmp_path / "madang.toml").write_text("")
    assert not is_unconfigured(tmp_path, {})
