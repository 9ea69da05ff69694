"""A portrait whose photo and pictures lie in S3, from the photo to the purge."""

from typing import Any
from urllib.parse import urlsplit

import httpx

from contract.fake_s3 import ACCESS_KEY, BUCKET, SECRET_KEY, FakeS3
from embedded_stack import SANDBOX_ROUTES
from integration.portraits.conftest import OpenShop
from integration.portraits.shop import FAST, SANDBOX, opened_picture, photo
from madang.core.portraits.model import PortraitStatus
from madang.entrypoints.cli.examination import examine
from madang.plugins.conformance.remote import serving

KEYS: dict[str, Any] = {"bucket": BUCKET, "region": FakeS3.region, "access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY}


async def test_photo_and_pictures_live_in_the_bucket_and_are_gone_after_their_time(open_shop: OpenShop) -> None:
    with serving(FakeS3()) as remote:
        plugins = {SANDBOX: dict(FAST), "s3": {**KEYS, "endpoint_url": remote.url}}
        async with open_shop(routes={**SANDBOX_ROUTES, "storage": ["s3"]}, plugins=plugins) as shop:
            job = await shop.finished()
            assert await shop.status(job) is PortraitStatus.COMPLETED
            keys = remote.stored()
            assert len(keys) == 10
            assert all(key.startswith(f"portraits/{job}/") for key in keys)
            result = await shop.portraits.result(job)
            async with httpx.AsyncClient(timeout=60) as browser:
                for picture in result.pictures:
                    for address, kind in ((picture.webp, "image/webp"), (picture.thumbnail, "image/jpeg")):
                        assert urlsplit(address.url).netloc == urlsplit(remote.url).netloc
                        answer = await browser.get(address.url)
                        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
                        assert "content-disposition" not in answer.headers, "shown on the page, not saved"
                        opened_picture(answer.content)
            stored = await shop.portraits.open_file(await shop.photo_key(job))
            assert opened_picture(await stored.read()).size == opened_picture(photo()).size
            findings = await examine(shop.container.settings)
            assert {each.health for each in findings if "storage" in each.what} == {"green"}
            await shop.let_pass(hours=24)
            await shop.work()
            assert await shop.status(job) is PortraitStatus.EXPIRED
            assert remote.stored() == []
