"""Prompts: versioned text files beside the code, filled in strictly, with foreign text fenced off from instructions."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template
from typing import Final

_FILE: Final = re.compile(r"(?P<name>[a-z_]+)\.v(?P<version>[1-9][0-9]*)\.txt")
_PART: Final = re.compile(r"^=== (?P<part>[a-z]+) ===\n", re.MULTILINE)


class PromptError(Exception):
    """A prompt that is not there, or that was filled in wrongly: a defect of the caller."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as written. `${name}` is a place to fill, `$$` a dollar sign.

    A prompt for several turns has parts, each under a line `=== system ===`.
    """

    name: str
    version: int
    text: str

    @property
    def places(self) -> frozenset[str]:
        """The names that must be given, all of them and no others."""
        return frozenset(Template(self.text).get_identifiers())

    def render(self, **values: object) -> str:
        """The whole text filled in. Raises `PromptError` for a name too many or too few, and for a prompt with parts."""
        if _PART.search(self.text):
            raise PromptError(f"{self.name} v{self.version} has parts: use render_parts")
        self._check(values)
        return Template(self.text).substitute(values).strip()

    def render_parts(self, **values: object) -> Mapping[str, str]:
        """Each part filled in (`{"system": …, "user": …}`). Cut first and filled after, so that no value can open a part.

        Raises `PromptError` as `render` does.
        """
        self._check(values)
        _, *pieces = _PART.split(self.text)
        if not pieces:
            raise PromptError(f"{self.name} v{self.version} has no parts: use render")
        return {part: Template(text).substitute(values).strip() for part, text in zip(pieces[::2], pieces[1::2], strict=True)}

    def _check(self, values: Mapping[str, object]) -> None:
        wrong = [f"{name} is missing" for name in sorted(self.places - values.keys())]
        wrong += [f"{name} is unknown" for name in sorted(values.keys() - self.places)]
        if wrong:
            raise PromptError(f"{self.name} v{self.version}: {', '.join(wrong)}")


def load(name: str, version: int | None = None) -> Prompt:
    """The prompt in the version asked for, else in the newest. Raises `PromptError` when there is none."""
    versions = _all().get(name, {})
    wanted = max(versions, default=0) if version is None else version
    if wanted not in versions:
        raise PromptError(f"there is no prompt {name}" + ("" if version is None else f" v{version}"))
    return versions[wanted]


def fenced(text: str) -> str:
    """The text between two marks that it cannot contain, so that nothing in it can end the fence and pass for an instruction.

    The mark is made from the text: the same text is always fenced the same way, and a repeated request stays the same request.
    """
    mark = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    while mark in text:
        mark = hashlib.sha256(mark.encode()).hexdigest()[:16]
    return f"<<<{mark}\n{text}\n{mark}>>>"


@cache
def _all() -> Mapping[str, Mapping[int, Prompt]]:
    prompts: dict[str, dict[int, Prompt]] = {}
    for file in files("madang.core.generation").joinpath("prompt_files").iterdir():
        if found := _FILE.fullmatch(file.name):
            name, version = found["name"], int(found["version"])
            prompts.setdefault(name, {})[version] = Prompt(name, version, file.read_text(encoding="utf-8"))
    return prompts
