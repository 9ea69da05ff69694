"""One signed-in read of one portrait job: ours, and the same call written by other means, one server process each."""

import asyncio
import json
import socket
import statistics
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from random import Random
from uuid import UUID

from bench import our_api
from bench.report import Measured, Ratio, show
from bench.stack import PEERS_KEY, Stack, fill_portraits, free_port, peer_token, process, python, wait_for_port

CONNECTIONS = 32
READERS = 256
OURS, BARE, BY_HAND, ORDINARY = "Madang", "bare Litestar (constant)", "Litestar + asyncpg by hand", "FastAPI + ORM + Pydantic"
PEERS = {BARE: "bare_litestar", BY_HAND: "handwritten", ORDINARY: "fastapi_orm"}


@dataclass(frozen=True)
class Contender:
    name: str
    port: int
    requests: Sequence[str]


def request(port: int, portrait_id: UUID, token: str) -> str:
    return (
        f"GET /api/v1/portraits/{portrait_id} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Authorization: Bearer {token}\r\nAccept: application/json\r\n\r\n"
    )


def start_peer(name: str, stack: Stack, ids: Sequence[UUID], servers: ExitStack) -> Contender:
    port, log = free_port(), stack.folder / f"{PEERS[name]}.log"
    command = python("-m", "granian", "--interface", "asgi", "--loop", "uvloop", "--port", str(port), "--no-ws")
    environment = {"BENCH_KEY": PEERS_KEY, "BENCH_DATABASE_URL": stack.database_url}
    child = servers.enter_context(process([*command, f"bench.peers.{PEERS[name]}:app"], environment, log))
    wait_for_port(port, child, log)
    return Contender(name, port, [request(port, one, peer_token(one)) for one in ids])


def load(contender: Contender, seconds: float, warm_up: float) -> dict[str, float]:
    order = {
        "port": contender.port,
        "connections": CONNECTIONS,
        "seconds": seconds,
        "warm_up": warm_up,
        "requests": contender.requests,
    }
    run = subprocess.run(python("-m", "bench.load"), input=json.dumps(order), capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"{contender.name}: {run.stderr[-2000:]}")
    answer: dict[str, float] = json.loads(run.stdout)
    return answer


def fetched(contender: Contender) -> dict[str, object]:
    """The data of the contender's answer to its first request."""
    with socket.create_connection(("127.0.0.1", contender.port), timeout=10) as connection:
        connection.sendall(contender.requests[0].replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    data: dict[str, object] = json.loads(answer.partition(b"\r\n\r\n")[2])["data"]
    return {name: comparable(value) for name, value in data.items()}


def comparable(value: object) -> object:
    """An instant however it is written: Pydantic, msgspec and `isoformat` differ in fractions and zeros."""
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return value


def compare(stack: Stack, *, rounds: int, seconds: float) -> None:
    """Interleaved rounds, so that a machine that slows down slows all of them down; the median round counts."""
    ids = asyncio.run(fill_portraits(stack.database_url))
    read = Random(7).sample(list(ids), READERS)
    with ExitStack() as servers:
        contenders = [start_peer(name, stack, read, servers) for name in PEERS]
        contenders.append(start_ours(stack, read, servers))
        answers = [fetched(one) for one in contenders if one.name != BARE]
        assert all(answer == answers[0] for answer in answers), f"the contenders do not answer the same: {answers}"
        runs: dict[str, list[dict[str, float]]] = {one.name: [] for one in contenders}
        for number in range(rounds):
            for one in contenders:
                runs[one.name].append(load(one, seconds, warm_up=1.0 if number == 0 else 0.3))
    measured = {name: median(name, results) for name, results in runs.items()}
    show(
        f"signed-in read of one of {len(ids):,} portraits, {CONNECTIONS} connections",
        "answers",
        list(measured.values()),
        ratios(measured),
    )


def median(name: str, results: Sequence[dict[str, float]]) -> Measured:
    return Measured(name, *(statistics.median(result[key] for result in results) for key in ("rate", "p50", "p99")))


def ratios(measured: dict[str, Measured]) -> list[Ratio]:
    ours = measured[OURS].rate
    return [
        Ratio(BARE, ours / measured[BARE].rate, None),
        Ratio(BY_HAND, ours / measured[BY_HAND].rate, 0.8),
        Ratio(ORDINARY, ours / measured[ORDINARY].rate, 6),
    ]


def start_ours(stack: Stack, ids: Sequence[UUID], servers: ExitStack) -> Contender:
    port, folder = servers.enter_context(our_api.serving(stack))
    tokens = our_api.job_tokens(folder, ids)
    return Contender(OURS, port, [request(port, one, token) for one, token in zip(ids, tokens, strict=True)])
