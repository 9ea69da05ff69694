"""One bucket: where it is, how it is spoken to, what it can do. What the adapter knows of S3 and R2 apart."""

from dataclasses import dataclass, replace
from typing import Final

from madang.adapters.s3 import capabilities
from madang.adapters.s3.settings import R2Settings, S3Settings
from madang.ports.secret import Secret
from madang.ports.storage import StorageCapabilities

S3_NAME: Final = "s3"
R2_NAME: Final = "r2"


@dataclass(frozen=True, slots=True)
class Keys:
    """What signs: given by the deployment."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret | None = None


@dataclass(frozen=True, slots=True)
class Store:
    """`keys` is None where AWS's own ways of the environment find them. Without `path_style` the bucket
    is part of the host's name where that can be: not for an address of digits, nor for a bucket with dots."""

    name: str
    bucket: str
    region: str
    endpoint_url: str | None
    path_style: bool
    keys: Keys | None
    capabilities: StorageCapabilities
    part_bytes: int
    connections: int
    seconds: float
    proxy: Secret | None


def s3_store(settings: S3Settings) -> Store:
    keys = None
    if settings.access_key_id is not None and settings.secret_access_key is not None:
        keys = Keys(settings.access_key_id, settings.secret_access_key, settings.session_token)
    return Store(
        name=S3_NAME,
        bucket=settings.bucket,
        region=settings.region,
        endpoint_url=settings.endpoint_url,
        path_style=settings.path_style,
        keys=keys,
        capabilities=replace(capabilities.S3, max_object_bytes=settings.max_object_bytes),
        part_bytes=settings.part_bytes,
        connections=settings.connections,
        seconds=settings.seconds,
        proxy=settings.proxy,
    )


def r2_store(settings: R2Settings) -> Store:
    """Cloudflare's pages "S3 API compatibility" and "Data location" name the address and the region."""
    place = f"{settings.account_id}.{settings.jurisdiction}" if settings.jurisdiction else settings.account_id
    return Store(
        name=R2_NAME,
        bucket=settings.bucket,
        region="auto",
        endpoint_url=settings.endpoint_url or f"https://{place}.r2.cloudflarestorage.com",
        path_style=True,
        keys=Keys(settings.access_key_id, settings.secret_access_key),
        capabilities=replace(capabilities.R2, max_object_bytes=settings.max_object_bytes),
        part_bytes=settings.part_bytes,
        connections=settings.connections,
        seconds=settings.seconds,
        proxy=settings.proxy,
    )
