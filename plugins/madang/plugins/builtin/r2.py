"""Storage in a bucket of Cloudflare R2."""

from collections.abc import Callable

from madang.adapters.s3 import capabilities
from madang.adapters.s3.settings import R2Settings
from madang.plugins.declarations import ProviderDeclaration
from madang.plugins.hookspecs import hookimpl
from madang.ports.context import ProviderContext
from madang.ports.provider import ProviderKind
from madang.ports.storage import Storage

MADANG_CONTRACT = "1.0"


def _storage(settings: R2Settings, context: ProviderContext) -> Storage:
    from madang.adapters.s3.storage import S3Storage
    from madang.adapters.s3.store import r2_store

    return S3Storage(r2_store(settings))


@hookimpl
def register_providers(register: Callable[[ProviderDeclaration], None]) -> None:
    register(
        ProviderDeclaration(
            ProviderKind.STORAGE,
            "r2",
            R2Settings,
            capabilities.R2,
            _storage,
            "Files in a bucket of Cloudflare R2",
            extra="s3",
            requires=("boto3", "botocore", "httpx"),
        )
    )
