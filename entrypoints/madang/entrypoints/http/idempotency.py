"""Writing twice: the same key and body get the first answer again (`Idempotency-Key`)."""

import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID

import structlog
from litestar import Request

from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import Conflict, Problem, ValidationFailed
from madang.core.kernel.idempotency import Claim, ClaimOutcome, IdempotencyStore, KeptAnswer
from madang.entrypoints.http.answers import Answer
from madang.entrypoints.http.errors import is_database_failure

logger = structlog.stdlib.get_logger("madang.http")

HEADER: Final = "Idempotency-Key"
KEPT_FOR: Final = 24 * 3600.0
LEASE: Final = 60.0
"""How long a request may work before another one with its key may take over: a process that died frees the key by that."""
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")


class KeyReused(Conflict):
    code = "IDEMPOTENCY_KEY_REUSED"


class RequestInProgress(Conflict):
    code = "REQUEST_IN_PROGRESS"
    retryable = True


def key_of(request: Request[Any, Any, Any]) -> str | None:
    """The caller's key, None without one. Raises `ValidationFailed` for one that is not 1 to 255 visible ASCII characters."""
    key: str | None = request.headers.get("idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        raise ValidationFailed(Problem(HEADER, "must be 1 to 255 visible ASCII characters"))
    return key


def hash_of(request: Request[Any, Any, Any], body: bytes) -> bytes:
    """What makes two requests the same: where they go and every byte of what they carry."""
    scope = request.scope
    about = b"\0".join((scope["path"].encode(), scope.get("query_string", b"")))
    return hashlib.sha256(hashlib.sha256(about).digest() + body).digest()


class Once:
    """One request under its key."""

    def __init__(self, store: IdempotencyStore, clock: Clock, scope: str, key: str) -> None:
        self._store = store
        self._clock = clock
        self._scope = scope
        self._key = key

    async def answer(self, body_hash: bytes, act: Callable[[UUID], Awaitable[Answer]]) -> Answer:
        """Act, and keep the answer; or give the first answer again. Raises `KeyReused`, `RequestInProgress`.

        A failure frees the key. A caller who is cut off, or a database that goes away in the middle, does not: what was being
        done may have been committed, so the next try waits for the lease and then works under the same subject id.
        """
        claim = await self._store.claim(self._scope, self._key, body_hash, now=self._clock.now(), lease=LEASE, keep=KEPT_FOR)
        if claim.outcome is not ClaimOutcome.CLAIMED:
            return _earlier(claim)
        try:
            answer = await act(claim.subject_id)
        except Exception as error:
            if not is_database_failure(error):
                await self._release()
            raise
        await self._store.answer(self._scope, self._key, KeptAnswer(answer.status, answer.media_type, answer.body))
        return answer

    async def _release(self) -> None:
        """The caller is to hear why the request failed, not why the key could not be freed: its lease ends by itself."""
        try:
            await self._store.release(self._scope, self._key)
        except Exception:
            logger.warning("an idempotency key could not be released", exc_info=True)


def _earlier(claim: Claim) -> Answer:
    if claim.outcome is ClaimOutcome.REUSED:
        raise KeyReused("this key was used with another request")
    if claim.answer is None:
        raise RequestInProgress("the first request with this key is still in progress", retry_after=1)
    kept = claim.answer
    return Answer(kept.status, kept.body, kept.media_type, [(b"idempotency-replayed", b"true")])
