"""A string that does not show itself."""

import hmac
from typing import final


@final
class Secret:
    """A key, token or password. It never appears in `repr`, `str`, f-strings, logs or pickles; `reveal()` is the one
    way out."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself: call it where it is sent, never where it is kept."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('**********')"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: object) -> "Secret":
        """Itself: it never changes, and `dataclasses.asdict` of settings must not fail."""
        return self

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled: pass the setting's name instead")
