"""Where the browser comes back to from the checkout. The return is a hint and never the truth."""

import re
from typing import Final

import structlog
from litestar.types import ASGIApp

from madang.core.portraits.model import PortraitStatus
from madang.core.portraits.repository import PortraitView
from madang.entrypoints.http.answers import redirect
from madang.entrypoints.http.errors import is_database_failure
from madang.entrypoints.http.pages.rendering import clock_time, notice
from madang.entrypoints.http.pages.visits import PageRoute, Visit

logger = structlog.stdlib.get_logger("madang.http")

_REFRESH: Final = 3
_KEY: Final = re.compile(r"[\x21-\x7e]{1,300}")
_AFTER_UPLOAD: Final = (PortraitStatus.PROCESSING, PortraitStatus.COMPLETED, PortraitStatus.FAILED, PortraitStatus.EXPIRED)


async def paid(visit: Visit) -> ASGIApp:
    """Ask the provider soon, and tell the buyer how to go on."""
    view = await _view(visit)
    if view.portrait.status in _AFTER_UPLOAD:
        return redirect(f"/result/{visit.portrait_id}")
    if view.portrait.status is not PortraitStatus.PENDING_PAYMENT:
        return notice(visit.language, "paid", "done")
    await _hint(visit)
    return notice(visit.language, "checking", "waiting", refresh=_REFRESH)


async def cancelled(visit: Visit) -> ASGIApp:
    view = await _view(visit)
    if view.portrait.status is not PortraitStatus.PENDING_PAYMENT or visit.now >= view.portrait.expires_at:
        return redirect(f"/portraits/{visit.portrait_id}/paid")
    until = clock_time(view.portrait.expires_at, visit.container.settings.timezone, now=visit.now)
    lead = visit.words["cancelled_lead"].format(time=until)
    return notice(visit.language, "cancelled", "sorry", lead=lead, link=_safe(view.checkout_url))


async def _view(visit: Visit) -> PortraitView:
    view = await visit.container.portraits.view(visit.portrait_id)
    visit.speak(view.portrait.locale)
    return view


async def _hint(visit: Visit) -> None:
    """A hint that is lost costs nothing: the sweeper asks the provider anyway."""
    try:
        await visit.container.portraits.check_payment(visit.portrait_id, _key(visit))
    except Exception as error:
        if is_database_failure(error):
            raise
        logger.warning("the return from the checkout could not be passed on", exc_info=True)


def _key(visit: Visit) -> str | None:
    """What Toss Payments puts into the address for the server to spend."""
    written = visit.request.query_params.get("paymentKey")
    return written if written is not None and _KEY.fullmatch(written) else None


def _safe(url: str | None) -> str | None:
    """Only what a browser opens as a page."""
    return url if url is not None and url.startswith(("https://", "http://", "/")) else None


PAGES: Final = (
    PageRoute("GET", "/portraits/{portrait_id:uuid}/paid", paid),
    PageRoute("GET", "/portraits/{portrait_id:uuid}/cancelled", cancelled),
)
