"""The page behind a letter's unsubscribe link: nothing happens on GET, POST switches one category off, without sign-in."""

from typing import Final

from litestar.types import ASGIApp

from madang.core.kernel.caller import Caller, CallerKind
from madang.core.kernel.errors import Unauthenticated
from madang.core.notifications.model import Category
from madang.entrypoints.http.authentication import MAX_TOKEN
from madang.entrypoints.http.pages.rendering import page
from madang.entrypoints.http.pages.visits import PageRoute, Visit

PATH: Final = "/unsubscribe"


async def ask(visit: Visit) -> ASGIApp:
    """Mail programs open links by themselves, to look for harm: that must not sign anybody off."""
    try:
        category = visit.container.notification_preferences.subscription(_token(visit))
    except Unauthenticated:
        return _invalid(visit)
    return _page(visit, "ask", category)


async def unsubscribe(visit: Visit) -> ASGIApp:
    """From our page's button, or in one click from a mail program (RFC 8058): whoever holds the link may, so neither the body
    nor where it was sent from matters. It is answered with a page and never with a redirect."""
    agent = visit.request.headers.get("user-agent")
    caller = Caller(CallerKind.ANONYMOUS, address=visit.address, agent=agent)
    try:
        category = await visit.container.notification_preferences.unsubscribe(_token(visit), caller)
    except Unauthenticated:
        return _invalid(visit)
    return _page(visit, "done", category)


def _token(visit: Visit) -> str:
    """In the query and not in the path: paths are logged."""
    token = visit.request.query_params.get("token", "")
    if not token or len(token) > MAX_TOKEN or not token.isascii():
        raise Unauthenticated("the link is not complete")
    return token


def _page(visit: Visit, step: str, category: Category) -> ASGIApp:
    what = visit.words[f"category_{category.value}"]
    token = _token(visit)
    return page(
        "unsubscribe.html",
        visit.language,
        site=visit.container.settings.brand,
        step=step,
        title=visit.words[f"unsubscribe_{step}_title"],
        lead=visit.words[f"unsubscribe_{step}_lead"].format(what=what),
        action=f"{PATH}?lang={visit.language}&token={token}",
        other_language_link=f"{PATH}?lang={'en' if visit.language == 'ko' else 'ko'}&token={token}",
    )


def _invalid(visit: Visit) -> ASGIApp:
    return page(
        "unsubscribe.html",
        visit.language,
        status=400,
        site=visit.container.settings.brand,
        step="invalid",
        title=visit.words["unsubscribe_invalid_title"],
        lead=visit.words["unsubscribe_invalid_lead"],
        action=None,
    )


PAGES: Final = (PageRoute("GET", PATH, ask), PageRoute("POST", PATH, unsubscribe))
