"""`madang billing invoice`: a document by its number, on the screen and on paper."""

import asyncio
import json
from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

from pypdf import PdfReader

from deployment import Deployment
from integration.billing.books import Books
from operator_shell import Run

KEY = "test-key-not-secret-test-key-not-secret"


async def test_an_operator_prints_an_invoice_by_its_number(
    deployment: Deployment, database_url: str, redis_url: str, tmp_path: Path, run: Run
) -> None:
    books = Books(deployment)
    [issued] = await books.documents(await books.paid(await deployment.member()))
    servers = {"MADANG_DATABASE_URL": database_url, "MADANG_REDIS_URL": redis_url, "MADANG_SECRET_KEY": KEY}
    words = ("billing", "invoice", issued.number, "--pdf", "out.pdf", "--lang", "en", "--json")
    done = await asyncio.to_thread(run, *words, folder=tmp_path, **servers)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["contentHash"] == issued.content_hash
    text = PdfReader(tmp_path / "out.pdf").pages[0].extract_text()
    assert "Invoice and receipt" in text
    assert "홍길동" in text
    zone = "Pacific/Kiritimati" if issued.issued_at.astimezone(UTC).hour >= 10 else "Pacific/Pago_Pago"
    servers["MADANG_TIMEZONE"] = zone
    shown = await asyncio.to_thread(run, "billing", "invoice", issued.number, folder=tmp_path, **servers)
    day = issued.issued_at.astimezone(ZoneInfo(zone)).date()
    assert day != issued.issued_at.astimezone(UTC).date()
    assert f"발행일: {day}" in shown.stdout
    assert "영수증 (인보이스)" in shown.stdout
    assert "합계: 9,900원" in shown.stdout
    unknown = await asyncio.to_thread(run, "billing", "invoice", "INV-1999-000001", folder=tmp_path, **servers)
    assert (unknown.returncode, "Traceback" in unknown.stderr) == (1, False)
    assert "no such invoice" in unknown.stderr


async def test_an_operator_sees_what_reversed_disputes_ask_for_and_answers(
    deployment: Deployment, database_url: str, redis_url: str, tmp_path: Path, run: Run
) -> None:
    payment = await Books(deployment).paid()
    await deployment.execute(
        "INSERT INTO payment_disputes (payment_id, provider, status, taken, opened_at, changed_at)"
        " VALUES ($1, 'sandbox', 'reversed', 9900, now(), now())",
        payment.id,
    )
    servers = {"MADANG_DATABASE_URL": database_url, "MADANG_REDIS_URL": redis_url, "MADANG_SECRET_KEY": KEY}
    seen = await asyncio.to_thread(run, "billing", "reversals", "--json", folder=tmp_path, **servers)
    [shown] = json.loads(seen.stdout)
    assert (shown["paymentId"], shown["purpose"], shown["cameBack"]) == (str(payment.id), "items", "9,900 KRW")
    done = await asyncio.to_thread(run, "billing", "reversals", "--answer", str(payment.id), folder=tmp_path, **servers)
    assert "0 wait for a person" in done.stdout, done.stderr
    answered = "SELECT subject FROM audit_events WHERE action = 'DISPUTE_ANSWERED'"
    assert await deployment.value(answered) == f"payment:{payment.id}"
