"""The embedded servers: started, shared, taken over, recovered, and never somebody else's."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
import redis

from madang.adapters.embedded.errors import EmbeddedServerError
from madang.adapters.embedded.postgres_server import EmbeddedPostgres
from madang.adapters.embedded.process import wait_until
from madang.adapters.embedded.valkey_server import EmbeddedValkey

_FAST = {"fsync": "off"}


@pytest.fixture
def postgres(server_folder: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(server_folder, options=_FAST)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def valkey(server_folder: Path) -> Iterator[EmbeddedValkey]:
    server = EmbeddedValkey(server_folder)
    server.start()
    yield server
    server.stop()


async def _ask(url: str, question: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def test_a_new_folder_gets_postgresql_18_with_our_database(postgres: EmbeddedPostgres) -> None:
    assert await _ask(postgres.url(), "SELECT current_database()") == "madang"
    assert await _ask(postgres.url(), "SHOW server_version_num") >= "180000"
    assert postgres.is_running
    assert postgres.is_owner


async def test_it_listens_on_no_network_address(postgres: EmbeddedPostgres) -> None:
    assert await _ask(postgres.url(), "SHOW listen_addresses") == ""
    assert psutil.Process(postgres.pid).net_connections(kind="inet") == []


async def test_what_was_written_is_there_after_a_stop_and_a_start(postgres: EmbeddedPostgres) -> None:
    await _ask(postgres.url(), "CREATE TABLE kept AS SELECT 42 AS answer")
    postgres.stop()
    assert not postgres.is_running
    assert postgres.pid is None
    postgres.start()
    assert await _ask(postgres.url(), "SELECT answer FROM kept") == 42


async def test_a_server_that_was_killed_comes_back_with_its_data(postgres: EmbeddedPostgres) -> None:
    await _ask(postgres.url(), "CREATE TABLE kept AS SELECT 42 AS answer")
    killed = postgres.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    assert wait_until(lambda: not postgres.is_running, seconds=60)
    postgres.start()
    assert postgres.pid != killed
    assert await _ask(postgres.url(), "SELECT answer FROM kept") == 42


def test_a_second_process_is_a_guest_and_stops_nothing(
    postgres: EmbeddedPostgres, valkey: EmbeddedValkey, server_folder: Path
) -> None:
    for owner, guest in ((postgres, EmbeddedPostgres(server_folder)), (valkey, EmbeddedValkey(server_folder))):
        guest.start()
        assert guest.pid == owner.pid
        assert not guest.is_owner
        guest.stop()
        assert owner.is_running


_STARTER = """
import pathlib, sys
from madang.adapters.embedded.postgres_server import EmbeddedPostgres
from madang.adapters.embedded.valkey_server import EmbeddedValkey
folder, with_parent = pathlib.Path(sys.argv[1]), sys.argv[2] == "yes"
servers = [EmbeddedPostgres(folder, stop_with_parent=with_parent), EmbeddedValkey(folder, stop_with_parent=with_parent)]
for server in servers:
    server.start()
print(*(server.pid for server in servers), flush=True)
sys.stdin.read()
"""


def _killed_starter(folder: Path, *, stop_with_parent: bool) -> list[int]:
    """The pids of servers whose starter was killed with -9."""
    command = [sys.executable, "-c", _STARTER, str(folder), "yes" if stop_with_parent else "no"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pids = [int(pid) for pid in starter.stdout.readline().split()]
        starter.kill()
    assert len(pids) == 2
    return pids


def _gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_servers_go_when_their_starter_is_killed(server_folder: Path) -> None:
    pids = _killed_starter(server_folder, stop_with_parent=True)
    assert all(wait_until(lambda pid=pid: _gone(pid), seconds=60) for pid in pids)


def test_servers_that_a_killed_starter_left_are_taken_over_and_then_stopped(server_folder: Path) -> None:
    postgres_pid, valkey_pid = _killed_starter(server_folder, stop_with_parent=False)
    postgres, valkey = EmbeddedPostgres(server_folder), EmbeddedValkey(server_folder)
    postgres.start()
    valkey.start()
    assert (postgres.pid, valkey.pid) == (postgres_pid, valkey_pid)
    assert postgres.is_owner
    assert valkey.is_owner
    postgres.stop()
    valkey.stop()
    assert _gone(postgres_pid)
    assert _gone(valkey_pid)


def test_a_stale_pid_file_that_names_another_program_does_not_stop_the_start(
    postgres: EmbeddedPostgres, server_folder: Path
) -> None:
    postgres.stop()
    note = server_folder / "postgres" / "cluster" / "postmaster.pid"
    note.write_text(f"{os.getpid()}\n{note.parent}\n1\n5432\n{server_folder}\n\n1 1\nready\n")
    postgres.start()
    assert postgres.is_running
    assert postgres.pid != os.getpid()


def test_a_folder_that_initdb_left_half_made_is_made_anew(server_folder: Path) -> None:
    half_made = server_folder / "postgres" / "cluster.new"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(server_folder, options=_FAST)
    server.start()
    try:
        assert server.is_running
        assert not half_made.exists()
    finally:
        server.stop()


async def test_long_paths_with_spaces_and_private_parents_work(server_folder: Path) -> None:
    private = server_folder / "private"
    folder = private / ("long" * 30) / "with space" / "한글"
    folder.mkdir(parents=True)
    private.chmod(0o700)
    postgres, valkey = EmbeddedPostgres(folder, options=_FAST), EmbeddedValkey(folder)
    postgres.start()
    valkey.start()
    try:
        assert await _ask(postgres.url(), "SELECT 1") == 1
        with redis.from_url(valkey.url(3)) as client:
            assert client.ping()
        assert private.stat().st_mode & 0o066 == 0, "nobody may list or read a private folder because of us"
    finally:
        postgres.stop()
        valkey.stop()
    assert not postgres.socket_folder.exists() or postgres.socket_folder.is_relative_to(folder)


def test_a_cluster_of_another_major_version_is_refused_with_a_sentence(server_folder: Path) -> None:
    cluster = server_folder / "postgres" / "cluster"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("15\n")
    with pytest.raises(EmbeddedServerError, match="PostgreSQL 15, this is 18"):
        EmbeddedPostgres(server_folder).start()


def test_a_valkey_that_was_killed_comes_back_empty(valkey: EmbeddedValkey) -> None:
    with redis.from_url(valkey.url()) as client:
        client.set("kept", "no")
    killed = valkey.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    assert wait_until(lambda: not valkey.is_running, seconds=60)
    valkey.start()
    with redis.from_url(valkey.url()) as client:
        assert client.get("kept") is None


def test_an_option_that_the_server_does_not_know_is_told_with_its_log(server_folder: Path) -> None:
    with pytest.raises(EmbeddedServerError, match="no_such_option"):
        EmbeddedPostgres(server_folder, options={"no_such_option": "1"}).start()
    with pytest.raises(EmbeddedServerError, match=r"server\.log"):
        EmbeddedValkey(server_folder, options={"no-such-option": "1"}).start()
