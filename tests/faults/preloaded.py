"""Imported by the server that the processes of these tests are forked from: the installed plugins are found once for all."""

from pathlib import Path

from pydantic import SecretStr

import faults.whole_deployment  # noqa: F401  what each of them would import
from madang.entrypoints import container
from madang.entrypoints.settings import Settings
from plugins_once import load_plugins_once

load_plugins_once()
container.load_plugins(Settings(data_dir=Path("/nowhere"), secret_key=SecretStr("test-key-not-secret-test-key-not-secret")))
