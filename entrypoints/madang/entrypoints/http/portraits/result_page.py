"""The page that the SMS links to: phone check, pictures, report, download, survey."""

import math
from collections.abc import Mapping
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final

from litestar.types import ASGIApp

from madang.core.kernel.errors import (
    Conflict,
    Gone,
    PermissionDenied,
    TooManyAttempts,
    Unauthenticated,
    ValidationFailed,
    WrongState,
)
from madang.core.portraits.model import AWAITED, CareEntry, FailureReason, Portrait, PortraitStatus, progress_of
from madang.core.portraits.repository import PortraitView
from madang.core.portraits.results import PortraitResult
from madang.entrypoints.http.answers import redirect
from madang.entrypoints.http.authentication import Audience
from madang.entrypoints.http.language import Language, catalogue
from madang.entrypoints.http.pages.forms import read_form
from madang.entrypoints.http.pages.rendering import clock_time, notice, page
from madang.entrypoints.http.pages.visits import PageRoute, Visit
from madang.entrypoints.http.portraits.downloads import cost_of, weeks_of
from madang.entrypoints.http.portraits.routes import grant_access, zip_answer

COOKIE: Final = "madang_result"
_ONE: Final = "/result/{portrait_id:uuid}"
_REFRESH: Final = 5


async def show(visit: Visit) -> ASGIApp:
    """Whatever there is to show of the job right now."""
    view = await visit.container.portraits.view(visit.portrait_id)
    visit.speak(view.portrait.locale)
    status = view.portrait.status
    if status is PortraitStatus.EXPIRED or visit.now >= view.portrait.expires_at:
        return _expired(visit, view)
    if status is PortraitStatus.COMPLETED:
        return await _completed(visit, view.portrait)
    if status is PortraitStatus.PROCESSING:
        progress = progress_of(view.portrait, view.pictures)
        return notice(visit.language, "waiting", "waiting", progress=progress, refresh=_REFRESH)
    if status is PortraitStatus.FAILED:
        return _failed(visit, view.portrait)
    return notice(visit.language, "unfinished", "waiting", lead=visit.words[f"unfinished_{AWAITED[status]}"])


async def open_with_phone(visit: Visit) -> ASGIApp:
    """The phone check: its cookie opens this job's page and nothing else, and no script can read it."""
    form = await read_form(visit.request, visit.container.settings.base_url)
    try:
        access = await grant_access(visit.container, visit.portrait_id, form.get("phone", ""), visit.address)
    except ValidationFailed:
        return await _phone_form(visit, 400, "phone_invalid")
    except TooManyAttempts as error:
        return _blocked(visit.language, error)
    except PermissionDenied:
        return await _phone_form(visit, 403, "phone_wrong")
    except (Gone, WrongState):
        return redirect(visit.path)
    age = max(1, math.floor((access.expires_at - visit.now).total_seconds()))
    return redirect(visit.path, (b"set-cookie", _cookie(visit, access.result_token, age).encode("latin-1")))


async def answer_survey(visit: Visit) -> ASGIApp:
    form = await read_form(visit.request, visit.container.settings.base_url)
    if not _holds_token(visit):
        return redirect(visit.path)
    score, comment = form.get("score", ""), form.get("comment", "").replace("\0", "").strip()
    if score not in ("1", "2", "3", "4", "5"):
        return await _result(visit, status=400, problem=visit.words["survey_missing"])
    with suppress(Conflict, Gone):
        await visit.container.portraits.submit_survey(visit.portrait_id, int(score), comment[:1000] or None)
    return redirect(f"{visit.path}#survey")


async def go_back(visit: Visit) -> ASGIApp:
    """A form's own address has nothing to show: a reader who reloads or changes the language there goes to the page."""
    return redirect(visit.path)


async def download(visit: Visit) -> ASGIApp:
    return await zip_answer(visit.container, visit.portrait_id) if _holds_token(visit) else redirect(visit.path)


async def _completed(visit: Visit, portrait: Portrait) -> ASGIApp:
    if not _holds_token(visit):
        return _phone_page(visit, portrait, 200, None)
    return await _result(visit)


async def _result(visit: Visit, *, status: int = 200, problem: str | None = None) -> ASGIApp:
    result = await visit.container.portraits.result(visit.portrait_id)
    visit.speak(result.portrait.locale)
    shown = [link.url for item in result.pictures for link in (item.full, item.webp, item.thumbnail)]
    return page(
        "result.html",
        visit.language,
        status=status,
        pictures_from=shown,
        portrait_id=visit.portrait_id,
        gone_at=_time(visit, result.portrait),
        pictures=result.pictures,
        report=result.report,
        report_language=result.portrait.locale,
        improvements=_improvements(result, visit.language),
        surveyed=result.surveyed,
        problem=problem,
    )


def _improvements(result: PortraitResult, language: Language) -> list[Mapping[str, Any]]:
    return [
        {
            "area": item.area,
            "description": item.description,
            "care": [_care(result.care[code], language) for code in item.recommendations if code in result.care],
        }
        for item in result.report.improvements
    ]


def _care(entry: CareEntry, language: Language) -> Mapping[str, str]:
    is_korean = language == "ko"
    return {
        "title": entry.title_ko if is_korean else entry.title_en,
        "description": entry.description_ko if is_korean else entry.description_en,
        "weeks": weeks_of(entry, language),
        "cost": cost_of(entry, language),
    }


async def _phone_form(visit: Visit, status: int, problem: str) -> ASGIApp:
    view = await visit.container.portraits.view(visit.portrait_id)
    visit.speak(view.portrait.locale)
    return _phone_page(visit, view.portrait, status, visit.words[problem])


def _phone_page(visit: Visit, portrait: Portrait, status: int, problem: str | None) -> ASGIApp:
    return page(
        "phone.html",
        visit.language,
        status=status,
        portrait_id=visit.portrait_id,
        gone_at=_time(visit, portrait),
        problem=problem,
    )


def _blocked(language: Language, error: TooManyAttempts) -> ASGIApp:
    seconds = error.retry_after or 3600.0
    lead = catalogue("pages", language)["blocked_lead"].format(minutes=max(1, math.ceil(seconds / 60)))
    answer = notice(language, "blocked", "sorry", status=429, lead=lead)
    answer.headers = [*(answer.headers or ()), (b"retry-after", b"%d" % math.ceil(seconds))]
    return answer


def _failed(visit: Visit, portrait: Portrait) -> ASGIApp:
    taken_back = portrait.failure is FailureReason.PAYMENT_TAKEN_BACK
    return notice(visit.language, "failed", "sorry", lead=visit.words["failed_payment"] if taken_back else None)


def _expired(visit: Visit, view: PortraitView) -> ASGIApp:
    words, receipt = visit.words, view.deletion_receipt
    lines = [words["expired_pending"]]
    if receipt is not None:
        moment = clock_time(receipt.deleted_at, visit.container.settings.timezone)
        lines = [words["expired_receipt"].format(time=moment), f"{words['expired_number']} {receipt.id}"]
    return notice(visit.language, "expired", "over", status=410, lines=lines)


def _time(visit: Visit, portrait: Portrait) -> str:
    return clock_time(portrait.expires_at, visit.container.settings.timezone, now=visit.now)


def _holds_token(visit: Visit) -> bool:
    token = _token_of(visit)
    if not token:
        return False
    try:
        return visit.container.tokens.verify(Audience.RESULT.value, token).subject == str(visit.portrait_id)
    except Unauthenticated:
        return False


def _token_of(visit: Visit) -> str | None:
    try:
        cookie = SimpleCookie(visit.request.headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return None if cookie is None else cookie.value


def _cookie(visit: Visit, token: str, age: int) -> str:
    secure = "; Secure" if visit.container.settings.base_url.startswith("https://") else ""
    return f"{COOKIE}={token}; Max-Age={age}; Path=/result/{visit.portrait_id}; HttpOnly; SameSite=Strict{secure}"


PAGES: Final = (
    PageRoute("GET", _ONE, show),
    PageRoute("POST", _ONE + "/access", open_with_phone, limit="phone_check"),
    PageRoute("POST", _ONE + "/survey", answer_survey),
    PageRoute("GET", _ONE + "/access", go_back),
    PageRoute("GET", _ONE + "/survey", go_back),
    PageRoute("GET", _ONE + "/download", download),
)
