"""Credits: what there is, what became of it, and spending it."""

from typing import Final

from litestar.types import ASGIApp

from madang.core.billing.credits.accounts import CreditGift, Deduction
from madang.core.kernel.caller import Caller
from madang.core.kernel.errors import PermissionDenied
from madang.core.kernel.paging import CursorRequest
from madang.entrypoints.http.authentication import Access, Audience
from madang.entrypoints.http.billing.credit_shapes import (
    BALANCE,
    DEDUCTION,
    ENTRY,
    GRANT,
    NEW_DEDUCTION,
    NEW_GRANT,
    PACK,
    CreditBalanceShape,
    CreditEntryShape,
    CreditGrantBody,
    CreditGrantShape,
    CreditHistoryQuery,
    CreditPackShape,
    CreditPacksQuery,
    DeductionBody,
    DeductionShape,
    of_balance,
    of_deduction,
    of_entry,
    of_grant,
    of_pack,
)
from madang.entrypoints.http.envelope import Pagination
from madang.entrypoints.http.operation import Call, JsonBody, Operation, route

TAG: Final = "Credits"
_READ: Final = Access(Audience.API, "credits:read")
_SPEND: Final = Access(Audience.API, "credits:spend")
_GRANT: Final = Access(Audience.API, "credits:grant")


@route(
    Operation(
        "GET", "/credits/balance", "getCreditBalance", TAG, "Read your balance",
        "Changes come live as `billing.credits_changed` on `GET /events`.",
        CreditBalanceShape, BALANCE, access=_READ,
    )
)  # fmt: skip
async def get_balance(call: Call) -> ASGIApp:
    return call.succeed(of_balance(call, await call.container.credit_accounts.balance(_user(call))))


@route(
    Operation(
        "GET", "/credits/history", "listCreditHistory", TAG, "List what became of your credits",
        "The newest first, never changed and never pruned.",
        list[CreditEntryShape], [ENTRY],
        access=_READ, query=CreditHistoryQuery, by_cursor=True, errors=("VALIDATION_ERROR",),
    )
)  # fmt: skip
async def list_history(call: Call) -> ASGIApp:
    query: CreditHistoryQuery = call.query
    page = await call.container.credit_accounts.history(_user(call), CursorRequest(query.cursor, query.limit))
    return call.succeed([of_entry(call, entry) for entry in page.items], pagination=Pagination.by_cursor(page))


@route(
    Operation(
        "POST", "/credits/deduct", "deductCredits", TAG, "Spend credits",
        "Those that end soonest first. Never below zero: 402 `INSUFFICIENT_CREDITS` says what there is, and takes nothing. A "
        "`clientReference` that another deduction has is 409 `ALREADY_EXISTS` with that one's id.",
        DeductionShape, DEDUCTION, status=201,
        access=_SPEND, body=JsonBody(DeductionBody, NEW_DEDUCTION),
        errors=("INSUFFICIENT_CREDITS", "ALREADY_EXISTS", "USER_NOT_FOUND"), idempotent=True, spends=True,
    )
)  # fmt: skip
async def deduct(call: Call) -> ASGIApp:
    body: DeductionBody = call.body
    deduction = Deduction(call.subject_id, body.amount, body.reason, body.client_reference)
    written = await call.container.credit_accounts.deduct(_user(call), deduction)
    return call.succeed(of_deduction(call, written, deduction), credits_used=written.spent)


@route(
    Operation(
        "GET", "/credits/packs", "listCreditPacks", TAG, "List what can be bought", "Packs of credits with their prices.",
        list[CreditPackShape], [PACK], query=CreditPacksQuery, errors=("VALIDATION_ERROR",),
    )
)  # fmt: skip
async def list_packs(call: Call) -> ASGIApp:
    query: CreditPacksQuery = call.query
    packs = [of_pack(pack, query.currency) for pack in call.container.catalogue.packs]
    return call.succeed([pack for pack in packs if pack.prices])


@route(
    Operation(
        "POST", "/admin/credits/grants", "grantCredits", "Administration", "Give a user credits", "At once, and audited.",
        CreditGrantShape, GRANT, status=201,
        access=_GRANT, body=JsonBody(CreditGrantBody, NEW_GRANT), errors=("USER_NOT_FOUND",), idempotent=True,
    )
)  # fmt: skip
async def grant(call: Call) -> ASGIApp:
    body: CreditGrantBody = call.body
    gift = CreditGift(call.subject_id, body.user_id, body.amount, body.reason, body.expires_at)
    return call.succeed(of_grant(call, await call.container.credit_accounts.give(call.caller, gift), gift))


def _user(call: Call) -> Caller:
    """Credits belong to people: an operator's token names none."""
    caller = call.caller
    if caller.user_id is None:
        raise PermissionDenied("this needs the token or the key of a user", permission="credits:read")
    return caller


ROUTES: Final = (get_balance, list_history, deduct, list_packs, grant)
