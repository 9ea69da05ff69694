"""The wheel, built from the sdist as an index would, installs `madang` and nothing else, and all of it."""

import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from source_tree import LAYERS, ROOT, shipped_files


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel that was built from it, with the build backend of this environment."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    run = subprocess.run(command, cwd=out, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return out


@pytest.fixture(scope="module")
def wheel_names(built: Path) -> list[str]:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        return wheel.namelist()


def test_the_wheels_top_level_is_exactly_madang(wheel_names: list[str]) -> None:
    assert {top for name in wheel_names if not (top := name.partition("/")[0]).endswith(".dist-info")} == {"madang"}


def test_the_wheel_holds_every_source_and_data_file_and_no_other(wheel_names: list[str]) -> None:
    present = {path.relative_to(ROOT / layer).as_posix() for layer in LAYERS for path in shipped_files(layer)}
    shipped = {name for name in wheel_names if name.startswith("madang/")}
    assert sorted(present - shipped) == []
    assert sorted(shipped - present) == []


def test_the_sdist_brings_what_is_needed_to_test_it(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"README.md", "LICENSE", "CHANGELOG.md", "noxfile.py", "pyproject.toml", "tests/source_tree.py"} <= names


def test_the_wheel_says_who_may_use_it_and_how_it_is_called(built: Path, wheel_names: list[str]) -> None:
    folder = next(name for name in wheel_names if name.endswith(".dist-info/METADATA")).removesuffix("METADATA")
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        metadata = Parser().parsestr(wheel.read(folder + "METADATA").decode())
        entry_points = wheel.read(folder + "entry_points.txt").decode()
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.11"
    assert "madang = madang.entrypoints.cli.main:main" in entry_points
