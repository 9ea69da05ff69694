"""The Portraits calls, from the order to the survey, with what each refuses."""

import io
import json
import zipfile
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from api.api_in_memory import JPEG, PHONE, InMemoryContainer
from api.conftest import Buyer
from madang.core.kernel.ids import new_id
from madang.core.portraits.model import PortraitStatus
from madang.ports.errors import Misconfigured, OutcomeUnknown, RateLimited, Rejected, Unavailable


def error_of(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json()
    assert body["success"] is False
    return answer.status_code, body["error"]["code"]


async def test_an_order_answers_the_token_the_price_and_the_checkout(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/portraits", json={"locale": "en", "clientReference": "r-1"})
    data = answer.json()["data"]
    assert answer.status_code == 201
    assert data["amount"] == {"amount": 9900, "currency": "KRW"}
    assert data["status"] == "pending_payment"
    assert data["checkout"] == {"url": "https://pay.test.invalid/c", "clientParams": {"k": 1}}
    assert data["clientReference"] == "r-1"
    lifetime = datetime.fromisoformat(data["expiresAt"]) - datetime.fromisoformat(data["createdAt"])
    assert lifetime == timedelta(hours=24)
    assert data["expiresAt"].endswith("+09:00")


async def test_an_order_needs_no_body_at_all(client: httpx.AsyncClient) -> None:
    assert (await client.post("/api/v1/portraits")).status_code == 201


async def test_a_client_reference_orders_once(client: httpx.AsyncClient) -> None:
    first = await client.post("/api/v1/portraits", json={"clientReference": "r-1"})
    second = await client.post("/api/v1/portraits", json={"clientReference": "r-1"})
    assert error_of(second) == (409, "ALREADY_EXISTS")
    assert second.json()["error"]["details"] == {"id": first.json()["data"]["id"]}


async def test_a_new_job_waits_for_its_payment(client: httpx.AsyncClient, buyer: Buyer) -> None:
    data = (await client.get(buyer.path, headers=buyer.headers)).json()["data"]
    assert (data["status"], data["progress"], data["awaiting"]) == ("pending_payment", 0, "payment")
    assert data["checkoutUrl"] == "https://pay.test.invalid/c"
    assert data["resultUrl"] is None


async def test_a_completed_job_names_its_result_page(client: httpx.AsyncClient, buyer: Buyer, completed: Buyer) -> None:
    data = (await client.get(buyer.path, headers=buyer.headers)).json()["data"]
    assert (data["status"], data["progress"], data["awaiting"]) == ("completed", 100, None)
    assert data["checkoutUrl"] is None
    assert data["resultUrl"] == f"http://madang.test/result/{buyer.id}"


async def test_an_expired_job_still_answers_its_deletion_receipt(
    client: httpx.AsyncClient, buyer: Buyer, container: InMemoryContainer
) -> None:
    container.clock.forward(timedelta(days=29))
    container.portraits.expire(buyer.id)
    data = (await client.get(buyer.path, headers=buyer.headers)).json()["data"]
    assert data["status"] == "expired"
    assert data["deletionReceipt"]["objects"] == [{"key": "a.jpg", "sha256": "0" * 64}]
    assert data["deletionReceipt"]["rows"] == {"portraits": 1}


async def test_a_job_token_ends_after_thirty_days(
    client: httpx.AsyncClient, buyer: Buyer, container: InMemoryContainer
) -> None:
    container.clock.forward(timedelta(days=30, seconds=1))
    assert error_of(await client.get(buyer.path, headers=buyer.headers)) == (401, "UNAUTHORIZED")


async def test_the_phone_number_leads_to_the_photo(client: httpx.AsyncClient, paid: Buyer) -> None:
    answer = await client.put(f"{paid.path}/phone", headers=paid.headers, json={"phone": PHONE})
    assert answer.status_code == 200
    assert answer.json()["data"]["awaiting"] == "photo"
    assert PHONE not in answer.text


async def test_a_phone_number_before_the_payment_is_a_wrong_state(client: httpx.AsyncClient, buyer: Buyer) -> None:
    answer = await client.put(f"{buyer.path}/phone", headers=buyer.headers, json={"phone": PHONE})
    assert error_of(answer) == (409, "WRONG_STATE")
    assert answer.json()["error"]["details"]["state"] == "pending_payment"


@pytest.mark.parametrize("phone", ["not a number", "123", "+82"])
async def test_a_bad_phone_number_says_where_it_is_bad(client: httpx.AsyncClient, paid: Buyer, phone: str) -> None:
    answer = await client.put(f"{paid.path}/phone", headers=paid.headers, json={"phone": phone})
    assert error_of(answer) == (400, "VALIDATION_ERROR")
    assert answer.json()["error"]["details"][0]["path"] == "phone"


async def test_the_photo_starts_the_work(client: httpx.AsyncClient, reached: Buyer, container: InMemoryContainer) -> None:
    crop = {"x": 1, "y": 2, "width": 384, "height": 512}
    files: Any = {"photo": ("p.jpg", JPEG, "image/jpeg"), "crop": (None, json.dumps(crop), "application/json")}
    answer = await client.put(f"{reached.path}/photo", headers=reached.headers, files=files)
    assert answer.status_code == 202
    assert answer.json()["data"]["status"] == "processing"
    kept = container.portraits.crops[reached.id]
    assert kept is not None
    assert (kept.x, kept.y, kept.width, kept.height) == (1, 2, 384, 512)


async def test_a_photo_without_crop_is_cropped_by_the_lab(
    client: httpx.AsyncClient, reached: Buyer, container: InMemoryContainer
) -> None:
    answer = await client.put(f"{reached.path}/photo", headers=reached.headers, files={"photo": JPEG})
    assert answer.status_code == 202
    assert container.portraits.crops[reached.id] is None


async def test_a_file_that_is_no_photo_is_refused(client: httpx.AsyncClient, reached: Buyer) -> None:
    answer = await client.put(f"{reached.path}/photo", headers=reached.headers, files={"photo": b"GIF89a"})
    assert error_of(answer) == (422, "PHOTO_TYPE_NOT_SUPPORTED")


async def test_a_form_without_the_photo_says_so(client: httpx.AsyncClient, reached: Buyer) -> None:
    answer = await client.put(f"{reached.path}/photo", headers=reached.headers, files={"crop": (None, "{}")})
    assert error_of(answer) == (400, "VALIDATION_ERROR")
    assert answer.json()["error"]["details"][0]["path"] == "photo"


@pytest.mark.parametrize(
    ("crop", "path"),
    [
        ("not json", "crop"),
        ("[]", "crop"),
        ('{"x": 1, "y": 1, "width": "wide", "height": 1}', "crop.width"),
        ('{"x": -1, "y": 1, "width": 5, "height": 5}', "crop.x"),
        ('{"x": 1, "y": 1, "width": 5}', "crop.height"),
        ('{"x": 1, "y": 1, "width": 5, "height": 99999999999999999999999}', "crop.height"),
        ('{"x": 1, "y": 1, "width": 5, "height": 5, "angle": 1}', "crop.angle"),
        ("9" * 2000, "crop"),
    ],
)
async def test_a_bad_crop_says_where_it_is_bad(client: httpx.AsyncClient, reached: Buyer, crop: str, path: str) -> None:
    files: Any = {"photo": JPEG, "crop": (None, crop)}
    answer = await client.put(f"{reached.path}/photo", headers=reached.headers, files=files)
    assert error_of(answer) == (400, "VALIDATION_ERROR")
    assert answer.json()["error"]["details"][0]["path"] == path


async def test_an_upload_without_end_is_refused_before_its_end(client: httpx.AsyncClient, reached: Buyer) -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        yield b'--b\r\nContent-Disposition: form-data; name="photo"; filename="p.jpg"\r\n\r\n'
        while sent < 100:
            sent += 1
            yield b"\xff" * 1024 * 1024

    headers = {**reached.headers, "Content-Type": "multipart/form-data; boundary=b"}
    answer = await client.put(f"{reached.path}/photo", headers=headers, content=endless())
    assert error_of(answer) == (413, "PHOTO_TOO_LARGE")
    assert sent < 50


async def test_an_eleven_megabyte_photo_is_too_large(client: httpx.AsyncClient, reached: Buyer) -> None:
    photo = JPEG + b"\0" * 11 * 1024 * 1024
    answer = await client.put(f"{reached.path}/photo", headers=reached.headers, files={"photo": photo})
    assert error_of(answer) == (413, "PHOTO_TOO_LARGE")
    photo = JPEG + b"\0" * (10 * 1024 * 1024)
    answer = await client.put(f"{reached.path}/photo", headers=reached.headers, files={"photo": photo})
    assert error_of(answer) == (413, "PHOTO_TOO_LARGE")


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("application/json", b"{}", (415, "UNSUPPORTED_MEDIA_TYPE")),
        ("multipart/form-data", b"x", (400, "MALFORMED_MULTIPART")),
        ("multipart/form-data; boundary=b", b"nothing like a form", (400, "MALFORMED_MULTIPART")),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="photo"\r\n\r\ncut off',
            (400, "MALFORMED_MULTIPART"),
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="status"\r\n\r\npaid\r\n--b--\r\n',
            (400, "VALIDATION_ERROR"),
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="crop"\r\n\r\n{}\r\n' * 2 + b"--b--\r\n",
            (400, "VALIDATION_ERROR"),
        ),
    ],
)
async def test_a_broken_form_is_refused(
    client: httpx.AsyncClient, reached: Buyer, content_type: str, body: bytes, expected: tuple[int, str]
) -> None:
    headers = {**reached.headers, "Content-Type": content_type}
    assert error_of(await client.put(f"{reached.path}/photo", headers=headers, content=body)) == expected


async def test_the_return_from_the_checkout_is_passed_on_as_a_hint(
    client: httpx.AsyncClient, buyer: Buyer, container: InMemoryContainer
) -> None:
    answer = await client.post(f"{buyer.path}/payment-check", headers=buyer.headers)
    assert answer.status_code == 202
    assert answer.json()["data"]["status"] == "pending_payment"
    assert container.portraits.hints == [buyer.id]


async def test_the_right_phone_number_opens_the_result(
    client: httpx.AsyncClient, completed: Buyer, container: InMemoryContainer
) -> None:
    opened = (await client.post(f"{completed.path}/access", json={"phone": "+82 10 2345 6789"})).json()["data"]
    headers = {"Authorization": f"Bearer {opened['resultToken']}"}
    result = (await client.get(f"{completed.path}/result", headers=headers)).json()["data"]
    assert [picture["index"] for picture in result["pictures"]] == [0, 1, 2]
    assert set(result["pictures"][0]) == {"index", "seed", "width", "height", "full", "webp", "thumbnail"}
    assert result["report"]["improvements"][0]["recommendations"] == ["SC003"]
    assert result["care"]["SC003"]["titleEn"] == "Moisture care"
    container.clock.forward(timedelta(minutes=61))
    assert error_of(await client.get(f"{completed.path}/result", headers=headers)) == (401, "UNAUTHORIZED")


async def test_a_result_token_does_not_outlive_the_job(
    client: httpx.AsyncClient, completed: Buyer, container: InMemoryContainer
) -> None:
    container.clock.forward(timedelta(hours=23, minutes=50))
    opened = (await client.post(f"{completed.path}/access", json={"phone": PHONE})).json()["data"]
    left = datetime.fromisoformat(opened["expiresAt"]) - container.clock.now()
    assert left == timedelta(minutes=10)


async def test_three_wrong_numbers_block_the_address_for_an_hour(client: httpx.AsyncClient, completed: Buyer) -> None:
    answers = [await client.post(f"{completed.path}/access", json={"phone": "010-9999-8888"}) for _ in range(3)]
    assert [error_of(answer) for answer in answers] == [
        (403, "PHONE_DOES_NOT_MATCH"),
        (403, "PHONE_DOES_NOT_MATCH"),
        (429, "TOO_MANY_ATTEMPTS"),
    ]
    blocked = await client.post(f"{completed.path}/access", json={"phone": PHONE})
    assert error_of(blocked) == (429, "TOO_MANY_ATTEMPTS")
    assert blocked.headers["Retry-After"] == "3600"
    assert blocked.json()["error"]["retryAfter"] == 3600


async def test_the_download_is_a_zip_with_pictures_and_report(client: httpx.AsyncClient, completed: Buyer) -> None:
    answer = await client.get(f"{completed.path}/download", headers=completed.headers)
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    assert archive.namelist() == ["report.json", "report.txt", "portrait-1.png", "portrait-2.png", "portrait-3.png"]
    assert archive.read("portrait-2.png").endswith(b"/1.png")
    report = json.loads(archive.read("report.json"))
    assert report["improvements"][0]["recommendations"][0]["title"] == {"ko": "수분 보습", "en": "Moisture care"}
    assert "수분 보습" in archive.read("report.txt").decode()
    assert all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())


async def test_a_download_that_cannot_begin_is_an_error_and_not_half_a_zip(
    client: httpx.AsyncClient, completed: Buyer, container: InMemoryContainer
) -> None:
    async def away(key: str) -> Any:
        raise Unavailable("down", provider="local")

    container.portraits.open_file = away  # type: ignore[method-assign]
    answer = await client.get(f"{completed.path}/download", headers=completed.headers)
    assert error_of(answer) == (503, "LOCAL_API_ERROR")


async def test_the_survey_is_answered_once(client: httpx.AsyncClient, completed: Buyer) -> None:
    answer = await client.post(f"{completed.path}/survey", headers=completed.headers, json={"score": 5, "comment": "좋아요"})
    assert answer.status_code == 201
    assert answer.json()["data"]["comment"] == "좋아요"
    again = await client.post(f"{completed.path}/survey", headers=completed.headers, json={"score": 1})
    assert error_of(again) == (409, "SURVEY_ALREADY_SUBMITTED")


@pytest.mark.parametrize("body", [{"score": 0}, {"score": 6}, {"score": "5"}, {}, {"score": 3, "comment": "x" * 1001}])
async def test_a_survey_outside_the_scale_is_refused(client: httpx.AsyncClient, completed: Buyer, body: Any) -> None:
    answer = await client.post(f"{completed.path}/survey", headers=completed.headers, json=body)
    assert error_of(answer) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("call", ["result", "download"])
async def test_a_result_that_is_not_ready_is_a_wrong_state(
    client: httpx.AsyncClient, buyer: Buyer, container: InMemoryContainer, call: str
) -> None:
    container.portraits.change(buyer.id, status=PortraitStatus.PROCESSING)
    headers = {"Authorization": f"Bearer {container.token('portrait-result', buyer.id)}"}
    assert error_of(await client.get(f"{buyer.path}/{call}", headers=headers)) == (409, "WRONG_STATE")


async def test_an_expired_job_is_gone(client: httpx.AsyncClient, paid: Buyer, container: InMemoryContainer) -> None:
    container.clock.forward(timedelta(hours=24))
    answer = await client.put(f"{paid.path}/phone", headers=paid.headers, json={"phone": PHONE})
    assert error_of(answer) == (410, "PORTRAIT_EXPIRED")
    assert error_of(await client.post(f"{paid.path}/access", json={"phone": PHONE})) == (410, "PORTRAIT_EXPIRED")


async def test_an_unknown_job_cannot_be_opened(client: httpx.AsyncClient) -> None:
    answer = await client.post(f"/api/v1/portraits/{new_id()}/access", json={"phone": PHONE})
    assert error_of(answer) == (404, "PORTRAIT_NOT_FOUND")


@pytest.mark.parametrize(
    ("error", "status", "code", "retryable"),
    [
        (Unavailable("down", provider="toss"), 503, "TOSS_API_ERROR", True),
        (RateLimited("slow", provider="toss", retry_after=7.2), 503, "TOSS_API_ERROR", True),
        (Rejected("no", reason="declined", provider="lemon-squeezy"), 502, "LEMON_SQUEEZY_API_ERROR", False),
        (OutcomeUnknown("who knows", provider="toss"), 502, "TOSS_API_ERROR", False),
        (Misconfigured("secret sk_1", provider="toss"), 503, "PROVIDER_NOT_CONFIGURED", False),
        (Unavailable("down", provider="postgresql"), 503, "DATABASE_ERROR", True),
        (ConnectionRefusedError("at 10.0.0.1"), 503, "DATABASE_ERROR", True),
        (RuntimeError("password=hunter2"), 500, "INTERNAL_ERROR", False),
    ],
)
async def test_what_goes_wrong_behind_us_is_told_without_its_inside(
    client: httpx.AsyncClient, container: InMemoryContainer, error: Exception, status: int, code: str, retryable: bool
) -> None:
    async def fail() -> None:
        raise error

    container.portraits.interrupt = fail
    answer = await client.post("/api/v1/portraits", json={})
    assert error_of(answer) == (status, code)
    assert answer.json()["error"]["retryable"] is retryable
    assert str(error) not in answer.text
    if isinstance(error, RateLimited):
        assert answer.headers["Retry-After"] == "8"
