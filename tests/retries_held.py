"""What failed is tried again when a test lets the time for it pass, and not because the machine was slow meanwhile."""

from datetime import timedelta
from typing import Any, Final

from madang.core.kernel.messages import Failure
from madang.core.kernel.outbox import Leased

HELD: Final = timedelta(hours=1)
"""Longer than any test takes."""
LET_GO: Final = """
UPDATE messages SET due_at = due_at - $1::interval WHERE state = 'waiting' AND failures > 0 AND due_at <= now() + $1::interval
"""
"""Those whose own time has come."""


class HoldingOutbox:
    """Puts a failed message back for so much later than it was told; one that is due at once stays so."""

    def __init__(self, outbox: Any) -> None:
        self._outbox = outbox

    def __getattr__(self, name: str) -> Any:
        return getattr(self._outbox, name)

    async def put_back(self, leased: Leased, failure: Failure, *, delay: float) -> None:
        await self._outbox.put_back(leased, failure, delay=delay + HELD.total_seconds() if delay > 0 else delay)
