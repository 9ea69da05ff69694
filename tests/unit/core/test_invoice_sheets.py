"""What an invoice says to its reader, in both languages and in currencies of every kind."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoice_samples import POLICY, credit_note, invoice, lines, paid
from madang.core.billing.invoices.model import Seller, content_in, hash_of, written_document
from madang.core.billing.invoices.sheet import Buyer, InvoiceSheet, Language, named_amount, plain_amount, sheet_of
from madang.ports.money import Money

ZONE = "Asia/Seoul"
BUYER = Buyer("홍길동", "hong@example.com")


def words(sheet: InvoiceSheet) -> str:
    return json.dumps(dataclasses.asdict(sheet), ensure_ascii=False)


@pytest.mark.parametrize(
    ("amount", "currency", "plain", "korean", "english"),
    [
        (9900, "KRW", "9,900", "9,900원", "KRW 9,900"),
        (-3000, "KRW", "-3,000", "-3,000원", "KRW -3,000"),
        (123456, "USD", "1,234.56", "USD 1,234.56", "USD 1,234.56"),
        (5, "USD", "0.05", "USD 0.05", "USD 0.05"),
        (4990, "KWD", "4.990", "KWD 4.990", "KWD 4.990"),
        (9900, "JPY", "9,900", "JPY 9,900", "JPY 9,900"),
    ],
)
def test_amounts_are_written_with_the_decimals_of_their_currency(
    amount: int, currency: str, plain: str, korean: str, english: str
) -> None:
    assert plain_amount(amount, currency) == plain
    assert named_amount(Money(amount, currency), "ko") == korean
    assert named_amount(Money(amount, currency), "en") == english


@given(st.integers(min_value=-(10**18), max_value=10**18), st.sampled_from(["KRW", "USD", "KWD", "CLF"]))
def test_a_written_amount_can_be_read_back_to_the_last_digit(amount: int, currency: str) -> None:
    digits = plain_amount(amount, currency).replace(",", "").replace(".", "")
    assert int(digits) == amount


@pytest.mark.parametrize("language", ["ko", "en"])
def test_the_sum_of_the_columns_is_what_stands_below(language: Language) -> None:
    bought = lines(("가", 3, 1111), ("나", 1, 77), ("다", 2, 5))
    sheet = sheet_of(invoice(paid(bought)), BUYER, language, ZONE)
    amounts = [[int(cell.replace(",", "")) for cell in row[3:]] for row in sheet.rows]
    supply, vat, total = (sum(column) for column in zip(*amounts, strict=True))
    assert [fact.value for fact in sheet.totals[:2]] == [f"{supply:,}", f"{vat:,}"]
    assert f"{total:,}" in sheet.totals[-1].value
    assert total == supply + vat == 3420


def test_a_seller_without_a_registration_says_its_name_and_that_this_is_no_tax_invoice() -> None:
    bare = dataclasses.replace(POLICY, seller=Seller("Madang"))
    sheet = sheet_of(invoice(policy=bare), Buyer(), "ko", ZONE)
    assert [fact.value for fact in sheet.seller_facts] == ["Madang"]
    assert sheet.buyer_facts == []
    assert "이 문서는 세금계산서가 아닙니다." in sheet.notes


def test_a_sale_abroad_is_zero_rated_and_says_why() -> None:
    sheet = sheet_of(invoice(paid(lines(("Plan", 1, 4990)), "USD", country="DE", method_country="DE")), BUYER, "en", ZONE)
    assert [(fact.label, fact.value) for fact in sheet.totals] == [
        ("Subtotal", "49.90"), ("VAT (0 %)", "0.00"), ("Total", "USD 49.90"),
    ]  # fmt: skip
    assert any("zero-rated" in note for note in sheet.notes)
    assert "Net" not in sheet.columns


@pytest.mark.parametrize(("by_provider", "tax"), [(True, None), (False, 948), (True, 948)])
def test_what_a_merchant_of_record_sells_is_a_receipt_that_names_who_taxes(by_provider: bool, tax: int | None) -> None:
    sold = paid(lines(("Plan", 1, 4990)), "USD", country="DE", provider="paddle", tax=tax)
    sheet = sheet_of(invoice(sold, by_provider=by_provider), BUYER, "en", ZONE)
    assert (sheet.title, sheet.seller_title) == ("Receipt", "Service by")
    assert any("Sold by Paddle as merchant of record" in note for note in sheet.notes)
    assert any("USD 9.48" in note for note in sheet.notes) is (tax is not None)
    assert "VAT" not in words(sheet)


def test_a_credit_note_names_its_invoice_and_takes_away() -> None:
    sheet = sheet_of(credit_note(invoice(), 3000), BUYER, "ko", ZONE)
    assert sheet.title == "환불 확인서 (크레딧 노트)"
    assert "INV-2026-000001" in [fact.value for fact in sheet.facts]
    assert sheet.rows == [["사진", "1", "3,000", "-2,727", "-273", "-3,000"]]
    assert sheet.totals[-1].value == "-3,000원"


def test_a_whole_refund_repeats_the_lines() -> None:
    billed = invoice(paid(lines(("가", 1, 10), ("나", 1, 20))))
    assert credit_note(billed, 30).content.lines == billed.content.lines


def test_lines_that_do_not_make_the_amount_are_not_believed() -> None:
    payment = dataclasses.replace(paid(lines(("가", 1, 10))), amount=Money(9900, "KRW"))
    assert [(line.description, line.amount) for line in invoice(payment).content.lines] == [("사진", 9900)]


def test_days_are_those_of_the_zone() -> None:
    late = dataclasses.replace(invoice(), issued_at=invoice().issued_at.replace(hour=20))
    assert sheet_of(late, BUYER, "ko", ZONE).facts[1].value == "2026-01-06"
    assert sheet_of(late, BUYER, "ko", "UTC").facts[1].value == "2026-01-05"


def test_a_document_is_read_back_as_it_was_written() -> None:
    content = invoice().content
    assert content_in(written_document(content, number="INV-2026-000001")) == content


def test_the_hash_tells_every_change() -> None:
    content = invoice().content
    hashes = {
        hash_of(written_document(content, number=number, amount=amount)) for number in ("A", "B") for amount in (9900, 9901)
    }
    assert len(hashes) == 4
