"""Presigned addresses: what they allow, signed with the deployment's key so that none of it can be changed."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from madang.ports.secret import Secret


class PresignRefused(Exception):
    """`code` says which: `SIGNATURE_INVALID` or `SIGNATURE_EXPIRED`."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Permission:
    """One thing that the holder of the address may do, until `expires` (Unix seconds)."""

    method: str
    key: str
    expires: int
    content_type: str | None = None
    max_size: int | None = None
    filename: str | None = None

    def parameters(self, signing_key: Secret) -> Mapping[str, str]:
        """As query parameters or form fields, with the signature."""
        values = {
            "expires": str(self.expires),
            "content-type": self.content_type,
            "max-size": None if self.max_size is None else str(self.max_size),
            "filename": self.filename,
            "signature": self.signature(signing_key),
        }
        return {name: value for name, value in values.items() if value is not None}

    def signature(self, signing_key: Secret) -> str:
        values = [self.method, self.key, self.expires, self.content_type, self.max_size, self.filename]
        message = json.dumps(["local-storage", *values]).encode()
        mac = hmac.new(signing_key.reveal().encode(), message, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


def permission_of(method: str, key: str, parameters: Mapping[str, str], signing_key: Secret) -> Permission:
    """What the parameters allow. Raises `PresignRefused`: the signature first, so that nobody probes with expired addresses."""
    try:
        max_size = parameters.get("max-size")
        permission = Permission(
            method,
            key,
            int(parameters["expires"]),
            parameters.get("content-type"),
            None if max_size is None else int(max_size),
            parameters.get("filename"),
        )
    except (KeyError, ValueError):
        raise PresignRefused("SIGNATURE_INVALID", "the address carries no complete signature") from None
    given = parameters.get("signature", "").encode()
    if not hmac.compare_digest(permission.signature(signing_key).encode(), given):
        raise PresignRefused("SIGNATURE_INVALID", "the signature does not belong to this address")
    if datetime.now(UTC).timestamp() >= permission.expires:
        raise PresignRefused("SIGNATURE_EXPIRED", "the address was good until its expiry; ask for a new one")
    return permission
