"""What the tests of S3 and R2 store, and how."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from contract.fake_s3 import ACCESS_KEY, BUCKET, SECRET_KEY, FakeS3
from madang.adapters.s3.settings import R2Settings, S3Settings
from madang.adapters.s3.storage import S3Storage
from madang.adapters.s3.store import r2_store, s3_store
from madang.ports.secret import Secret
from madang.ports.storage import PutObject

HOUR = timedelta(hours=1)
MIB = 1024**2
PART = 5 * MIB
PHOTO = PutObject(
    "portraits/1/사진 (1).jpg", b"0123456789", "image/jpeg", metadata={"name": "나의 사진"}, cache_control="private"
)
DIGEST = "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882"
KEYS: dict[str, Any] = {"access_key_id": ACCESS_KEY, "secret_access_key": Secret(SECRET_KEY)}


def an_s3(url: str, **changes: Any) -> S3Storage:
    given = {"bucket": BUCKET, "region": FakeS3.region, "part_bytes": PART, **KEYS, **changes}
    return S3Storage(s3_store(S3Settings(endpoint_url=url, **given)))


def an_r2(url: str, **changes: Any) -> S3Storage:
    given = {"account_id": "0" * 32, "bucket": BUCKET, "part_bytes": PART, **KEYS, **changes}
    return S3Storage(r2_store(R2Settings(endpoint_url=url, **given)))


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
