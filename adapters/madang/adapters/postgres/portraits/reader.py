"""The hot read of a portrait job: one statement, on asyncpg directly."""

# ruff: noqa: S608 – column names are constants of this package

from typing import Any, Final
from uuid import UUID

from madang.adapters.postgres.database import Database
from madang.adapters.postgres.documents import to_file
from madang.adapters.postgres.portraits import rows
from madang.adapters.postgres.portraits.receipts import RECEIPT, to_receipt
from madang.core.portraits.model import PictureStatus, PortraitPicture
from madang.core.portraits.repository import PortraitView

_VIEW: Final = """
SELECT portrait.*, payment.checkout_url, made.pictures, receipt.*
FROM (SELECT {portrait} FROM portraits WHERE id = $1) AS portrait
JOIN payments AS payment ON payment.id = portrait.payment_id
LEFT JOIN LATERAL (
    SELECT jsonb_agg(to_jsonb(picture) - 'portrait_id' ORDER BY picture.index) AS pictures
    FROM portrait_pictures AS picture WHERE picture.portrait_id = portrait.id
) AS made ON true
LEFT JOIN (SELECT {receipt} FROM deletion_receipts) AS receipt ON receipt.receipt_subject = 'portrait:' || portrait.id
""".format(
    portrait=", ".join(rows.PORTRAIT),
    receipt=", ".join(f"{column} AS receipt_{column}" for column in RECEIPT),
)


class PostgresPortraitReader:
    """Fulfils `PortraitReader`. asyncpg prepares the statement once a connection and keeps it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def view(self, portrait_id: UUID) -> PortraitView | None:
        row = await self._database.fetchrow(_VIEW, portrait_id)
        if row is None:
            return None
        return PortraitView(
            portrait=rows.to_portrait(row),
            pictures=[_picture(portrait_id, document) for document in row["pictures"] or ()],
            checkout_url=row["checkout_url"],
            deletion_receipt=None if row["receipt_id"] is None else to_receipt(row, prefix="receipt_"),
        )


def _picture(portrait_id: UUID, document: dict[str, Any]) -> PortraitPicture:
    return PortraitPicture(
        portrait_id=portrait_id,
        index=document["index"],
        seed=document["seed"],
        status=PictureStatus(document["status"]),
        provider=document["provider"],
        full=to_file(document["full_file"]),
        webp=to_file(document["webp_file"]),
        thumbnail=to_file(document["thumbnail_file"]),
    )
