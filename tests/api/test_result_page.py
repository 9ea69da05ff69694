"""The page that the SMS links to, as a browser would see it."""

import io
import re
import zipfile
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from api.api_in_memory import CARE, FILES, PHONE, REPORT, InMemoryContainer
from api.conftest import Buyer
from madang.core.kernel.ids import new_id
from madang.core.portraits.model import FailureReason, Improvement, PortraitStatus
from madang.ports.errors import Unavailable

KOREAN = {"Accept-Language": "ko"}
ENGLISH = {"Accept-Language": "en"}


def page_of(buyer: Buyer) -> str:
    return f"/result/{buyer.id}"


@pytest.fixture
async def opened(client: httpx.AsyncClient, completed: Buyer) -> str:
    """The path of a result page whose phone check is passed: the client holds the cookie."""
    answer = await client.post(f"{page_of(completed)}/access", data={"phone": PHONE})
    assert answer.status_code == 303
    return page_of(completed)


async def test_before_the_phone_check_the_page_asks_for_the_number(client: httpx.AsyncClient, completed: Buyer) -> None:
    answer = await client.get(page_of(completed), headers=KOREAN)
    assert answer.status_code == 200
    assert 'name="phone"' in answer.text
    assert "전화번호" in answer.text
    assert FILES not in answer.text
    assert REPORT.summary not in answer.text


async def test_the_right_number_sets_a_cookie_for_this_page_alone(client: httpx.AsyncClient, completed: Buyer) -> None:
    answer = await client.post(f"{page_of(completed)}/access", data={"phone": PHONE})
    cookie = answer.headers["Set-Cookie"]
    assert answer.headers["Location"] == page_of(completed)
    assert f"Path={page_of(completed)}" in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Secure" not in cookie


async def test_over_https_the_cookie_is_secure(
    client: httpx.AsyncClient, completed: Buyer, container: InMemoryContainer
) -> None:
    container.settings.base_url = "https://madang.test"
    answer = await client.post(f"{page_of(completed)}/access", data={"phone": PHONE})
    assert answer.headers["Set-Cookie"].endswith("; Secure")


async def test_the_opened_page_shows_pictures_report_and_care(client: httpx.AsyncClient, opened: str) -> None:
    answer = await client.get(opened, headers=ENGLISH)
    assert answer.status_code == 200
    assert answer.text.count('type="image/webp"') == 3
    assert REPORT.summary in answer.text
    assert CARE.title_en in answer.text
    assert "4–8 weeks" in answer.text
    assert f'lang="ko">{REPORT.summary}' in answer.text
    assert "₩30,000–80,000" in answer.text
    assert re.search(r"deleted at .*\d\d:\d\d KST", answer.text)


async def test_pictures_may_come_from_the_storage_and_nothing_else_may(client: httpx.AsyncClient, opened: str) -> None:
    policy = (await client.get(opened)).headers["Content-Security-Policy"]
    assert f"img-src 'self' {FILES};" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "script-src" not in policy


async def test_the_reader_chooses_the_language(client: httpx.AsyncClient, completed: Buyer) -> None:
    path = page_of(completed)
    assert "Phone number" in (await client.get(path, headers=ENGLISH)).text
    assert "전화번호" in (await client.get(f"{path}?lang=ko", headers=ENGLISH)).text
    assert "전화번호" in (await client.get(f"{path}?lang=fr", headers={"Accept-Language": "fr"})).text
    kept = await client.post(f"{path}/access?lang=ko", data={"phone": PHONE}, headers=ENGLISH)
    assert kept.headers["Location"].endswith("?lang=ko")


async def test_no_page_has_inline_script_or_style(client: httpx.AsyncClient, opened: str, buyer: Buyer) -> None:
    for path in (opened, page_of(buyer), f"/portraits/{buyer.id}/paid", f"/result/{new_id()}"):
        text = (await client.get(path)).text
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=", text), path


async def test_what_a_model_wrote_is_escaped(client: httpx.AsyncClient, opened: str, container: InMemoryContainer) -> None:
    evil = '<script>alert("x")</script>{{ 1234 * 5678 }}'
    container.portraits.report = replace(REPORT, summary=evil, improvements=[Improvement(evil, evil, ["SC003"])])
    container.portraits.care = {"SC003": replace(CARE, title_ko=evil, title_en=evil)}
    text = (await client.get(opened)).text
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "7006652" not in text


@pytest.mark.parametrize(("phone", "status"), [("010-9999-8888", 403), ("not a number", 400), ("", 400), ("<b>1</b>", 400)])
async def test_a_wrong_number_shows_the_form_again(
    client: httpx.AsyncClient, completed: Buyer, phone: str, status: int
) -> None:
    answer = await client.post(f"{page_of(completed)}/access", data={"phone": phone})
    assert answer.status_code == status
    assert 'role="alert"' in answer.text
    assert "Set-Cookie" not in answer.headers
    assert not phone or phone not in answer.text


async def test_three_wrong_numbers_show_the_blocked_page(client: httpx.AsyncClient, completed: Buyer) -> None:
    for _ in range(3):
        answer = await client.post(f"{page_of(completed)}/access", data={"phone": "010-9999-8888"}, headers=ENGLISH)
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "3600"
    assert "60 minutes" in answer.text


async def test_guessing_faster_than_allowed_shows_a_page_too(
    client: httpx.AsyncClient, completed: Buyer, container: InMemoryContainer
) -> None:
    container.limiter.limits["phone_check"] = 0
    answer = await client.post(f"{page_of(completed)}/access", data={"phone": PHONE}, headers=ENGLISH)
    assert answer.status_code == 429
    assert "wait a moment" in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example.com"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_form_of_another_site_is_refused(client: httpx.AsyncClient, opened: str, headers: dict[str, str]) -> None:
    for action in ("access", "survey"):
        answer = await client.post(f"{opened}/{action}", data={"phone": PHONE, "score": "5"}, headers=headers)
        assert answer.status_code == 403


async def test_our_own_form_is_taken(client: httpx.AsyncClient, completed: Buyer) -> None:
    headers = {"Origin": "http://madang.test", "Sec-Fetch-Site": "same-origin"}
    answer = await client.post(f"{page_of(completed)}/access", data={"phone": PHONE}, headers=headers)
    assert answer.status_code == 303


async def test_a_cookie_opens_its_own_job_only(
    client: httpx.AsyncClient, completed: Buyer, container: InMemoryContainer
) -> None:
    for token in (container.token("portrait-result", new_id()), container.token("portrait", completed.id), "forged"):
        answer = await client.get(page_of(completed), headers={"Cookie": f"madang_result={token}"})
        assert 'name="phone"' in answer.text
        download = await client.get(f"{page_of(completed)}/download", headers={"Cookie": f"madang_result={token}"})
        assert download.status_code == 303


async def test_the_download_needs_the_cookie_and_is_the_zip(client: httpx.AsyncClient, opened: str) -> None:
    answer = await client.get(f"{opened}/download")
    assert len(zipfile.ZipFile(io.BytesIO(answer.content)).namelist()) == 5


async def test_the_survey_is_answered_once_on_the_page(
    client: httpx.AsyncClient, opened: str, container: InMemoryContainer
) -> None:
    form = {"score": "4", "comment": " 좋아요 "}
    for _ in range(2):
        answer = await client.post(f"{opened}/survey", data=form)
        assert (answer.status_code, answer.headers["Location"]) == (303, f"{opened}#survey")
    (survey,) = container.portraits.surveys.values()
    assert (survey.score, survey.comment) == (4, "좋아요")
    text = (await client.get(opened, headers=ENGLISH)).text
    assert "Thank you for your answer" in text
    assert 'name="score"' not in text


@pytest.mark.parametrize("score", ["", "0", "6", "five", "１"])
async def test_a_survey_without_stars_asks_again(client: httpx.AsyncClient, opened: str, score: str) -> None:
    answer = await client.post(f"{opened}/survey", data={"score": score})
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text


async def test_a_forms_own_address_leads_back_to_the_page(client: httpx.AsyncClient, completed: Buyer) -> None:
    for action in ("access", "survey"):
        answer = await client.get(f"{page_of(completed)}/{action}?lang=en")
        assert (answer.status_code, answer.headers["Location"]) == (303, f"{page_of(completed)}?lang=en")


async def test_a_survey_without_the_phone_check_goes_back(client: httpx.AsyncClient, completed: Buyer) -> None:
    answer = await client.post(f"{page_of(completed)}/survey", data={"score": "5"})
    assert (answer.status_code, answer.headers["Location"]) == (303, page_of(completed))


async def test_work_in_progress_refreshes_by_itself(
    client: httpx.AsyncClient, buyer: Buyer, container: InMemoryContainer
) -> None:
    container.portraits.change(buyer.id, status=PortraitStatus.PROCESSING)
    answer = await client.get(page_of(buyer), headers=ENGLISH)
    assert 'http-equiv="refresh"' in answer.text
    assert "30 % done" in answer.text


@pytest.mark.parametrize(
    "status", [PortraitStatus.PENDING_PAYMENT, PortraitStatus.PENDING_PHONE, PortraitStatus.PENDING_UPLOAD]
)
async def test_an_unfinished_order_says_what_is_missing(
    client: httpx.AsyncClient, buyer: Buyer, container: InMemoryContainer, status: PortraitStatus
) -> None:
    container.portraits.change(buyer.id, status=status)
    answer = await client.get(page_of(buyer), headers=ENGLISH)
    assert answer.status_code == 200
    assert "Not quite there yet" in answer.text


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [(FailureReason.PICTURES, "full amount back"), (FailureReason.PAYMENT_TAKEN_BACK, "payment was taken back")],
)
async def test_a_failed_job_says_what_happens_to_the_money(
    client: httpx.AsyncClient, buyer: Buyer, container: InMemoryContainer, reason: FailureReason, sentence: str
) -> None:
    container.portraits.fail(buyer.id, reason)
    assert sentence in (await client.get(page_of(buyer), headers=ENGLISH)).text


async def test_an_expired_job_is_gone_with_a_receipt(
    client: httpx.AsyncClient, buyer: Buyer, container: InMemoryContainer
) -> None:
    container.clock.forward(timedelta(hours=24))
    pending = await client.get(page_of(buyer), headers=ENGLISH)
    assert pending.status_code == 410
    assert "being carried out" in pending.text
    container.portraits.expire(buyer.id)
    answer = await client.get(page_of(buyer), headers=ENGLISH)
    assert answer.status_code == 410
    assert re.search(r"Deleted on \d{4}-\d\d-\d\d \d\d:\d\d KST", answer.text)
    assert str(container.portraits.receipts[buyer.id].id) in answer.text


async def test_an_unknown_job_has_a_page_and_no_envelope(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/result/{new_id()}", headers=ENGLISH)
    assert answer.status_code == 404
    assert "There is no such portrait." in answer.text


async def test_a_fault_shows_a_page_with_the_request_id(
    client: httpx.AsyncClient, opened: str, container: InMemoryContainer
) -> None:
    async def fail(portrait_id: Any) -> Any:
        raise Unavailable("at 10.0.0.1", provider="local")

    container.portraits.result = fail  # type: ignore[method-assign]
    answer = await client.get(opened, headers={**ENGLISH, "X-Request-Id": "r-77"})
    assert answer.status_code == 503
    assert "r-77" in answer.text
    assert "10.0.0.1" not in answer.text


async def test_the_return_from_the_checkout_is_a_hint(
    client: httpx.AsyncClient, buyer: Buyer, container: InMemoryContainer
) -> None:
    answer = await client.get(f"/portraits/{buyer.id}/paid", headers=ENGLISH)
    assert container.portraits.hints == [buyer.id]
    assert "checking the payment" in answer.text
    assert 'http-equiv="refresh"' in answer.text
    container.portraits.change(buyer.id, status=PortraitStatus.PENDING_PHONE)
    again = await client.get(f"/portraits/{buyer.id}/paid", headers=ENGLISH)
    assert "has arrived" in again.text
    assert "refresh" not in again.text
    assert container.portraits.hints == [buyer.id]


async def test_a_cancelled_checkout_can_be_taken_up_again(client: httpx.AsyncClient, buyer: Buyer) -> None:
    answer = await client.get(f"/portraits/{buyer.id}/cancelled", headers=ENGLISH)
    assert 'href="https://pay.test.invalid/c"' in answer.text
    assert "Nothing was charged" in answer.text


async def test_the_key_that_a_provider_gives_the_browser_is_passed_on_and_junk_is_not(
    client: httpx.AsyncClient, container: InMemoryContainer, buyer: Buyer
) -> None:
    for query in ("?paymentKey=test_key-1&amount=9900", "?paymentKey=two%20words", ""):
        assert (await client.get(f"/portraits/{buyer.id}/paid{query}", headers=ENGLISH)).status_code == 200
    assert container.portraits.payment_keys == ["test_key-1", None, None]
