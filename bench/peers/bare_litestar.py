"""Litestar with nothing behind it: a constant answer. What the framework and the server cost by themselves."""

from typing import Any

from litestar import Litestar, get

ANSWER = {
    "success": True,
    "data": {"id": "019a0000-0000-7000-8000-000000000000", "status": "processing", "progress": 40},
    "meta": {"version": "1"},
}


@get("/api/v1/portraits/{portrait_id:uuid}")
async def read_portrait() -> dict[str, Any]:
    return ANSWER


app = Litestar(route_handlers=[read_portrait], openapi_config=None, logging_config=None)
