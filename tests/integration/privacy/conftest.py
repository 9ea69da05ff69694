"""The `madang` program for the operator's side of privacy."""

import pytest

from operator_shell import Run, run_command


@pytest.fixture(scope="session")
def run() -> Run:
    return run_command
