"""The page behind the link in a buyer's letter: whoever holds its token reads this one document, without sign-in."""

import asyncio
from typing import Final
from uuid import UUID

from litestar.types import ASGIApp

from madang.core.billing.invoices.issuing import INVOICE_LINK
from madang.core.billing.invoices.reading import InvoiceView
from madang.core.kernel.errors import Unauthenticated
from madang.entrypoints.http.authentication import MAX_TOKEN
from madang.entrypoints.http.billing.invoice_drawing import html_answer, pdf_answer
from madang.entrypoints.http.exchange import exchange_of
from madang.entrypoints.http.language import Language, preferred
from madang.entrypoints.http.pages.rendering import notice
from madang.entrypoints.http.pages.visits import PageRoute, Visit

_NO_STORE: Final = (b"cache-control", b"no-store")


async def show(visit: Visit) -> ASGIApp:
    """The page, or with `format=pdf` the printed document."""
    invoice_id: UUID = visit.request.path_params["invoice_id"]
    try:
        token = _token(visit, invoice_id)
    except Unauthenticated:
        return notice(visit.language, "invoice_link", "sorry", status=403)
    view = await visit.container.invoices.linked(invoice_id)
    language = _language(visit, view)
    here = f"/invoices/{invoice_id}?token={token}"
    if visit.request.query_params.get("format") == "pdf":
        answer = pdf_answer(view, language, await asyncio.to_thread(visit.container.invoices.pdf, view, language))
    else:
        other = f"{here}&lang={'en' if language == 'ko' else 'ko'}"
        answer = html_answer(view, language, visit.container.settings, other=other, pdf=f"{here}&lang={language}&format=pdf")
    # The address itself opens the document: nothing of it stays in a browser that others use.
    answer.headers = [*(header for header in answer.headers or () if header[0] != b"cache-control"), _NO_STORE]
    return answer


def _token(visit: Visit, invoice_id: UUID) -> str:
    """In the query and not in the path: paths are logged. Raises `Unauthenticated`."""
    token = visit.request.query_params.get("token", "")
    if not token or len(token) > MAX_TOKEN or not token.isascii():
        raise Unauthenticated("the link is not complete")
    if visit.container.tokens.verify(INVOICE_LINK, token).subject != str(invoice_id):
        raise Unauthenticated("the link is for another document")
    return token


def _language(visit: Visit, view: InvoiceView) -> Language:
    if visit.is_chosen:
        return visit.language
    default: Language = "en" if view.invoice.content.locale == "en" else "ko"
    return preferred(exchange_of(visit.request.scope).accept_language, default)


PAGES: Final = (PageRoute("GET", "/invoices/{invoice_id:uuid}", show),)
