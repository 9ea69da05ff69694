"""`madang up` with everything real: from an empty folder to a deployment and back. The tests share it, in this order."""

import json
import os
import signal

import psutil

from operator_shell import Run, Up, alive


def _in(up: Up) -> dict[str, str]:
    return {name: value for name, value in up.environment.items() if name.startswith("MADANG_")}


def test_an_empty_folder_gets_a_configuration_that_names_the_sandbox_and_says_so(up: Up) -> None:
    written = (up.folder / "madang.toml").read_text()
    assert 'payment = ["sandbox"]' in written
    assert 'storage = ["local"]' in written
    assert (up.folder / ".madang" / ".gitignore").read_text() == "*\n"
    assert (up.folder / ".madang").stat().st_mode & 0o066 == 0
    assert "wrote madang.toml, which names the sandbox for everything" in up.output.replace("\n", " ")


def test_it_serves_and_says_where(up: Up) -> None:
    assert up.status("/docs") == 200
    assert up.status("/openapi.json") == 200
    up.until(lambda: f"Ready at {up.base_url}" in up.output)


def test_every_child_writes_json_lines_with_its_name(up: Up) -> None:
    assert {"worker", "relay"} <= {str(line.get("process")) for line in up.lines()}


def test_a_second_one_in_the_same_folder_refuses_with_a_sentence(up: Up, run: Run) -> None:
    done = run("up", folder=up.folder, **_in(up))
    assert done.returncode == 1
    assert f"already (process {up.process.pid})" in done.stderr.replace("\n", " ")
    assert up.is_ready()


def test_the_doctor_finds_it_in_good_health(up: Up, run: Run) -> None:
    done = run("doctor", "--json", folder=up.folder, **_in(up))
    answer = json.loads(done.stdout)
    assert [finding for finding in answer["findings"] if finding["health"] == "red"] == []
    assert done.returncode == 0
    looked_at = {finding["what"] for finding in answer["findings"]}
    assert {"database", "migrations", "redis", "payment: sandbox", "worker", "relay", "dead messages"} <= looked_at
    assert any(what.startswith("invariant: ") for what in looked_at)


def test_the_knowledge_base_was_filled_once_and_a_token_of_an_operator_opens_it(up: Up, run: Run) -> None:
    token = run("token", "issue", folder=up.folder, **_in(up)).stdout.strip()
    assert up.status("/api/v1/knowledge-base") == 401
    assert up.status("/api/v1/knowledge-base/SC003", Authorization=f"Bearer {token}") == 200


def test_the_knowledge_base_takes_a_file_and_tells_its_problems(up: Up, run: Run) -> None:
    file = up.folder / "catalogue.csv"
    file.write_text("code,category\nSC003\n", encoding="utf-8")
    done = run("knowledge-base", "import", str(file), folder=up.folder, **_in(up))
    assert done.returncode == 1
    assert "problems" in done.stdout + done.stderr


def test_a_killed_api_and_a_killed_worker_come_back(up: Up) -> None:
    before = [up.child("serve"), up.child("worker")]
    for process in before:
        assert process is not None
        process.send_signal(signal.SIGKILL)
    for process in before:
        assert process is not None
        process.wait(10)
    up.until(lambda: up.child("serve") and up.child("worker") and up.is_ready())
    assert up.output.count("child died, starting it again") == 2


def test_sigterm_ends_it_with_nothing_left_and_exit_code_0(up: Up) -> None:
    family = up.family()
    assert len(family) >= 5
    assert up.stop() == 0
    assert alive(family) == []
    assert "Stopped." in up.output


def test_a_second_start_keeps_its_configuration_and_data_and_goes_when_it_is_killed(up: Up) -> None:
    written = (up.folder / "madang.toml").read_text()
    again = Up(up.folder)
    try:
        again.until(again.is_ready)
        assert (up.folder / "madang.toml").read_text() == written
        assert "starting catalogue" not in again.output
        family = again.family()
    finally:
        os.kill(again.process.pid, signal.SIGKILL)
        again.process.wait()
    gone, left = psutil.wait_procs(family, timeout=60)
    assert alive(left) == []
    assert len(gone) >= 5
