"""Rows of the portrait tables to values of the domain, and back."""

from typing import Any, Final

import asyncpg

from madang.adapters.postgres.documents import to_file, to_photo, to_report
from madang.core.portraits.model import FailureReason, PictureStatus, Portrait, PortraitPicture, PortraitStatus
from madang.ports.money import Money

PORTRAIT: Final = (
    "id",
    "account",
    "status",
    "payment_id",
    "amount",
    "currency",
    "locale",
    "created_at",
    "updated_at",
    "expires_at",
    "client_reference",
    "phone",
    "phone_hash",
    "photo",
    "report",
    "failure",
    "completed_at",
    "purged_at",
)
PICTURE: Final = ("portrait_id", "index", "seed", "status", "provider", "full_file", "webp_file", "thumbnail_file")
ATTEMPTS: Final = ("portrait_id", "address_hash", "failures", "blocked_until")
SURVEY: Final = ("portrait_id", "score", "comment", "created_at")


def to_portrait(row: asyncpg.Record) -> Portrait:
    return Portrait(
        id=row["id"],
        account=row["account"],
        status=PortraitStatus(row["status"]),
        payment_id=row["payment_id"],
        amount=Money(row["amount"], row["currency"]),
        locale=row["locale"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        expires_at=row["expires_at"],
        client_reference=row["client_reference"],
        phone=row["phone"],
        phone_hash=row["phone_hash"],
        photo=to_photo(row["photo"]),
        report=to_report(row["report"]),
        failure=None if row["failure"] is None else FailureReason(row["failure"]),
        completed_at=row["completed_at"],
        purged_at=row["purged_at"],
    )


def of_portrait(portrait: Portrait) -> tuple[Any, ...]:
    return (
        portrait.id,
        portrait.account,
        portrait.status.value,
        portrait.payment_id,
        portrait.amount.amount,
        portrait.amount.currency,
        portrait.locale,
        portrait.created_at,
        portrait.updated_at,
        portrait.expires_at,
        portrait.client_reference,
        portrait.phone,
        portrait.phone_hash,
        portrait.photo,
        portrait.report,
        None if portrait.failure is None else portrait.failure.value,
        portrait.completed_at,
        portrait.purged_at,
    )


def to_picture(row: asyncpg.Record) -> PortraitPicture:
    return PortraitPicture(
        portrait_id=row["portrait_id"],
        index=row["index"],
        seed=row["seed"],
        status=PictureStatus(row["status"]),
        provider=row["provider"],
        full=to_file(row["full_file"]),
        webp=to_file(row["webp_file"]),
        thumbnail=to_file(row["thumbnail_file"]),
    )


def of_picture(picture: PortraitPicture) -> tuple[Any, ...]:
    return (
        picture.portrait_id,
        picture.index,
        picture.seed,
        picture.status.value,
        picture.provider,
        picture.full,
        picture.webp,
        picture.thumbnail,
    )
