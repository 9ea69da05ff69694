"""The read as one would write it by hand on Litestar and asyncpg alone: check the token, one statement, the same body."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import asyncpg
import jwt
import msgspec
from litestar import Litestar, Request, get
from litestar.datastructures import State
from litestar.exceptions import NotAuthorizedException, NotFoundException

KEY = os.environ["BENCH_KEY"]
BASE_URL = "http://127.0.0.1:8000"
ZONE = ZoneInfo("Asia/Seoul")
AWAITS = {"pending_payment": "payment", "pending_phone": "phone", "pending_upload": "photo", "processing": "pictures"}
PROGRESS = {"pending_payment": 0, "pending_phone": 10, "pending_upload": 20, "processing": 30}
READ = """
SELECT p.id, p.status, p.amount, p.currency, p.failure, p.created_at, p.updated_at, p.expires_at, p.completed_at,
       pay.checkout_url, made.pictures, r.id AS receipt_id, r.due_at, r.deleted_at, r.verified_at,
       r.objects, r.row_counts, r.digest
FROM portraits p
JOIN payments pay ON pay.id = p.payment_id
LEFT JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('index', index, 'status', status) ORDER BY index) AS pictures
    FROM portrait_pictures WHERE portrait_id = p.id
) made ON true
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
    status, pictures = row["status"], msgspec.json.decode(row["pictures"] or b"[]")
    return {
        "success": True,
        "data": {
            "id": str(row["id"]),
            "status": status,
            "progress": PROGRESS.get(status, 100) + 15 * sum(one["status"] == "made" for one in pictures),
            "awaiting": AWAITS.get(status),
            "amount": {"amount": row["amount"], "currency": row["currency"]},
            "pictures": pictures,
            "createdAt": in_zone(row["created_at"]),
            "updatedAt": in_zone(row["updated_at"]),
            "expiresAt": in_zone(row["expires_at"]),
            "completedAt": in_zone(row["completed_at"]),
            "checkoutUrl": row["checkout_url"] if status == "pending_payment" else None,
            "resultUrl": f"{BASE_URL}/result/{row['id']}" if status == "completed" else None,
            "failure": row["failure"],
            "deletionReceipt": row["digest"],
        },
        "meta": {"timestamp": in_zone(datetime.now(UTC)), "version": "0.1.0", "requestId": uuid4().hex},
    }


@asynccontextmanager
async def pool(app: Litestar) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["BENCH_DATABASE_URL"], min_size=10, max_size=10) as app.state.pool:
        yield


app = Litestar(route_handlers=[read_portrait], lifespan=[pool], openapi_config=None, logging_config=None)
