"""What is left of a deletion: a receipt of what was deleted and when, whose digest proves that nobody changed it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from madang.core.kernel.messages import RetryPolicy

PATIENT: Final = RetryPolicy((5, 15, 60, 300, 900, *[3600] * 72))
"""A deletion is not given up for days: until then somebody has read the alert."""
VERIFY_AFTER: Final = timedelta(minutes=10)
"""A write that was under way at the deletion has ended by then."""


@dataclass(frozen=True, slots=True)
class DeletedObject:
    """`sha256` is None for an object that no row knew (a write that never finished)."""

    key: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class DeletionReceipt:
    """What was deleted, when, and the hashes; `digest` is the SHA-256 over the canonical JSON of the rest, so it can
    be checked."""

    id: UUID
    subject: str
    due_at: datetime
    deleted_at: datetime
    objects: Sequence[DeletedObject]
    rows: Mapping[str, int]
    digest: str = ""
    verified_at: datetime | None = None

    def signed(self) -> "DeletionReceipt":
        """With its digest."""
        return replace(self, digest=digest_of(self))


class ReceiptRepository(Protocol):
    async def by_subject(self, subject: str) -> DeletionReceipt | None: ...

    async def save(self, receipt: DeletionReceipt) -> None:
        """Insert, or replace by subject."""
        ...

    async def prune(self, before: datetime, *, limit: int) -> int:
        """Delete those of what was deleted before then."""
        ...


def digest_of(receipt: DeletionReceipt) -> str:
    """SHA-256 in hex over the receipt's canonical JSON: keys sorted, no spaces, UTF-8, without `digest` and `verified_at`."""
    document = {
        "id": str(receipt.id),
        "subject": receipt.subject,
        "due_at": int(receipt.due_at.timestamp()),
        "deleted_at": int(receipt.deleted_at.timestamp()),
        "objects": [[each.key, each.sha256] for each in receipt.objects],
        "rows": dict(receipt.rows),
    }
    written = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(written.encode()).hexdigest()
