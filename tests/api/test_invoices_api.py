"""Invoices as JSON, page or PDF by `Accept`, in the reader's language, kept by the reader because they never change."""

from io import BytesIO
from typing import Any

import httpx
import pytest
from pypdf import PdfReader

from api.api_in_memory import InMemoryContainer
from api.invoices_in_memory import BUYER
from invoice_samples import INVOICE, invoice, lines, paid
from madang.core.billing.invoices.reading import InvoiceView
from madang.core.billing.invoices.sheet import Buyer

ONE = f"/api/v1/invoices/{INVOICE}"


@pytest.fixture
def read(container: InMemoryContainer, client: httpx.AsyncClient) -> Any:
    token = container.token("api", BUYER, userId=str(BUYER), role="client", permissions=["invoices:read"])

    async def get(path: str = ONE, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await client.get(path, headers={"Authorization": f"Bearer {token}", **named})

    return get


async def test_the_list_is_paged_and_each_has_its_lines_and_its_tax(read: Any) -> None:
    body = (await read("/api/v1/invoices?limit=1")).json()
    assert body["meta"]["pagination"] == {
        "limit": 1, "page": 1, "total": 1, "totalPages": 1, "hasNext": False, "hasPrev": False,
    }  # fmt: skip
    [told] = body["data"]
    assert (told["number"], told["amount"], told["vat"]) == (
        "INV-2026-000001", {"amount": 9900, "currency": "KRW"}, {"amount": 900, "currency": "KRW"},
    )  # fmt: skip
    assert [(line["supply"], line["vat"], line["amount"]) for line in told["lines"]] == [(9000, 900, 9900)]
    assert (told["issuedAt"], told["seller"]["registrationNumber"]) == ("2026-01-05T12:07:31+09:00", "123-45-67890")
    assert told["buyer"] == {"name": "홍길동", "email": "hong@example.com"}


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        ("*/*", "application/json"),
        ("application/pdf", "application/pdf"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html; charset=utf-8"),
        ("application/pdf;q=0.5, text/html;q=0.4, application/json;q=0.1", "application/pdf"),
        ("application/*;q=0.2, text/html;q=0.1, application/json;q=0", "application/pdf"),
        ("text/*", "text/html; charset=utf-8"),
        ("APPLICATION/PDF", "application/pdf"),
        ("application/json;q=0, */*;q=0.1", "text/html; charset=utf-8"),
    ],
)
async def test_the_form_is_the_one_that_accept_weighs_most(read: Any, accept: str, answered: str) -> None:
    answer = await read(Accept=accept)
    assert (answer.status_code, answer.headers["content-type"]) == (200, answered)


@pytest.mark.parametrize("accept", ["image/png", "application/pdf;q=0", "text/html;level=1", "application/pdf;q=wrong", ";,"])
async def test_what_cannot_be_had_is_406_and_says_what_can(read: Any, accept: str) -> None:
    answer = await read(Accept=accept)
    assert answer.status_code == 406
    error = answer.json()["error"]
    assert error["code"] == "NOT_ACCEPTABLE"
    assert "application/json, text/html, application/pdf" in error["message"]


async def test_a_pdf_is_named_by_its_number_and_holds_the_text(read: Any) -> None:
    answer = await read(Accept="application/pdf")
    assert answer.headers["content-disposition"] == 'inline; filename="INV-2026-000001.pdf"'
    text = PdfReader(BytesIO(answer.content)).pages[0].extract_text()
    assert "영수증 (인보이스)" in text
    assert "9,900원" in text


@pytest.mark.parametrize(("asked", "title"), [("en-GB,ko;q=0.5", "Invoice and receipt"), ("ko", "영수증"), ("fr", "영수증")])
async def test_the_language_is_the_readers_else_that_of_the_purchase(read: Any, asked: str, title: str) -> None:
    page = await read(Accept="text/html", Accept_Language=asked)
    assert f"<h1>{title}" in page.text
    pdf = await read(Accept="application/pdf", Accept_Language=asked)
    assert title in PdfReader(BytesIO(pdf.content)).pages[0].extract_text()


@pytest.mark.parametrize("accept", ["text/html", "application/pdf"])
async def test_what_never_changes_is_kept_by_its_reader_and_not_sent_twice(read: Any, accept: str) -> None:
    first = await read(Accept=accept)
    assert first.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert "authorization" in first.headers["vary"]
    again = await read(Accept=accept, If_None_Match=f'"else", W/{first.headers["etag"]}')
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    other = await read(Accept=accept, If_None_Match=first.headers["etag"], Accept_Language="en")
    assert other.status_code == 200


async def test_a_forgotten_buyer_makes_another_document_to_keep(read: Any, container: InMemoryContainer) -> None:
    before = await read(Accept="text/html")
    container.invoices.view = InvoiceView(container.invoices.view.invoice, Buyer())
    after = await read(Accept="text/html", If_None_Match=before.headers["etag"])
    assert (after.status_code, "홍길동" in after.text) == (200, False)


async def test_names_of_products_and_people_are_text_and_never_markup(read: Any, container: InMemoryContainer) -> None:
    evil = '<script>alert("1")</script><img src=x onerror=alert(1)>'
    container.invoices.view = InvoiceView(invoice(paid(lines((evil, 1, 100)))), Buyer(evil, evil))
    page = await read(Accept="text/html")
    assert "<script" not in page.text
    assert "<img" not in page.text
    assert page.text.count("&lt;script&gt;") == 3
    assert "default-src 'none'" in page.headers["content-security-policy"]


async def test_the_page_is_a_table_with_heads_and_a_sum(read: Any) -> None:
    page = (await read(Accept="text/html", Accept_Language="en")).text
    for part in ('<th scope="col">Description</th>', '<th scope="row">증명사진 세트</th>', "<td>9,000</td>", "<dd>9,900"):
        assert part in page.replace("KRW ", "")


async def test_somebody_elses_invoice_is_not_there(client: httpx.AsyncClient, container: InMemoryContainer) -> None:
    token = container.token("api", INVOICE, userId=str(INVOICE), role="client", permissions=["invoices:read"])
    answer = await client.get(ONE, headers={"Authorization": f"Bearer {token}", "Accept": "application/pdf"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "INVOICE_NOT_FOUND")


async def test_a_buyer_without_an_account_reads_the_invoice_with_the_jobs_token(
    client: httpx.AsyncClient, container: InMemoryContainer
) -> None:
    order = (await client.post("/api/v1/portraits", json={})).json()["data"]
    headers = {"Authorization": f"Bearer {order['token']}", "Accept": "application/pdf"}
    answer = await client.get(f"/api/v1/portraits/{order['id']}/invoice", headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    other = await client.get(f"/api/v1/portraits/{INVOICE}/invoice", headers=headers)
    assert other.status_code == 404
