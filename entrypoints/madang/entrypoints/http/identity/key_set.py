"""`/.well-known/jwks.json`: the public keys of this deployment's tokens, so that others need not ask us about each."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from litestar import get
from litestar.types import ASGIApp

from madang.core.kernel.tokens import Tokens
from madang.entrypoints.http.answers import Answer
from madang.entrypoints.http.operation import Operation

PATH: Final = "/.well-known/jwks.json"
MEDIA_TYPE: Final = "application/jwk-set+json"
MAX_AGE: Final = 300
"""Seconds: after a rotation, others see the new key no later than this; who meets an unknown `kid` asks again anyway."""
_KEY: Final = {
    "type": "object",
    "required": ["kty", "crv", "x", "kid", "use", "alg"],
    "properties": {name: {"type": "string"} for name in ("kty", "crv", "x", "kid", "use", "alg")},
}
_SCHEMA: Final = {
    "type": "object",
    "required": ["keys"],
    "properties": {"keys": {"type": "array", "minItems": 1, "items": _KEY}},
}
_EXAMPLE: Final = {
    "keys": [
        {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            "kid": "3f1c9a5b7d2e4f60",
            "use": "sig",
            "alg": "Ed25519",
        }
    ]
}
OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        "GET",
        PATH,
        "getKeySet",
        "Identity",
        "The public keys of our tokens",
        "A JSON Web Key Set (RFC 7517). The first key signs; tokens of the others are still good. A token names its key by "
        "`kid`; that it was revoked is known to us alone.",
        None,
        _EXAMPLE,
        prefix="",
        media_type=MEDIA_TYPE,
        schema=_SCHEMA,
    ),
)


def key_set_handler(tokens: Tokens) -> Any:
    written = msgspec.json.encode(tokens.key_set())
    headers = [(b"cache-control", b"public, max-age=%d" % MAX_AGE)]

    @get(PATH, include_in_schema=False)
    async def key_set() -> ASGIApp:
        return Answer(200, written, MEDIA_TYPE, headers)

    return key_set
