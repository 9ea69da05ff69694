"""Storage in a bucket of AWS S3, or of another storage that speaks its API."""

from collections.abc import Callable

from madang.adapters.s3 import capabilities
from madang.adapters.s3.settings import S3Settings
from madang.plugins.declarations import ProviderDeclaration
from madang.plugins.hookspecs import hookimpl
from madang.ports.context import ProviderContext
from madang.ports.provider import ProviderKind
from madang.ports.storage import Storage

MADANG_CONTRACT = "1.0"


def _storage(settings: S3Settings, context: ProviderContext) -> Storage:
    from madang.adapters.s3.storage import S3Storage
    from madang.adapters.s3.store import s3_store

    return S3Storage(s3_store(settings))


@hookimpl
def register_providers(register: Callable[[ProviderDeclaration], None]) -> None:
    register(
        ProviderDeclaration(
            ProviderKind.STORAGE,
            "s3",
            S3Settings,
            capabilities.S3,
            _storage,
            "Files in a bucket of AWS S3, MinIO and alike",
            extra="s3",
            requires=("boto3", "botocore", "httpx"),
        )
    )
