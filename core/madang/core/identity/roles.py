"""Roles and what each may do (seed 002: client, pm, developer, admin)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    CLIENT = "client"
    PROJECT_MANAGER = "pm"
    DEVELOPER = "developer"
    ADMIN = "admin"


_OWN: Final = frozenset(
    {
        "profile:read",
        "credits:read",
        "credits:spend",
        "files:read",
        "files:write",
        "notifications:read",
        "events:read",
        "invoices:read",
        "webhooks:read",
        "webhooks:write",
        "payments:read",
        "payments:write",
        "subscriptions:read",
        "subscriptions:write",
    }
)
"""Of one's own affairs; an API key is given some of them."""
_STAFF: Final = _OWN | {"projects:read", "projects:write", "clients:read"}
_ADMIN: Final = _STAFF | {
    "audit:read",
    "clients:write",
    "credits:grant",
    "knowledge-base:write",
    "operations:read",
    "operations:write",
    "payment-plans:write",
    "payments:refund",
    "users:read",
    "users:write",
}

PERMISSIONS: Final[Mapping[str, frozenset[str]]] = {
    Role.CLIENT: _OWN,
    Role.PROJECT_MANAGER: _STAFF | {"clients:write", "payment-plans:write", "payments:refund"},
    Role.DEVELOPER: _STAFF,
    Role.ADMIN: _ADMIN,
}


TEAM: Final = frozenset({Role.PROJECT_MANAGER, Role.DEVELOPER, Role.ADMIN})
"""Who works for the deployment, and reads its team's chat."""


def permissions_of(role: str) -> frozenset[str]:
    """Nothing for a role that this release does not know."""
    return PERMISSIONS.get(role, frozenset())
