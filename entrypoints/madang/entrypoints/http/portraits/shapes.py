"""What the Portraits calls take and answer."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Struct

from madang.entrypoints.http.envelope import Shape

Status = Literal["pending_payment", "pending_phone", "pending_upload", "processing", "completed", "failed", "expired"]
Text = Annotated[str, Meta(pattern=r"^[^\u0000]*$")]
"""Text that PostgreSQL can keep: without NUL."""


class Input(Struct, rename="camel", frozen=True, forbid_unknown_fields=True):
    """Base of what comes in: a field that we do not know is an error, not a wish that is silently dropped."""


class MoneyShape(Shape, frozen=True):
    """`amount` is an integer in the currency's minor unit: 9900 KRW are 9,900 won."""

    amount: int
    currency: str


class OrderBody(Input, frozen=True):
    """`locale` is the language of the messages to the buyer. `clientReference` is the client's own id of the order."""

    locale: Literal["ko", "en"] = "ko"
    client_reference: Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\u0000]*$")] | None = None


class PaymentKeyBody(Input, frozen=True):
    """`key` is what the payment provider gave to the browser, where it gave one."""

    key: Annotated[str, Meta(min_length=1, max_length=300, pattern=r"^[\x21-\x7e]*\Z")] | None = None


class PhoneBody(Input, frozen=True):
    """Any common Korean or E.164 form: `010-1234-5678`, `+82 10 1234 5678`."""

    phone: Annotated[str, Meta(min_length=3, max_length=40, pattern=r"^[^\u0000]*$")]


class SurveyBody(Input, frozen=True):
    score: Annotated[int, Meta(ge=1, le=5)]
    comment: Annotated[str, Meta(max_length=1000, pattern=r"^[^\u0000]*$")] | None = None


class CropBody(Input, frozen=True):
    """A rectangle in pixels of the upright photo, 3:4, at least 384×512."""

    x: Annotated[int, Meta(ge=0, le=100_000)]
    y: Annotated[int, Meta(ge=0, le=100_000)]
    width: Annotated[int, Meta(ge=1, le=100_000)]
    height: Annotated[int, Meta(ge=1, le=100_000)]


class CheckoutShape(Shape, frozen=True):
    """Send the browser to `url`, or give `clientParams` to the provider's browser SDK."""

    url: str | None
    client_params: Mapping[str, Any]


class OrderedShape(Shape, frozen=True):
    """The new job. `token` is the only key to it: it is answered here and nowhere else."""

    id: UUID
    token: str
    token_expires_at: datetime
    status: Status
    amount: MoneyShape
    checkout: CheckoutShape
    client_reference: str | None
    created_at: datetime
    expires_at: datetime


class PictureState(Shape, frozen=True):
    index: int
    status: Literal["waiting", "made", "failed"]


class DeletedFile(Shape, frozen=True):
    key: str
    sha256: str | None


class ReceiptShape(Shape, frozen=True):
    """What was deleted and when. `digest` is the SHA-256 over the canonical JSON of the rest; `rows` counts by table."""

    id: UUID
    due_at: datetime
    deleted_at: datetime
    verified_at: datetime | None
    objects: Sequence[DeletedFile]
    rows: Mapping[str, int]
    digest: str


class PortraitShape(Shape, frozen=True):
    """`progress` is from 0 to 100; `awaiting` is what the job waits for next; `checkoutUrl` is there while it is unpaid,
    `resultUrl` once it is completed, `deletionReceipt` once everything is deleted."""

    id: UUID
    status: Status
    progress: int
    awaiting: Literal["payment", "phone", "photo", "pictures"] | None
    amount: MoneyShape
    pictures: Sequence[PictureState]
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    completed_at: datetime | None
    checkout_url: str | None
    result_url: str | None
    failure: str | None
    deletion_receipt: ReceiptShape | None


class AccessShape(Shape, frozen=True):
    result_token: str
    expires_at: datetime


class LinkShape(Shape, frozen=True):
    """A presigned address: GET it until `expiresAt`."""

    url: str
    expires_at: datetime


class PictureShape(Shape, frozen=True):
    """One result in three forms; `width` and `height` are those of `full`."""

    index: int
    seed: int
    width: int
    height: int
    full: LinkShape
    webp: LinkShape
    thumbnail: LinkShape


class ImprovementShape(Shape, frozen=True):
    """`recommendations` are codes of the knowledge base."""

    area: str
    description: str
    recommendations: Sequence[str]


class ReportShape(Shape, frozen=True):
    summary: str
    improvements: Sequence[ImprovementShape]
    timeline: str
    estimated_cost: str


class CareShape(Shape, frozen=True):
    """An entry of the care catalogue: weeks and whole won, from and to."""

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


class ResultShape(Shape, frozen=True):
    """`care` explains the codes that the report recommends."""

    id: UUID
    pictures: Sequence[PictureShape]
    report: ReportShape
    care: Mapping[str, CareShape]
    surveyed: bool
    expires_at: datetime


class SurveyShape(Shape, frozen=True):
    score: int
    comment: str | None
    created_at: datetime
