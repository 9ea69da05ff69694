"""Whole deployments for the tests of the portraits product."""

from pathlib import Path

import pytest

from faults.lane import Stack
from madang.adapters.embedded.postgres_server import EmbeddedPostgres
from madang.adapters.embedded.valkey_server import EmbeddedValkey


@pytest.fixture
def stack(postgres_server: EmbeddedPostgres, migrated_template: str, redis_server: EmbeddedValkey, tmp_path: Path) -> Stack:
    return Stack(postgres_server, migrated_template, redis_server, tmp_path)
