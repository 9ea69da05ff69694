"""Printed documents: readable, the same bytes for the same document, over several pages, whatever letters are in them."""

from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from invoice_samples import credit_note, invoice, lines, paid
from madang.adapters.reportlab.invoice_pdf import InvoicePdf
from madang.adapters.reportlab.typefaces import BOLD, REGULAR, drawable, width
from madang.core.billing.invoices.model import Invoice
from madang.core.billing.invoices.sheet import Buyer, Language, sheet_of

BUYER = Buyer("홍길동", "hong@example.com")


def printed(document: Invoice, language: Language = "ko", buyer: Buyer = BUYER) -> bytes:
    return InvoicePdf().print(sheet_of(document, buyer, language, "Asia/Seoul"), at=document.issued_at)


def text_of(pdf: bytes) -> list[str]:
    return [page.extract_text() for page in PdfReader(BytesIO(pdf)).pages]


def test_everything_that_an_invoice_says_can_be_copied_out_of_it() -> None:
    [text] = text_of(printed(invoice()))
    for said in (
        "영수증 (인보이스)", "INV-2026-000001", "2026-01-05", "신용카드", "주식회사 마당", "123-45-67890", "김마당", "홍길동",
        "hong@example.com", "증명사진 세트", "공급가액", "부가가치세 (10%)", "9,000", "900", "9,900원",
    ):  # fmt: skip
        assert said in text


def test_a_credit_note_in_english_says_what_went_back() -> None:
    [text] = text_of(printed(credit_note(invoice(), 3000), "en"))
    assert "Credit note" in text
    assert "KRW -3,000" in text
    assert "Corrects invoice\nINV-2026-000001" in text


def test_the_same_document_is_the_same_bytes_and_tells_when_it_was_issued() -> None:
    first = printed(invoice())
    assert first == printed(invoice())
    assert first != printed(invoice(), "en")
    about = PdfReader(BytesIO(first)).metadata
    assert about is not None
    assert about["/CreationDate"] == "D:20260105030731+00'00'"
    assert about.title == "영수증 (인보이스) INV-2026-000001"


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("provider", ["sandbox", "memory"])
def test_a_document_about_money_that_never_moved_says_so_on_every_page_in_both_languages(
    language: Language, provider: str
) -> None:
    bought = lines(*((f"상품 {number}", 1, 1000) for number in range(60)))
    played = invoice(paid(bought, provider=provider))
    for document in (played, credit_note(played, 3000)):
        for text in text_of(printed(document, language)):
            assert "Test document: no money moved" in text
            assert "시험용 문서 · 실제 결제가 아닙니다" in text
    assert not any("Test document" in text for text in text_of(printed(invoice(paid(bought)), language)))


def test_many_lines_go_over_pages_with_the_heads_of_the_table_on_each() -> None:
    bought = lines(*((f"상품 {number} " + "긴 이름 " * (number % 12), number + 1, 1000) for number in range(80)))
    pages = text_of(printed(invoice(paid(bought))))
    assert len(pages) > 3
    for number, text in enumerate(pages, 1):
        assert f"{number} / {len(pages)}쪽" in text
        assert ("단가" in text) == ("상품 " in text)
    whole = "\n".join(pages)
    assert all(f"상품 {number} " in whole or f"상품 {number}\n" in whole for number in range(80))
    assert whole.count("합계") == 1


def test_a_word_longer_than_the_page_and_an_amount_of_many_digits_stay_on_it() -> None:
    document = invoice(paid(lines(("x" * 5000, 1, 10**15), ("짧은", 1, 10))))
    pages = PdfReader(BytesIO(printed(document))).pages
    places: list[tuple[float, float]] = []
    for page in pages:
        page.extract_text(visitor_text=lambda text, cm, tm, *_: places.append((tm[4], tm[5])) if text.strip() else None)
    assert len(places) > 100
    assert all(40 < x < 560 and 20 < y < 820 for x, y in places)


@pytest.mark.parametrize(
    ("written", "drawn"),
    [
        ("설믜펲", "설ㅁㅢㅍㅔㅍ"),
        ("\u1112\u1161\u11ab글", "한글"),
        ("Nguyễn Thị", "Nguyen Thi"),
        ("漢字 😀", "□□ □"),
        ("가\u202e나\x00다\n라", "가나다 라"),
        ("Ｍａｄａｎｇ", "Madang"),
        ("“9,900원” — 10 % · ₩", "“9,900원” — 10 % · ₩"),
    ],
)
def test_letters_that_the_fonts_do_not_have_are_still_read(written: str, drawn: str) -> None:
    assert drawable(written) == drawn


@given(st.text(max_size=60), st.text(min_size=1, max_size=200))
@settings(max_examples=15)
def test_no_text_breaks_a_document(name: str, product: str) -> None:
    pdf = printed(invoice(paid(lines((product, 1, 9900)))), buyer=Buyer(name, name))
    assert "9,900원" in text_of(pdf)[-1]


def test_the_digits_are_of_one_width_so_that_columns_of_money_align() -> None:
    drawable("")
    for font in (REGULAR, BOLD):
        assert len({width(digit, font, 10) for digit in "0123456789"}) == 1
