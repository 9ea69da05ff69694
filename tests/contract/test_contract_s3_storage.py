"""S3 and R2 by the suite of storages."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from contract.fake_s3 import ACCESS_KEY, BUCKET, SECRET_KEY, FakeR2, FakeS3
from contract.s3.buckets import MIB, PART
from madang.plugins.conformance.stage import Stage
from madang.plugins.conformance.storage import StorageConformance
from madang.ports.storage import PresignedRequest


class _InTime(StorageConformance):
    async def lapse(self, stage: Stage, address: PresignedRequest) -> None:
        assert isinstance(stage.service, FakeS3)
        stage.service.ahead = address.expires_at - datetime.now(UTC) + timedelta(seconds=1)


class TestS3(_InTime):
    plugin = "madang.plugins.builtin.s3"
    name = "s3"
    large = 5 * MIB + 3
    retry_after = None

    def remote(self) -> FakeS3:
        return FakeS3()

    def settings(self, url: str) -> Mapping[str, Any]:
        keys = {"access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY}
        return {"bucket": BUCKET, "region": FakeS3.region, "endpoint_url": url, "part_bytes": PART, **keys}


class TestR2(_InTime):
    plugin = "madang.plugins.builtin.r2"
    name = "r2"
    large = 5 * MIB + 3
    retry_after = None

    def remote(self) -> FakeR2:
        return FakeR2()

    def settings(self, url: str) -> Mapping[str, Any]:
        keys = {"access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY}
        return {"account_id": "0" * 32, "bucket": BUCKET, "endpoint_url": url, "part_bytes": PART, **keys}
