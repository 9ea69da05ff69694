"""Signed tokens that say who may do what, as the edges need them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Claims:
    """`audience` is what the token opens (`"api"`, `"portrait"`, `"portrait-result"`); `subject` whose or which."""

    audience: str
    subject: str
    issued_at: datetime
    expires_at: datetime
    extra: Mapping[str, Any] = field(default_factory=dict)


class Tokens(Protocol):
    def issue(self, audience: str, subject: str, *, expires_at: datetime, extra: Mapping[str, Any] | None = None) -> str: ...

    def verify(self, audience: str, token: str) -> Claims:
        """Raises `Unauthenticated` for a token that is forged, expired, of another audience or another algorithm."""
        ...

    def key_set(self) -> Mapping[str, Any]:
        """The public keys as a JSON Web Key Set (RFC 7517): what others verify our tokens with."""
        ...
