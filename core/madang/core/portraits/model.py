"""The portrait job: its states, pictures, report and rules (seed 003, sections 3 to 5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal
from uuid import UUID

from madang.core.kernel.errors import Gone, WrongState
from madang.ports.money import Money

PRICE: Final = Money(9900, "KRW")
"""9,900 won, VAT included (seed 003, 4.1)."""
LIFETIME: Final = timedelta(hours=24)
"""From the order until nothing is left (seed 003, 5.2)."""
PICTURE_COUNT: Final = 3
PRESIGNED_FOR: Final = timedelta(hours=1)
MAX_WRONG_PHONES: Final = 3
BLOCK_FOR: Final = timedelta(hours=1)

Locale = Literal["ko", "en"]


class PortraitStatus(StrEnum):
    PENDING_PAYMENT = "pending_payment"
    PENDING_PHONE = "pending_phone"
    PENDING_UPLOAD = "pending_upload"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"


_S = PortraitStatus

PORTRAIT_TRANSITIONS: Final[Mapping[PortraitStatus, frozenset[PortraitStatus]]] = MappingProxyType(
    {
        _S.PENDING_PAYMENT: frozenset({_S.PENDING_PHONE, _S.EXPIRED}),
        _S.PENDING_PHONE: frozenset({_S.PENDING_UPLOAD, _S.FAILED, _S.EXPIRED}),
        _S.PENDING_UPLOAD: frozenset({_S.PROCESSING, _S.FAILED, _S.EXPIRED}),
        _S.PROCESSING: frozenset({_S.COMPLETED, _S.FAILED, _S.EXPIRED}),
        _S.COMPLETED: frozenset({_S.EXPIRED}),
        _S.FAILED: frozenset({_S.EXPIRED}),
        _S.EXPIRED: frozenset(),
    }
)


class FailureReason(StrEnum):
    """Why a job failed; what the buyer is told is made from it."""

    PICTURES = "pictures_could_not_be_made"
    REPORT = "report_could_not_be_written"
    PAYMENT_TAKEN_BACK = "payment_taken_back"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of the job in the storage: `sha256` is lower-case hex, `size` in bytes, the picture's `width` and
    `height` in pixels."""

    key: str
    content_type: str
    size: int
    sha256: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Photo:
    """The buyer's photo as stored: upright, cropped 3:4, without metadata. `source_sha256` is of the upload with its crop."""

    file: StoredFile
    source_sha256: str


class PictureStatus(StrEnum):
    WAITING = "waiting"
    MADE = "made"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PortraitPicture:
    """One of the three results: the same prompt, its own seed. The three files are there when it is `MADE`."""

    portrait_id: UUID
    index: int
    seed: int
    status: PictureStatus
    provider: str | None = None
    full: StoredFile | None = None
    webp: StoredFile | None = None
    thumbnail: StoredFile | None = None


@dataclass(frozen=True, slots=True)
class Improvement:
    """One area to work on; `recommendations` are codes of the knowledge base."""

    area: str
    description: str
    recommendations: Sequence[str]


@dataclass(frozen=True, slots=True)
class Report:
    """The seed's report (003, 4.4). `dropped_codes` are recommendations that the model invented."""

    summary: str
    improvements: Sequence[Improvement]
    timeline: str
    estimated_cost: str
    dropped_codes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class CareEntry:
    """An entry of the care catalogue. `code` is letters and digits (`SC003`); costs in whole won, time in weeks."""

    code: str
    category: str
    title_ko: str
    title_en: str
    description_ko: str
    description_en: str
    weeks_min: int
    weeks_max: int
    cost_min: int
    cost_max: int


@dataclass(frozen=True, slots=True)
class Survey:
    portrait_id: UUID
    score: int
    comment: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AccessAttempts:
    """Wrong phone numbers from one address for one job. The address is kept as a keyed hash only."""

    portrait_id: UUID
    address_hash: bytes = field(repr=False)
    failures: int = 0
    blocked_until: datetime | None = None

    def is_blocked(self, now: datetime) -> bool:
        return self.blocked_until is not None and now < self.blocked_until

    def after_wrong(self, now: datetime) -> "AccessAttempts":
        """One more wrong try; the third blocks for an hour, and a block that is over starts a new count."""
        over = self.blocked_until is not None and now >= self.blocked_until
        failures = 1 if over else self.failures + 1
        blocked = now + BLOCK_FOR if failures >= MAX_WRONG_PHONES else None
        return replace(self, failures=failures, blocked_until=blocked)


@dataclass(frozen=True, slots=True)
class Portrait:
    """One job. `account` is who ordered (a keyed hash for the anonymous buyer); `photo`, phone and results are gone
    once expired.

    `purged_at` is set in the commit that removed the last row with personal data.
    """

    id: UUID
    account: str
    status: PortraitStatus
    payment_id: UUID
    amount: Money
    locale: Locale
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    client_reference: str | None = None
    phone: bytes | None = field(default=None, repr=False)
    phone_hash: bytes | None = field(default=None, repr=False)
    photo: Photo | None = None
    report: Report | None = None
    failure: FailureReason | None = None
    completed_at: datetime | None = None
    purged_at: datetime | None = None

    def require_open(self, now: datetime) -> None:
        """Raises `Gone` once the job's time is over, whether or not the purge has run yet."""
        if self.status is PortraitStatus.EXPIRED or now >= self.expires_at:
            raise Gone("this portrait's 24 hours are over and everything was deleted", code="PORTRAIT_EXPIRED")

    def require(self, *allowed: PortraitStatus) -> None:
        """Raises `WrongState` unless the job is in one of the allowed states."""
        if self.status not in allowed:
            expected = " or ".join(allowed)
            raise WrongState(
                f"the portrait is {self.status}; this needs it to be {expected}", state=self.status.value, expected=expected
            )

    def to(self, status: PortraitStatus, now: datetime) -> "Portrait":
        """The portrait in its next state. Raises `WrongState` for a step that the table does not allow."""
        if status not in PORTRAIT_TRANSITIONS[self.status]:
            raise WrongState(
                f"a portrait that is {self.status} cannot become {status}", state=self.status.value, expected=status.value
            )
        return replace(self, status=status, updated_at=now)

    @property
    def subject(self) -> str:
        return subject_of(self.id)

    @property
    def storage_prefix(self) -> str:
        return storage_prefix_of(self.id)


def subject_of(portrait_id: UUID) -> str:
    """How messages, payments and notifications name the job."""
    return f"portrait:{portrait_id}"


def storage_prefix_of(portrait_id: UUID) -> str:
    """Where all of a job's objects are, and nothing else: what the purge empties."""
    return f"portraits/{portrait_id}/"


def progress_of(portrait: Portrait, pictures: Sequence[PortraitPicture]) -> int:
    """From 0 to 100: 30 when the photo is in, 15 for each picture, 100 when all is done."""
    made = sum(picture.status is PictureStatus.MADE for picture in pictures)
    steps = {
        PortraitStatus.PENDING_PAYMENT: 0,
        PortraitStatus.PENDING_PHONE: 10,
        PortraitStatus.PENDING_UPLOAD: 20,
        PortraitStatus.PROCESSING: 30 + 15 * made,
        PortraitStatus.COMPLETED: 100,
        PortraitStatus.FAILED: 100,
        PortraitStatus.EXPIRED: 100,
    }
    return steps[portrait.status]


AWAITED: Final[Mapping[PortraitStatus, str | None]] = MappingProxyType(
    {
        _S.PENDING_PAYMENT: "payment",
        _S.PENDING_PHONE: "phone",
        _S.PENDING_UPLOAD: "photo",
        _S.PROCESSING: "pictures",
        _S.COMPLETED: None,
        _S.FAILED: None,
        _S.EXPIRED: None,
    }
)
"""What the job waits for next, in the words of the API."""
