"""Short jobs a second in one worker: ours from commit to an effect committed with its "done", the peers' no-ops from Redis."""

import statistics
import subprocess

from bench import our_jobs
from bench.report import Measured, Ratio, show
from bench.stack import Stack, python

OURS, ARQ, DRAMATIQ = (
    "Madang: outbox, effect and done in one commit",
    "arq, no-op, its defaults",
    "Dramatiq, no-op, its defaults",
)
OURS_JOBS, ARQ_JOBS, DRAMATIQ_JOBS = 10_000, 800, 8_000


def rate(name: str, *command: str) -> float:
    run = subprocess.run(python("-m", *command), capture_output=True, text=True, check=False, timeout=90)
    if run.returncode:
        raise SystemExit(f"{name}: {run.stderr[-3000:]}")
    return float(run.stdout.splitlines()[-1])


def compare(stack: Stack, *, rounds: int) -> None:
    """Interleaved rounds; the median counts. A peer's clock starts with its queue filled, ours with the first commit."""
    contenders = {
        ARQ: ("bench.peers.arq_noop", f"{stack.redis_url.partition('?')[0]}?db=10", str(ARQ_JOBS)),
        DRAMATIQ: ("bench.peers.dramatiq_noop", f"{stack.redis_url.partition('?')[0]}?db=11", str(DRAMATIQ_JOBS)),
    }
    runs: dict[str, list[float]] = {name: [] for name in (*contenders, OURS)}
    for _ in range(rounds):
        for name, command in contenders.items():
            runs[name].append(rate(name, *command))
        runs[OURS].append(our_jobs.measure(stack, OURS_JOBS))
    measured = {name: Measured(name, statistics.median(rates)) for name, rates in runs.items()}
    show("short jobs, one worker process", "jobs", list(measured.values()), ratios(measured))


def ratios(measured: dict[str, Measured]) -> list[Ratio]:
    ours = measured[OURS].rate
    return [Ratio(ARQ, ours / measured[ARQ].rate, 10), Ratio(DRAMATIQ, ours / measured[DRAMATIQ].rate, 1)]
