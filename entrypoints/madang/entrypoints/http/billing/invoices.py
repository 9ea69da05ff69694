"""A buyer's invoices and credit notes, as data, as a page or printed."""

import asyncio
from typing import Final
from uuid import UUID

from litestar.types import ASGIApp

from madang.core.billing.invoices.reading import InvoiceView
from madang.core.kernel.paging import PageRequest
from madang.entrypoints.http.answers import JSON
from madang.entrypoints.http.authentication import Access, Audience
from madang.entrypoints.http.billing.invoice_drawing import html_answer, pdf_answer, unchanged
from madang.entrypoints.http.billing.invoice_shapes import INVOICE, InvoiceShape, InvoicesQuery, of_invoice
from madang.entrypoints.http.envelope import Pagination
from madang.entrypoints.http.exchange import exchange_of
from madang.entrypoints.http.language import Language, preferred
from madang.entrypoints.http.media_types import PDF, PLAIN_HTML, chosen
from madang.entrypoints.http.operation import Call, Header, Operation, route

TAG: Final = "Invoices"
_READ: Final = Access(Audience.API, "invoices:read")
_OFFERED: Final = (JSON, PLAIN_HTML, PDF)
_ACCEPT: Final = Header("Accept", f"One of {', '.join(_OFFERED)}; weights are heard.", PDF)


@route(
    Operation(
        "GET",
        "/invoices",
        "listInvoices",
        TAG,
        "List your invoices",
        "With the credit notes, the newest first. An invoice is issued within moments of its payment, and is the receipt, too.",
        list[InvoiceShape],
        [INVOICE],
        access=_READ,
        query=InvoicesQuery,
        paginated=True,
        errors=("VALIDATION_ERROR",),
    )
)
async def list_invoices(call: Call) -> ASGIApp:
    query: InvoicesQuery = call.query
    page = await call.container.invoices.page(call.caller, PageRequest(query.page, query.limit))
    return call.succeed([of_invoice(view, call.zone) for view in page.items], pagination=Pagination.of(page))


@route(
    Operation(
        "GET",
        "/invoices/{invoice_id:uuid}",
        "getInvoice",
        TAG,
        "Read an invoice",
        "As JSON, as a page (`Accept: text/html`) or as a PDF (`Accept: application/pdf`), in Korean or English by "
        "`Accept-Language`, else in the language of the purchase. It never changes, but for its buyer, who may be forgotten.",
        InvoiceShape,
        INVOICE,
        access=_READ,
        errors=("INVOICE_NOT_FOUND", "NOT_FOUND"),
        headers=(_ACCEPT,),
        also_as=(PLAIN_HTML, PDF),
        kept=True,
    )
)
async def get_invoice(call: Call) -> ASGIApp:
    wanted = chosen(call.request.headers.get("accept"), _OFFERED)
    invoice_id: UUID = call.request.path_params["invoice_id"]
    return await _answer(call, await call.container.invoices.get(call.caller, invoice_id), wanted)


@route(
    Operation(
        "GET",
        "/portraits/{portrait_id:uuid}/invoice",
        "getPortraitInvoice",
        "Portraits",
        "Read the invoice of a portrait",
        "With the job's token, for a buyer without an account: as JSON, page or PDF like any invoice, with nobody's name. "
        "It outlives the job.",
        InvoiceShape,
        {**INVOICE, "buyer": None},
        access=Access(Audience.PORTRAIT),
        errors=("INVOICE_NOT_FOUND",),
        headers=(_ACCEPT,),
        also_as=(PLAIN_HTML, PDF),
        kept=True,
    )
)
async def get_portrait_invoice(call: Call) -> ASGIApp:
    wanted = chosen(call.request.headers.get("accept"), _OFFERED)
    view = await call.container.portraits.view(call.portrait_id)
    return await _answer(call, await call.container.invoices.of_payment(view.portrait.payment_id), wanted)


async def _answer(call: Call, view: InvoiceView, wanted: str) -> ASGIApp:
    if wanted == JSON:
        return call.succeed(of_invoice(view, call.zone))
    language = _language(call, view)
    known = call.request.headers.get("if-none-match")
    if (answer := unchanged(known, view, language, wanted)) is not None:
        return answer
    if wanted == PDF:
        return pdf_answer(view, language, await asyncio.to_thread(call.container.invoices.pdf, view, language))
    return html_answer(view, language, call.container.settings, other=None, pdf=None)


def _language(call: Call, view: InvoiceView) -> Language:
    default: Language = "en" if view.invoice.content.locale == "en" else "ko"
    return preferred(exchange_of(call.request.scope).accept_language, default)


ROUTES: Final = (list_invoices, get_invoice)
OF_PORTRAITS: Final = (get_portrait_invoice,)
