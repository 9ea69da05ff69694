"""A plugin project to begin with: the one of `docs/plugins.md`, under another name."""

import keyword
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from madang.plugins.inspection import NAME

_SUFFIX: Final = ".txt"
"""Template files are no modules of ours: nothing imports, checks or collects them."""


def write_project(name: str, parent: Path) -> Path:
    """Write the project of a plugin `name` into a new folder `madang-<name>` and answer that folder.

    Raises `ValueError` for what is no provider's name, and `FileExistsError` for a folder that is there already.
    """
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise ValueError(f"{name!r} is no name for a plugin: lower-case letters, digits and underscores, a letter first")
    folder = parent / f"madang-{name.replace('_', '-')}"
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise FileExistsError(f"{folder} is there already") from None
    _copy(files(__name__).joinpath("project"), folder, name)
    return folder


def _copy(source: Traversable, target: Path, name: str) -> None:
    target.mkdir(exist_ok=True)
    for each in source.iterdir():
        if each.is_dir():
            _copy(each, target / _named(each.name, name), name)
        elif each.name.endswith(_SUFFIX):
            text = _named(each.read_text(encoding="utf-8"), name)
            (target / _named(each.name.removesuffix(_SUFFIX), name)).write_text(text, encoding="utf-8")


def _named(text: str, name: str) -> str:
    """The template's `acmesms` and `Acme` as `name` would have them."""
    dashed, own = name.replace("_", "-"), name.removesuffix("sms").rstrip("_") or name
    spoken = "".join(word.capitalize() for word in own.split("_"))
    text = text.replace("madang-acmesms", f"madang-{dashed}").replace("acmesms.example", f"{dashed}.example")
    return text.replace("acmesms", name).replace("Acme", spoken)
