"""What every test gets: the embedded servers on demand, no network but loopback, and a steady Hypothesis."""

import gc
import ipaddress
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from compiled_together import compile_a_share

sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
"""Three runners and hundreds of processes import the same sources: one of them compiles a module, and the others read it."""

gc.disable()
"""Until everything is collected: next to nothing of what is imported is ever garbage, and looking for some takes a quarter of
the time."""

pytest_plugins = ("embedded_stack",)

settings.register_profile(
    "madang",
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.register_profile("thorough", parent=settings.get_profile("madang"), derandomize=False, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "madang"))


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[object]:
    try:
        compile_a_share(session.config)
        return (yield)
    finally:
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that mostly wait are spread over the run: while one runner waits, the others have the processors to themselves."""
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    waiting = [file for file in files if file.parent.name == "faults"]
    order = [file for file in files if file not in waiting]
    apart = len(order) // max(1, len(waiting))
    for number, file in enumerate(waiting):
        order.insert(number * (apart + 1), file)
    items[:] = [item for file in order for item in files[file]]


def pytest_collection_finish() -> None:
    """What was imported and collected lives until the end: the garbage collector need not walk over it for every test."""
    gc.collect()
    gc.freeze()


def _is_loopback(host: object) -> bool:
    if not isinstance(host, str) or host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _refuse_the_network(event: str, arguments: tuple[object, ...]) -> None:
    """Nothing that a test runs may reach beyond this machine; unix sockets have a path for an address."""
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host: object = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if not _is_loopback(host):
        raise RuntimeError(f"a test tried to reach {host!r}: tests talk to this machine only")


sys.addaudithook(_refuse_the_network)
