"""The read as one would write it by hand on Litestar and asyncpg alone: check the token, one statement, the same body."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import jwt
from litestar import Litestar, Request, get
from litestar.datastructures import State
from litestar.exceptions import NotAuthorizedException, NotFoundException

KEY = os.environ["BENCH_KEY"]
ZONE = ZoneInfo("Asia/Seoul")
AWAITS = {"pending_payment": "payment", "pending_phone": "phone", "pending_upload": "photo"}
READ = """
SELECT p.id, p.status, p.amount, p.currency, p.failure, p.created_at, p.expires_at, p.completed_at, p.purged_at,
       pay.checkout_url, r.digest,
       (SELECT count(*) FILTER (WHERE status = 'made') FROM portrait_pictures WHERE portrait_id = p.id) AS finished
FROM portraits p
JOIN payments pay ON pay.id = p.payment_id
LEFT JOIN deletion_receipts r ON r.subject = 'portrait:' || p.id::text
WHERE p.id = $1
"""


def in_zone(instant: datetime | None) -> str | None:
    return None if instant is None else instant.astimezone(ZONE).isoformat()


def signed_in(request: Request[Any, Any, Any], portrait_id: UUID) -> None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer":
        raise NotAuthorizedException
    try:
        claims = jwt.decode(token, KEY, algorithms=["HS256"], audience="portrait", issuer="bench")
    except jwt.PyJWTError:
        raise NotAuthorizedException from None
    if claims["sub"] != str(portrait_id):
        raise NotFoundException


@get("/api/v1/portraits/{portrait_id:uuid}")
async def read_portrait(request: Request[Any, Any, Any], state: State, portrait_id: UUID) -> dict[str, Any]:
    signed_in(request, portrait_id)
    row = await state.pool.fetchrow(READ, portrait_id)
    if row is None:
        raise NotFoundException
    return {
        "success": True,
        "data": {
            "id": str(row["id"]),
            "status": row["status"],
            "progress": 40 + 20 * row["finished"] if row["status"] == "processing" else 0,
            "awaiting": AWAITS.get(row["status"]),
            "amount": {"amount": row["amount"], "currency": row["currency"]},
            "checkoutUrl": row["checkout_url"],
            "failure": row["failure"],
            "createdAt": in_zone(row["created_at"]),
            "expiresAt": in_zone(row["expires_at"]),
            "completedAt": in_zone(row["completed_at"]),
            "purgedAt": in_zone(row["purged_at"]),
        },
        "meta": {
            "timestamp": in_zone(datetime.now(UTC)),
            "version": "1",
            "requestId": f"{time.time_ns():x}",
        },
    }


@asynccontextmanager
async def pool(app: Litestar) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["BENCH_DATABASE_URL"], min_size=10, max_size=10) as app.state.pool:
        yield


app = Litestar(route_handlers=[read_portrait], lifespan=[pool], openapi_config=None, logging_config=None)
