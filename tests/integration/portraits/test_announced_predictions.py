"""What image models announce over HTTP: verified, stored once, and enough to settle a purchase whose answer was lost."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from integration.portraits.conftest import OpenShop
from integration.portraits.rivals import ANNOUNCER, SIGNATURE, Painter
from integration.portraits.shop import SANDBOX, Shop
from madang.core.generation.picture_notices import PictureNotices, is_public
from madang.core.portraits import picture_making
from madang.entrypoints.http.app import create_app
from madang.ports.errors import OutcomeUnknown
from madang.ports.image_model import Prediction, PredictionStatus

ONE = [SANDBOX]
PUBLIC = "https://madang.example"
LOST = OutcomeUnknown("no answer", provider=ANNOUNCER, operation="start")
GOES_ON = Prediction("", PredictionStatus.RUNNING)
PLACE = f"/api/v1/webhooks/images/{ANNOUNCER}"
PURCHASES = "SELECT state FROM actions WHERE kind = 'image_model.start' ORDER BY key"
NOTICES = "SELECT event_id, kind, outcome, handled_at IS NOT NULL AS handled FROM inbox WHERE provider LIKE 'image:%'"


@dataclass
class Studio:
    """A shop that is reached at a public address, and the way in to its API."""

    shop: Shop
    client: httpx.AsyncClient

    @property
    def painter(self) -> Painter:
        found: Any = self.shop.container.providers.image_model(ANNOUNCER)
        return found  # type: ignore[no-any-return]

    async def begin(self) -> Painter:
        await self.shop.with_photo()
        await self.shop.leave_only_the_first_picture()
        return self.painter

    async def told(self, address: str | None, said: str, signature: str = SIGNATURE) -> int:
        """The status that an announcement is answered with."""
        split = urlsplit(address or PLACE)
        place = f"{split.path}?{split.query}"
        answer = await self.client.post(place, content=said.encode(), headers={"x-signature": signature})
        return answer.status_code

    async def notices(self) -> list[dict[str, Any]]:
        return [dict(row) for row in await self.shop.rows(NOTICES)]

    async def purchases(self) -> list[str]:
        return [row["state"] for row in await self.shop.rows(PURCHASES)]

    async def retry(self, seconds: float = 5) -> None:
        await self.shop.let_pass(seconds=seconds)
        await self.shop.work()

    async def is_made(self) -> bool:
        return bool(await self.shop.value("SELECT status = 'made' FROM portrait_pictures WHERE index = 0"))


@pytest.fixture
async def studio(open_shop: OpenShop) -> AsyncIterator[Studio]:
    routes = {"image_model": [ANNOUNCER, SANDBOX], "text_model": ONE, "payment": ONE, "sms": ONE, "storage": ["local"]}
    async with open_shop(plugin_modules=["integration.portraits.rivals"], routes=routes, base_url=PUBLIC) as shop:
        transport = httpx.ASGITransport(app=create_app(shop.container), raise_app_exceptions=False)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url=PUBLIC) as client:
            yield Studio(shop, client)


async def test_a_lost_answer_is_settled_by_the_announcement_however_often_it_comes_and_nothing_is_bought_twice(
    studio: Studio,
) -> None:
    painter = await studio.begin()
    painter.lost.append(LOST)
    await studio.shop.work()
    assert await studio.purchases() == ["unknown"]
    [sold] = painter.sold
    assert str(sold.webhook_url).startswith(f"{PUBLIC}{PLACE}?purchase=portrait")
    answers = await asyncio.gather(*(studio.told(sold.webhook_url, f"{ANNOUNCER}-1:succeeded") for _ in range(12)))
    assert answers == [200] * 12
    await studio.shop.work()
    assert await studio.told(sold.webhook_url, f"{ANNOUNCER}-1:succeeded") == 200
    await studio.shop.work()
    assert await studio.purchases() == ["succeeded"]
    assert [(each["event_id"], each["outcome"]) for each in await studio.notices()] == [
        (f"{ANNOUNCER}-1:succeeded", "purchase_settled")
    ]
    await studio.retry()
    assert await studio.is_made()
    assert len(painter.sold) == 1


async def test_an_announcement_that_overtakes_the_answer_waits_for_it(studio: Studio) -> None:
    painter = await studio.begin()
    await studio.shop.work()
    await studio.shop.execute("UPDATE actions SET state = 'running', result = NULL WHERE kind = 'image_model.start'")
    assert await studio.told(painter.sold[0].webhook_url, f"{ANNOUNCER}-1:succeeded") == 200
    await studio.shop.work()
    assert [each["handled"] for each in await studio.notices()] == [False]
    await studio.shop.execute("UPDATE actions SET state = 'succeeded' WHERE kind = 'image_model.start'")
    await studio.retry()
    assert [each["outcome"] for each in await studio.notices()] == ["known"]


async def test_a_purchase_whose_worker_died_is_settled_when_no_call_can_be_under_way_any_more(studio: Studio) -> None:
    painter = await studio.begin()
    await studio.shop.work()
    await studio.shop.execute("UPDATE actions SET state = 'running', result = NULL WHERE kind = 'image_model.start'")
    await studio.told(painter.sold[0].webhook_url, f"{ANNOUNCER}-1:failed")
    await studio.shop.work()
    for pause in (5, 30, 300):
        assert await studio.purchases() == ["running"]
        await studio.retry(pause)
    assert await studio.purchases() == ["succeeded"]
    assert [each["outcome"] for each in await studio.notices()] == ["purchase_settled"]


async def test_an_announcement_without_our_proof_settles_nothing(studio: Studio) -> None:
    painter = await studio.begin()
    painter.lost.append(LOST)
    await studio.shop.work()
    address = str(painter.sold[0].webhook_url)
    another_purchase, another_proof = address.replace("%3A0&", "%3A1&"), address[:-4] + "0000"
    altered = [another_purchase, another_proof, address.partition("&proof=")[0], address.partition("?")[0]]
    assert address not in altered
    for number, place in enumerate(altered):
        assert await studio.told(place, f"{number}:succeeded") == 200
    await studio.shop.work()
    assert [each["outcome"] for each in await studio.notices()] == ["about_nothing_of_ours"] * 4
    assert await studio.purchases() == ["unknown"]


async def test_what_is_forged_or_says_nothing_stores_nothing_and_nobody_is_asked_who_could_not_reach_us(studio: Studio) -> None:
    painter = await studio.begin()
    await studio.shop.work()
    parts = studio.shop.container
    inside = PictureNotices(parts.units, parts.providers, parts.cipher, parts.clock, base_url="http://madang.example")
    assert inside.address(parts.providers.image_model(ANNOUNCER), "key") is None
    assert parts.picture_notices.address(parts.providers.image_model("first_painter"), "key") is None
    address = painter.sold[0].webhook_url
    assert await studio.told(address, f"{ANNOUNCER}-1:succeeded", signature="forged") == 401
    assert await studio.told(address, f"{ANNOUNCER}-1:running") == 200
    for nobody in ("nobody", "first_painter"):
        assert await studio.told(PLACE.replace(ANNOUNCER, nobody), "1:succeeded") == 404
    assert await studio.told(f"{PLACE}?purchase={'x' * 301}", "1:succeeded") == 400
    assert (await studio.client.post(PLACE, content=bytes(2 * 1024**2 + 1))).status_code == 413
    assert await studio.notices() == []


async def test_an_announcement_wakes_who_waits_for_it(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_making, "_POLL", (3600.0,))
    painter = await studio.begin()
    painter.ends.append(GOES_ON)
    async with studio.shop.worker() as runner:
        await studio.shop.until(f"SELECT count(*) = 1 FROM ({PURCHASES}) AS bought WHERE state = 'succeeded'")
        async with asyncio.timeout(90):
            while "fetch" not in painter.calls:
                await asyncio.sleep(0.01)
        painter.finish(f"{ANNOUNCER}-1")
        await studio.told(painter.sold[0].webhook_url, f"{ANNOUNCER}-1:succeeded")
        runner.wake()
        await studio.shop.until("SELECT count(*) = 1 FROM portrait_pictures WHERE status = 'made'")
    assert painter.calls.count("fetch") == 2


async def test_an_announcement_that_nobody_handles_is_named_and_mended(studio: Studio) -> None:
    painter = await studio.begin()
    painter.lost.append(LOST)
    await studio.shop.work()
    await studio.told(painter.sold[0].webhook_url, f"{ANNOUNCER}-1:succeeded")
    await studio.shop.execute("DELETE FROM messages WHERE topic = 'generation.handle_picture_notice'")
    await studio.shop.let_pass(seconds=61)
    [broken] = [each for each in studio.shop.container.invariants if each.name == "every-notice-is-handled"]
    [violation] = await broken.violations(limit=10)
    assert violation.detail["provider"] == f"image:{ANNOUNCER}"
    assert await broken.mend(violation)
    await studio.shop.work()
    assert [each["outcome"] for each in await studio.notices()] == ["purchase_settled"]


@pytest.mark.parametrize(
    ("base_url", "public"),
    [
        ("https://madang.example", True),
        ("https://203.0.114.5:8443/madang", True),
        ("http://madang.example", False),
        ("https://127.0.0.1:8000", False),
        ("https://192.168.0.5", False),
        ("https://[::1]", False),
        ("https://localhost", False),
        ("https://madang.local", False),
        ("https://api.internal", False),
        ("nowhere", False),
    ],
)
def test_only_an_address_that_others_reach_over_https_is_public(base_url: str, public: bool) -> None:
    assert is_public(base_url) is public
