"""In a fresh clone, each runner compiles a share of the sources before it collects: side by side, all would compile all."""

import compileall
from pathlib import Path

import pytest
from _pytest.assertion import rewrite

from source_tree import ROOT

_SOURCES = ("core", "ports", "adapters", "plugins", "entrypoints", "tests")


def compile_a_share(config: pytest.Config) -> None:
    """Nothing when there is one runner, and next to nothing for what is compiled already."""
    runner = getattr(config, "workerinput", None)
    if runner is None:
        return
    files = sorted(file for folder in _SOURCES for file in (ROOT / folder).rglob("*.py"))
    number, count = int(runner["workerid"].removeprefix("gw")), runner["workercount"]
    for file in files[number::count]:
        if file.name.startswith("test_") or file.name == "conftest.py":
            _rewrite(file, config)
        else:
            compileall.compile_file(file, quiet=2)


def _rewrite(file: Path, config: pytest.Config) -> None:
    """As pytest does when it imports a module of tests."""
    state = config.stash[rewrite.assertstate_key]
    folder = rewrite.get_cache_dir(file)
    compiled = folder / (file.name.removesuffix(".py") + rewrite.PYC_TAIL)
    if rewrite._read_pyc(file, compiled) is None and rewrite.try_makedirs(folder):
        digest, code = rewrite._rewrite_test(file, config)
        rewrite._write_pyc(state, code, digest, compiled)
