"""`madang demo`, once, from nothing to the files that it leaves."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import psutil
import pytest
from PIL import Image
from pypdf import PdfReader

from embedded_stack import temporary_server_folder
from operator_shell import clean_environment


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder that the demonstration left; also checks that it left nothing else."""
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "madang.entrypoints.cli", "demo", "--lang", "ko"]
    with temporary_server_folder() as scratch:
        environment = clean_environment(TMPDIR=str(scratch))
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=200)
        log = folder / "madang-demo" / "deployment.log"
        assert done.returncode == 0, done.stdout + done.stderr + (log.read_text()[-3000:] if log.exists() else "")
        assert "result.html" in done.stdout
        assert _running_for(folder, scratch) == []
        assert [path.name for path in folder.iterdir()] == ["madang-demo"]
        yield folder / "madang-demo"


def _running_for(*folders: Path) -> list[str]:
    """Also what works in its temporary folders; another demonstration may run meanwhile, in others."""
    commands = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    return [command for command in commands if any(str(folder) in command for folder in folders)]


def test_three_different_pictures_of_the_same_shape(kept: Path) -> None:
    pictures = sorted(kept.glob("picture-*"))
    assert [path.stem for path in pictures] == ["picture-1", "picture-2", "picture-3"]
    assert len({path.read_bytes() for path in pictures}) == 3
    for path in pictures:
        with Image.open(path) as picture:
            picture.load()
            assert picture.format in ("JPEG", "PNG")
            assert picture.width * 4 == pytest.approx(picture.height * 3, abs=8)


def test_the_report_has_its_shape_and_recommends_what_the_catalogue_knows(kept: Path) -> None:
    kept_report = json.loads((kept / "report.json").read_text())
    report, care = kept_report["report"], kept_report["care"]
    assert set(report) == {"summary", "improvements", "timeline", "estimatedCost"}
    assert report["improvements"]
    recommended = {code for improvement in report["improvements"] for code in improvement["recommendations"]}
    assert recommended
    assert recommended <= set(care)
    assert report["summary"] in (kept / "report.txt").read_text()


def test_the_result_page_is_one_file_with_the_pictures_in_it(kept: Path) -> None:
    page = (kept / "result.html").read_text()
    assert len(re.findall(r'<img\b[^>]*src="data:image/', page)) >= 3
    assert re.findall(r'<(?:img|script|link|source)\b[^>]*(?:src|href|srcset)="(?!data:)[^"]*"', page) == []
    assert json.loads((kept / "report.json").read_text())["report"]["improvements"][0]["area"] in unescape(page)


def test_the_zip_and_the_sms_are_what_the_buyer_got(kept: Path) -> None:
    with ZipFile(BytesIO((kept / "portrait.zip").read_bytes())) as archive:
        assert archive.testzip() is None
        assert len([name for name in archive.namelist() if name.endswith((".jpg", ".png"))]) == 3
    sms = (kept / "sms.txt").read_text()
    assert sms.startswith("[Find My Rizz]")
    assert "/result/" in sms


def test_the_invoice_is_of_what_was_paid_and_can_be_read(kept: Path) -> None:
    text = PdfReader(kept / "invoice.pdf").pages[0].extract_text()
    assert re.search(r"INV-20\d\d-000001", text)
    assert "9,900원" in text
    assert "결제 완료" in text


def test_the_customer_has_credits_a_subscription_and_a_part_of_the_money_back(kept: Path) -> None:
    told = json.loads((kept / "purchases.json").read_text())
    assert (told["subscription"]["status"], told["subscription"]["currentPeriod"]["status"]) == ("active", "paid")
    assert (told["refund"]["status"], told["refund"]["amount"]) == ("succeeded", {"amount": 10_000, "currency": "KRW"})
    assert told["credits"]["balance"] == 1000 + told["subscription"]["credits"] - 1000 * 10_000 // 45_000


def test_the_papers_are_an_invoice_of_each_payment_and_the_credit_note_of_the_refund(kept: Path) -> None:
    told = {each["number"]: each for each in json.loads((kept / "purchases.json").read_text())["invoices"]}
    assert sorted(each["kind"] for each in told.values()) == ["credit_note", "invoice", "invoice"]
    assert {path.stem for path in (*kept.glob("INV-*.pdf"), *kept.glob("CN-*.pdf"))} == set(told)
    for number, paper in told.items():
        words = PdfReader(kept / f"{number}.pdf").pages[0].extract_text()
        assert number in words
        assert f"{abs(paper['amount']['amount']):,}원" in words
