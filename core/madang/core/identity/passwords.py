"""Passwords: what a new one must be, and what use cases need of hashing."""

import unicodedata
from dataclasses import dataclass, field
from typing import Final, Protocol

from madang.core.kernel.errors import Problem, ValidationFailed

MIN_CHARACTERS: Final = 10
MAX_CHARACTERS: Final = 256


@dataclass(frozen=True, slots=True)
class Verdict:
    """`upgraded` is a hash of the same password by today's rules, where the stored one is not: to be stored in its place."""

    matches: bool
    upgraded: str | None = field(default=None, repr=False)


class PasswordHasher(Protocol):
    """Costs memory and time by design, so only a few run at once, and none in the event loop."""

    async def hash(self, password: str) -> str: ...

    async def verify(self, password: str, stored: str | None) -> Verdict:
        """With nothing stored it takes as long, and nothing matches."""
        ...


class CommonPasswords(Protocol):
    def contains(self, password: str) -> bool:
        """`password` in the form of `folded`."""
        ...


def normalised(password: str) -> str:
    """The same on every keyboard: a composed and a decomposed 가 are one password."""
    return unicodedata.normalize("NFKC", password)


def folded(text: str) -> str:
    return normalised(text).casefold()


class PasswordPolicy:
    """Length instead of character classes, nothing that is on everybody's list (NIST SP 800-63B, 3.1.1.2)."""

    def __init__(self, common: CommonPasswords) -> None:
        self._common = common

    def check(self, password: str, email: str | None, *, path: str = "password") -> None:
        """Raises `ValidationFailed` with every rule that is broken."""
        if broken := self._broken(password, email):
            raise ValidationFailed(*(Problem(path, rule) for rule in broken))

    def _broken(self, password: str, email: str | None) -> list[str]:
        characters, plain = len(normalised(password)), folded(password)
        broken = []
        if characters < MIN_CHARACTERS:
            broken.append(f"must have at least {MIN_CHARACTERS} characters")
        if characters > MAX_CHARACTERS:
            broken.append(f"must have at most {MAX_CHARACTERS} characters")
        if email is not None and plain in (folded(email), folded(email).rpartition("@")[0]):
            broken.append("must not be the e-mail address or its name")
        if self._common.contains(plain):
            broken.append("is one of the most common passwords")
        return broken
