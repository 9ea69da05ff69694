"""Choices that look random and are not: the same seed and the same words choose the same."""

import hashlib
from random import Random


def digest(*parts: object) -> str:
    """64 lower-case hex digits of what the parts say."""
    text = "\x1f".join(str(part) for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()


def identifier(prefix: str, *parts: object) -> str:
    """An id as providers make them: `pay_3fa1…`; the same parts give the same id."""
    return f"{prefix}_{digest(prefix, *parts)[:24]}"


def dice(*parts: object) -> Random:
    return Random(digest(*parts))  # noqa: S311 - a simulation's dice; nothing is protected by them


def share(*parts: object) -> float:
    """A number from 0 to 1."""
    return int(digest(*parts)[:13], 16) / 16**13
