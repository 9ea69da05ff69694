"""What a deployment says about its bucket."""

import re
from dataclasses import dataclass
from typing import Final

from madang.adapters.s3 import capabilities
from madang.ports.addresses import require_safe
from madang.ports.secret import Secret

CREDENTIALS: Final = ("settings", "environment")
SMALLEST_PART: Final = 5 * capabilities.MIB
LARGEST_PART: Final = 512 * capabilities.MIB
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION: Final = re.compile(r"[a-z0-9-]{1,40}")
_JURISDICTION: Final = re.compile(r"[a-z]{2,20}")
_ACCOUNT: Final = re.compile(r"[0-9a-f]{32}")
_KEY: Final = re.compile(r"[!-~]+")


@dataclass(frozen=True)
class S3Settings:
    """`endpoint_url` is for storage other than AWS's own; plain `http://` reaches this machine only, unless `plain_http` says
    that the network between is to be trusted. `path_style` puts the bucket into the path instead of the host's name.

    `credentials` is `settings` (the keys given here) or `environment`: AWS's variables, profiles and roles by token, as its
    tools find them, but never the metadata service of an instance. Nothing else is read from there.

    `access_key_id` is no secret: every presigned address names it.

    Bodies of more than `part_bytes` are sent in parts of that size. `connections` is how many calls are under way at once, and
    `seconds` bounds each that has no time limit of its own. `proxy` is the address of an HTTP proxy; the environment's is not
    used.
    """

    bucket: str
    region: str = "us-east-1"
    access_key_id: str | None = None
    secret_access_key: Secret | None = None
    session_token: Secret | None = None
    credentials: str = "settings"
    endpoint_url: str | None = None
    path_style: bool = False
    plain_http: bool = False
    max_object_bytes: int = capabilities.S3.max_object_bytes
    part_bytes: int = 8 * capabilities.MIB
    connections: int = 16
    seconds: float = 20.0
    proxy: Secret | None = None

    def __post_init__(self) -> None:
        if self.credentials not in CREDENTIALS:
            raise ValueError(f"credentials is one of {', '.join(CREDENTIALS)}")
        given = [each is not None for each in (self.access_key_id, self.secret_access_key)]
        if self.credentials == "settings" and not all(given):
            raise ValueError("access_key_id and secret_access_key are needed, or credentials = environment")
        if self.credentials == "environment" and (any(given) or self.session_token is not None):
            raise ValueError("keys are given although credentials is environment")
        if not _REGION.fullmatch(self.region):
            raise ValueError("region is a name like ap-northeast-2")
        _check_keys(self.access_key_id, self.secret_access_key, self.session_token)
        _check_bucket(self.bucket)
        if self.endpoint_url is not None:
            require_safe("endpoint_url", self.endpoint_url, plain_http=self.plain_http)
        _check_sizes(self.max_object_bytes, capabilities.S3.max_object_bytes, self.part_bytes)
        _check_effort(self.connections, self.seconds)


@dataclass(frozen=True)
class R2Settings:
    """`account_id` makes the address, with `jurisdiction` (`eu`, `us`, `fedramp`) for a bucket that was created in one;
    `endpoint_url` replaces it. The rest is as in `S3Settings`."""

    account_id: str
    bucket: str
    access_key_id: str
    secret_access_key: Secret
    jurisdiction: str | None = None
    endpoint_url: str | None = None
    max_object_bytes: int = capabilities.R2.max_object_bytes
    part_bytes: int = 8 * capabilities.MIB
    connections: int = 16
    seconds: float = 20.0
    proxy: Secret | None = None

    def __post_init__(self) -> None:
        if not _ACCOUNT.fullmatch(self.account_id):
            raise ValueError("account_id is 32 hexadecimal digits, as in the dashboard's address")
        if self.jurisdiction is not None and not _JURISDICTION.fullmatch(self.jurisdiction):
            raise ValueError("jurisdiction is a word like eu")
        _check_keys(self.access_key_id, self.secret_access_key)
        _check_bucket(self.bucket)
        if self.endpoint_url is not None:
            require_safe("endpoint_url", self.endpoint_url)
        _check_sizes(self.max_object_bytes, capabilities.R2.max_object_bytes, self.part_bytes)
        _check_effort(self.connections, self.seconds)


def _check_keys(identity: str | None, *secrets: Secret | None) -> None:
    given = [identity, *(each.reveal() if each is not None else None for each in secrets)]
    if any(key is not None and not _KEY.fullmatch(key) for key in given):
        raise ValueError("access_key_id or secret_access_key holds a character that no key has, such as a line break")


def _check_bucket(bucket: str) -> None:
    if not _BUCKET.fullmatch(bucket):
        raise ValueError("bucket is 3 to 63 lower-case letters, digits, dots and hyphens")


def _check_sizes(object_bytes: int, most: int, part_bytes: int) -> None:
    if not 0 < object_bytes <= most:
        raise ValueError(f"max_object_bytes is at most {most}")
    if not SMALLEST_PART <= part_bytes <= LARGEST_PART:
        raise ValueError(f"part_bytes is between {SMALLEST_PART} and {LARGEST_PART}")


def _check_effort(connections: int, seconds: float) -> None:
    if not 0 < connections <= 256 or not 0 < seconds <= 600:
        raise ValueError("connections is 1 to 256, and seconds at most 600")
