"""The `madang` program for the tests of the command line."""

from collections.abc import Iterator

import pytest

from embedded_stack import temporary_server_folder
from operator_shell import Run, Up, run_command


@pytest.fixture(scope="session")
def run() -> Run:
    return run_command


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    """One deployment for the tests of a module, ready, from an empty folder."""
    with temporary_server_folder() as folder:
        started = Up(folder)
        try:
            started.until(started.is_ready)
            yield started
        finally:
            started.stop()
