"""The `madang` program for the tests of the command line."""

from collections.abc import Iterator

import pytest

from operator_shell import Run, Up, run_command


@pytest.fixture(scope="session")
def run() -> Run:
    return run_command


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One deployment for the tests of a module, ready, from an empty folder."""
    started = Up(tmp_path_factory.mktemp("deployment"))
    try:
        started.until(started.is_ready)
        yield started
    finally:
        started.stop()
