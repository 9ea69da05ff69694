"""One request and its answer: what is known of them from the first byte to the last log line."""

import random
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from madang.core.kernel.tracing import TraceContext

SCOPE_KEY: Final = "madang.exchange"
RawHeaders = list[tuple[bytes, bytes]]

_REQUEST_ID_CHARACTERS: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
_HEX: Final = frozenset(b"0123456789abcdef")
_MAX_REQUEST_ID: Final = 128
_random: Final = random.Random()  # noqa: S311 – names of requests, not secrets


@dataclass(slots=True)
class Exchange:
    """`trace_id`, `span_id` and the caller's `parent_id` follow W3C Trace Context; `extra_headers` go out with whatever answer
    is made."""

    request_id: str
    trace_id: str
    span_id: str
    accept_language: str = ""
    authorization: bytes | None = None
    api_key: bytes | None = None
    extra_headers: RawHeaders = field(default_factory=list)
    content_security_policy: bytes | None = None
    address: str | None = None
    parent_id: str | None = None
    sampled: bool = True

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


def begin(headers: Iterable[tuple[bytes, bytes]]) -> Exchange:
    """Take over the caller's request id and trace where they are well-formed, else make new ones."""
    request_id: str | None = None
    above: TraceContext | None = None
    language = b""
    authorization: bytes | None = None
    api_key: bytes | None = None
    for name, value in headers:
        if name == b"x-request-id":
            request_id = _valid_request_id(value)
        elif name == b"traceparent":
            above = _trace_of(value)
        elif name == b"accept-language":
            language = value
        elif name == b"authorization":
            authorization = value
        elif name == b"x-api-key":
            api_key = value
    made = _new_hex()
    return Exchange(
        request_id or f"{made[:8]}-{made[8:12]}-{made[12:16]}-{made[16:20]}-{made[20:]}",
        above.trace_id if above else made,
        f"{_random.getrandbits(64) | 1:016x}",
        language.decode("latin-1") if language else "",
        authorization,
        api_key,
        parent_id=above.span_id if above else None,
        sampled=above is None or above.sampled,
    )


def _new_hex() -> str:
    """A UUIDv7 in hex. It names a request and opens nothing, so it need not cost a call of the system's randomness."""
    value = (time.time_ns() // 1_000_000) << 80 | _random.getrandbits(80)
    return f"{value & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62:032x}"


def exchange_of(scope: Any) -> Exchange:
    """The exchange that the edge began for this request."""
    found: Exchange = scope["state"][SCOPE_KEY]
    return found


def _valid_request_id(value: bytes) -> str | None:
    """A caller's id goes into logs and headers: short, and of harmless characters, or not at all."""
    if 0 < len(value) <= _MAX_REQUEST_ID and _REQUEST_ID_CHARACTERS.issuperset(value):
        return value.decode("ascii")
    return None


def _trace_of(value: bytes) -> TraceContext | None:
    """`version-traceid-parentid-flags`; later versions may append fields, version `ff` is forbidden."""
    parts = value.strip().split(b"-")
    if len(parts) < 4 or [len(part) for part in parts[:4]] != [2, 32, 16, 2]:
        return None
    if not _HEX.issuperset(b"".join(parts[:4])) or parts[0] == b"ff" or (parts[0] == b"00" and len(parts) > 4):
        return None
    if parts[1] == b"0" * 32 or parts[2] == b"0" * 16:
        return None
    return TraceContext(parts[1].decode("ascii"), parts[2].decode("ascii"), int(parts[3], 16) & 1 == 1)
