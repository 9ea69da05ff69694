"""The care catalogue for its editors, and what payment providers send."""

from typing import Any

import httpx
import pytest

from api.api_in_memory import SIGNATURE, InMemoryContainer
from api.conftest import Buyer
from madang.core.kernel.ids import new_id

ENTRIES = "/api/v1/knowledge-base"
ENTRY = {
    "code": "SC003",
    "category": "skin",
    "titleKo": "수분 보습",
    "titleEn": "Moisture care",
    "descriptionKo": "하루 두 번 바릅니다.",
    "descriptionEn": "Twice a day.",
    "weeksMin": 4,
    "weeksMax": 8,
    "costMin": 30000,
    "costMax": 80000,
}
FIELDS = {name: value for name, value in ENTRY.items() if name != "code"}


@pytest.fixture
def editor(container: InMemoryContainer) -> dict[str, str]:
    return container.editor()


async def test_an_entry_is_added_read_replaced_and_removed(client: httpx.AsyncClient, editor: dict[str, str]) -> None:
    added = await client.post(ENTRIES, json=ENTRY, headers=editor)
    assert (added.status_code, added.json()["data"]) == (201, ENTRY)
    replaced = await client.put(f"{ENTRIES}/SC003", json={**FIELDS, "weeksMax": 9}, headers=editor)
    assert replaced.json()["data"]["weeksMax"] == 9
    assert (await client.get(f"{ENTRIES}/SC003", headers=editor)).json()["data"] == {**ENTRY, "weeksMax": 9}
    assert (await client.delete(f"{ENTRIES}/SC003", headers=editor)).json()["data"] == {"code": "SC003"}
    for method in ("GET", "DELETE"):
        missing = await client.request(method, f"{ENTRIES}/SC003", headers=editor)
        assert (missing.status_code, missing.json()["error"]["code"]) == (404, "CARE_ENTRY_NOT_FOUND")
    assert (await client.put(f"{ENTRIES}/SC003", json=FIELDS, headers=editor)).status_code == 404


async def test_a_code_is_taken_once(client: httpx.AsyncClient, editor: dict[str, str]) -> None:
    await client.post(ENTRIES, json=ENTRY, headers=editor)
    again = await client.post(ENTRIES, json=ENTRY, headers=editor)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "CARE_CODE_TAKEN")


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"weeksMax": 3}, "weeksMax"),
        ({"costMax": 1}, "costMax"),
        ({"code": "SC 3"}, "code"),
        ({"code": "../x"}, "code"),
        ({"weeksMin": -1}, "weeksMin"),
        ({"costMin": 1.5}, "costMin"),
        ({"titleKo": ""}, "titleKo"),
        ({"titleKo": None}, "titleKo"),
    ],
)
async def test_a_bad_entry_says_where_it_is_bad(
    client: httpx.AsyncClient, editor: dict[str, str], change: dict[str, Any], path: str
) -> None:
    answer = await client.post(ENTRIES, json={**ENTRY, **change}, headers=editor)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert answer.json()["error"]["details"][0]["path"] == path


async def test_the_list_comes_in_pages(client: httpx.AsyncClient, editor: dict[str, str]) -> None:
    for number in range(5):
        await client.post(ENTRIES, json={**ENTRY, "code": f"SC00{number}"}, headers=editor)
    answer = (await client.get(f"{ENTRIES}?page=2&limit=2&category=skin", headers=editor)).json()
    assert [entry["code"] for entry in answer["data"]] == ["SC002", "SC003"]
    assert answer["meta"]["pagination"] == {
        "page": 2, "limit": 2, "total": 5, "totalPages": 3, "hasNext": True, "hasPrev": True,
    }  # fmt: skip
    empty = (await client.get(f"{ENTRIES}?category=hair", headers=editor)).json()
    assert empty["meta"]["pagination"] == {
        "page": 1, "limit": 20, "total": 0, "totalPages": 0, "hasNext": False, "hasPrev": False,
    }  # fmt: skip


@pytest.mark.parametrize("query", ["page=0", "limit=101", "limit=x", "page=99999999999999999999", "sort=up", "category=%00"])
async def test_a_bad_page_is_refused(client: httpx.AsyncClient, editor: dict[str, str], query: str) -> None:
    answer = await client.get(f"{ENTRIES}?{query}", headers=editor)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")


async def test_a_catalogue_is_imported_and_its_bad_lines_are_named(client: httpx.AsyncClient, editor: dict[str, str]) -> None:
    header = "code,category,title_ko,title_en,description_ko,description_en,weeks_min,weeks_max,cost_min,cost_max"
    csv = f"\ufeff{header}\nSC001,skin,세안,Wash,물,Water,1,2,0,100\nSC002,skin,보습,Moist,크림,Cream,1,2,many,100\n"
    headers = {**editor, "Content-Type": "text/csv; charset=utf-8"}
    answer = await client.post(f"{ENTRIES}/import", content=csv.encode(), headers=headers)
    data = answer.json()["data"]
    assert (answer.status_code, data["created"], data["updated"]) == (200, 1, 0)
    assert "cost_min" in data["problems"][0]["path"]


async def test_a_file_of_which_nothing_can_be_taken_is_refused_with_its_problems(
    client: httpx.AsyncClient, editor: dict[str, str]
) -> None:
    headers = {**editor, "Content-Type": "text/csv", "Accept-Language": "ko"}
    answer = await client.post(f"{ENTRIES}/import", content=b"code,category\nSC001,skin\n", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert {"path": "line 1: title_ko", "message": "이 열이 빠졌습니다"} in answer.json()["error"]["details"]


@pytest.mark.parametrize(
    ("content", "content_type", "expected"),
    [
        (b"\xff\xfe", "text/csv", (400, "MALFORMED_CSV")),
        (b"code\0", "text/csv", (400, "MALFORMED_CSV")),
        (b"{}", "application/json", (415, "UNSUPPORTED_MEDIA_TYPE")),
        (b"x" * 1_100_000, "text/csv", (413, "PAYLOAD_TOO_LARGE")),
    ],
)
async def test_a_file_that_is_no_catalogue_is_refused(
    client: httpx.AsyncClient, editor: dict[str, str], content: bytes, content_type: str, expected: tuple[int, str]
) -> None:
    answer = await client.post(f"{ENTRIES}/import", content=content, headers={**editor, "Content-Type": content_type})
    assert (answer.status_code, answer.json()["error"]["code"]) == expected


async def test_only_editors_may_edit(client: httpx.AsyncClient, container: InMemoryContainer, buyer: Buyer) -> None:
    def bearer(**claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {container.token('api', new_id(), **claims)}"}

    client_role = bearer(role="client", permissions=["projects:write"])
    writer = bearer(role="pm", permissions=["knowledge-base:write"])
    refused = await client.get(ENTRIES, headers=client_role)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "INSUFFICIENT_PERMISSIONS")
    assert (await client.get(ENTRIES, headers=writer)).status_code == 200
    assert (await client.get(ENTRIES)).status_code == 401


async def test_a_signed_notice_is_taken_in_byte_by_byte(client: httpx.AsyncClient, container: InMemoryContainer) -> None:
    body = b'{"type":  "paid", "odd spacing": true}'
    headers = {"Webhook-Signature": SIGNATURE, "Content-Type": "application/json"}
    for _ in range(2):
        answer = await client.post("/api/v1/webhooks/sandbox", content=body, headers=headers)
        assert (answer.status_code, answer.json()["data"]) == (200, {"received": True})
    assert container.billing.deliveries[0].body == body
    assert container.billing.deliveries[0].received_at == container.clock.now()
    assert container.billing.deliveries[0].headers["webhook-signature"] == SIGNATURE


async def test_a_forged_notice_is_refused(client: httpx.AsyncClient, container: InMemoryContainer) -> None:
    answer = await client.post("/api/v1/webhooks/sandbox", content=b"{}", headers={"Webhook-Signature": "forged"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "SIGNATURE_INVALID")
    assert container.billing.deliveries == []


async def test_an_unknown_provider_is_not_there(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/webhooks/nobody", content=b"{}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "PROVIDER_NOT_FOUND")


async def test_a_notice_that_is_too_large_is_refused(client: httpx.AsyncClient, container: InMemoryContainer) -> None:
    answer = await client.post("/api/v1/webhooks/sandbox", content=b"x" * 262_145, headers={"Webhook-Signature": SIGNATURE})
    assert answer.status_code == 413
    assert container.billing.deliveries == []
