"""The SDK's client: signs and reads, asks nobody for keys that it was not told to ask, and never tries twice.

Reading the SDK's descriptions of the API takes longer than anything else here: one session serves all clients of a process.
"""

import functools
import hashlib
import logging
from base64 import b64encode
from collections.abc import Callable
from os import devnull
from threading import Lock
from typing import Any, Final

import boto3.session
import botocore.session
from botocore.config import Config
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES, ConstantProvider

from madang.adapters.s3.store import Keys, Store

_MAKING: Final = Lock()
_FILES: Final = ("config_file", "credentials_file")

# It tells whole requests with signatures and bodies on the level `debug`, whichever level its callers are on.
logging.getLogger("botocore").propagate = False
logging.getLogger("botocore").addHandler(logging.NullHandler())


def make_client(store: Store, send: Callable[..., Any]) -> Any:
    """A client of S3 whose requests `send` carries: an event handler `send(request, **rest)` that answers the response.

    Raises `ValueError` for an address that cannot be one.
    """
    with _MAKING:
        session = _session(from_environment=store.keys is None)
        client = session.client(
            "s3", region_name=store.region, endpoint_url=store.endpoint_url, config=_config(store), **_given(store.keys)
        )
    events = client.meta.events
    events.register_first("before-send.s3", send)
    events.register("before-call.s3", _stay)
    events.register("before-sign.s3.DeleteObjects", _digest_the_old_way)
    return client


@functools.cache
def _session(*, from_environment: bool) -> Any:
    """A session that reads no variable and no file; with `from_environment`, its keys alone come from there."""
    session = botocore.session.Session()
    settings = session.get_component("config_store")
    for name, (_, _, default, _) in BOTOCORE_DEFAUT_SESSION_VARIABLES.items():
        settings.set_config_provider(name, ConstantProvider(devnull if name in _FILES else default))
    if from_environment:
        session.register_component("credential_provider", _environment_credentials())
    return boto3.session.Session(botocore_session=session)


def _environment_credentials() -> Any:
    found = botocore.session.Session().get_component("credential_provider")
    found.remove("iam-role")
    return found


def _given(keys: Keys | None) -> dict[str, str | None]:
    if keys is None:
        return {}
    return {
        "aws_access_key_id": keys.access_key_id,
        "aws_secret_access_key": keys.secret_access_key.reveal(),
        "aws_session_token": keys.session_token.reveal() if keys.session_token is not None else None,
    }


def _config(store: Store) -> Config:
    """Checksums only where the API demands them: other storages know few. What is sent is signed with its SHA-256 instead,
    also over TLS, so that the storage refuses what did not arrive as it was."""
    return Config(
        signature_version="s3v4",
        retries={"total_max_attempts": 1},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        ignore_configured_endpoint_urls=True,
        s3={
            "addressing_style": "path" if store.path_style else "virtual",
            "payload_signing_enabled": True,
            "us_east_1_regional_endpoint": "regional",
        },
    )


def _stay(context: dict[str, Any], **_: Any) -> None:
    """The SDK follows a bucket to its region, by another request with our keys: tell it that it has done so already."""
    context.get("s3_redirect", {})["redirected"] = True


def _digest_the_old_way(request: Any, **_: Any) -> None:
    """DeleteObjects demands a digest, and every storage knows MD5, but not every one knows what came after it."""
    for header in [name for name in request.headers if name.lower().startswith(("x-amz-checksum-", "x-amz-sdk-checksum"))]:
        del request.headers[header]
    digest = hashlib.md5(request.data, usedforsecurity=False).digest()
    request.headers["Content-MD5"] = b64encode(digest).decode()
