"""What a deployment says counts, and nothing of its environment unless it says so."""

import hashlib
import logging
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from contract.fake_s3 import ACCESS_KEY, BUCKET, SECRET_KEY, FakeS3, query_of
from contract.s3.buckets import HOUR, KEYS, MIB, PHOTO, an_s3
from madang.adapters.s3.settings import R2Settings, S3Settings
from madang.adapters.s3.storage import S3Storage
from madang.adapters.s3.store import r2_store, s3_store
from madang.plugins.conformance.remote import Reply
from madang.ports.errors import Misconfigured, Unavailable
from madang.ports.secret import Secret
from madang.ports.storage import PresignGet


@pytest.mark.parametrize(
    ("settings_", "host", "path"),
    [
        (s3_store(S3Settings("my-bucket", "us-east-1", **KEYS)), "my-bucket.s3.us-east-1.amazonaws.com", "/a%20b"),
        (s3_store(S3Settings("my-bucket", "ap-northeast-2", **KEYS)), "my-bucket.s3.ap-northeast-2.amazonaws.com", "/a%20b"),
        (s3_store(S3Settings("my.bucket", "eu-west-1", **KEYS)), "s3.eu-west-1.amazonaws.com", "/my.bucket/a%20b"),
        (
            s3_store(S3Settings("my-bucket", endpoint_url="https://minio.example", **KEYS)),
            "my-bucket.minio.example",
            "/a%20b",
        ),
        (
            s3_store(S3Settings("my-bucket", "eu-west-1", path_style=True, **KEYS)),
            "s3.eu-west-1.amazonaws.com",
            "/my-bucket/a%20b",
        ),
        (
            s3_store(S3Settings("my-bucket", endpoint_url="https://minio.example", path_style=True, **KEYS)),
            "minio.example",
            "/my-bucket/a%20b",
        ),
        (r2_store(R2Settings("a" * 32, "my-bucket", **KEYS)), f"{'a' * 32}.r2.cloudflarestorage.com", "/my-bucket/a%20b"),
        (
            r2_store(R2Settings("a" * 32, "my-bucket", jurisdiction="eu", **KEYS)),
            f"{'a' * 32}.eu.r2.cloudflarestorage.com",
            "/my-bucket/a%20b",
        ),
    ],
)
async def test_the_address_is_made_of_the_settings(
    settings_: Any, host: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in AWS_VARIABLES.items():
        monkeypatch.setenv(name, value)
    storage = S3Storage(settings_)
    url = httpx.URL((await storage.presign_get(PresignGet("a b", HOUR))).url)
    assert (url.scheme, url.host, url.raw_path.decode().partition("?")[0]) == ("https", host, path)
    assert f"/{settings_.region}/s3/" in query_of(str(url))["X-Amz-Credential"]
    await storage.close()


AWS_VARIABLES = {
    "AWS_ACCESS_KEY_ID": "another-key-not-secret",
    "AWS_SECRET_ACCESS_KEY": "another-secret-not-secret",
    "AWS_SESSION_TOKEN": "another-token-not-secret",
    "AWS_PROFILE": "there-is-no-such-profile",
    "AWS_ENDPOINT_URL": "https://evil.example",
    "AWS_ENDPOINT_URL_S3": "https://evil.example",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_MAX_ATTEMPTS": "5",
    "AWS_REQUEST_CHECKSUM_CALCULATION": "when_supported",
    "AWS_CA_BUNDLE": "/there/is/no/such/file",
    "AWS_S3_USE_ARN_REGION": "nonsense",
    "AWS_S3_US_EAST_1_REGIONAL_ENDPOINT": "legacy",
    "HTTP_PROXY": "http://evil.example:1",
    "HTTPS_PROXY": "http://evil.example:1",
}


async def test_nothing_of_the_environment_is_used(
    remote: FakeS3, s3: S3Storage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from madang.adapters.s3 import session

    await s3.close()
    (tmp_path / "config").write_text("[default]\ns3 =\n  addressing_style = virtual\n[nonsense")
    (tmp_path / ".aws").mkdir()
    for file in ("config", "credentials"):
        (tmp_path / ".aws" / file).write_text("[nonsense")
    monkeypatch.setenv("HOME", str(tmp_path))
    session._session.cache_clear()
    for name, value in {**AWS_VARIABLES, "AWS_CONFIG_FILE": str(tmp_path / "config")}.items():
        monkeypatch.setenv(name, value)
    storage = an_s3(remote.url)
    await storage.put(PHOTO)
    await (await storage.get(PHOTO.key)).read()
    assert len(remote.arrived) == 2
    for sent in remote.arrived:
        assert f"Credential={ACCESS_KEY}/" in sent.headers["authorization"]
        assert not [name for name in sent.headers if "checksum" in name or "security-token" in name or "trailer" in name]
    await storage.close()


async def test_keys_of_the_environment_are_found_when_it_is_told_so(
    remote: FakeS3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from madang.adapters.s3 import session

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    chosen: dict[str, Any] = {"credentials": "environment", "access_key_id": None, "secret_access_key": None}
    session._session.cache_clear()
    without = an_s3(remote.url, **chosen)
    with pytest.raises(Misconfigured) as nothing:
        await without.check()
    assert nothing.value.code == "NoCredentialsError", "and no instance was asked for keys: the tests refuse such calls"
    with pytest.raises(Misconfigured) as unsigned:
        await without.presign_get(PresignGet("a", HOUR))
    assert (unsigned.value.operation, unsigned.value.code) == ("presign_get", "NoCredentialsError")
    (tmp_path / "credentials").write_text(
        f"[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
    )
    session._session.cache_clear()
    storage = an_s3(remote.url, **chosen)
    assert (await storage.check()).reachable
    for each in (without, storage):
        await each.close()
    session._session.cache_clear()


async def test_keys_that_were_lent_for_a_time_carry_their_token(remote: FakeS3) -> None:
    storage = an_s3(remote.url, session_token=Secret("test-token-not-secret"))
    await storage.put(PHOTO)
    assert remote.arrived[0].headers["x-amz-security-token"] == "test-token-not-secret"
    assert query_of((await storage.presign_get(PresignGet("a", HOUR))).url)["X-Amz-Security-Token"] == "test-token-not-secret"
    await storage.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"bucket": "No_Bucket"},
        {"bucket": "ab"},
        {"region": "eu west 1"},
        {"access_key_id": None},
        {"access_key_id": "key\r\nx-evil: 1"},
        {"secret_access_key": Secret("")},
        {"credentials": "nowhere"},
        {"credentials": "environment"},
        {"credentials": "environment", "secret_access_key": None},
        {"endpoint_url": "http://minio.example"},
        {"endpoint_url": "minio.example"},
        {"endpoint_url": "https://user:password@minio.example"},
        {"part_bytes": 5 * MIB - 1},
        {"max_object_bytes": 5 * 1024**3 + 1},
        {"connections": 0},
        {"seconds": 0.0},
    ],
)
def test_wrong_settings_are_refused_without_secrets(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))) as refused:
        S3Settings(**{"bucket": BUCKET, **KEYS, **wrong})
    assert "evil" not in str(refused.value)


@pytest.mark.parametrize(
    "wrong",
    [{"account_id": "https://x"}, {"jurisdiction": "eu.evil.example/"}, {"bucket": ""}, {"endpoint_url": "http://r2.example"}],
)
def test_wrong_settings_of_r2_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        R2Settings(**{"account_id": "0" * 32, "bucket": BUCKET, **KEYS, **wrong})


def test_both_take_the_settings_of_the_deployment() -> None:
    for store in (
        s3_store(S3Settings(BUCKET, max_object_bytes=9, **KEYS)),
        r2_store(R2Settings("0" * 32, BUCKET, max_object_bytes=9, **KEYS)),
    ):
        assert store.capabilities.max_object_bytes == 9


async def test_a_proxy_is_asked_if_the_deployment_names_one(remote: FakeS3) -> None:
    away = an_s3("http://minio.example:9000", plain_http=True, path_style=True, proxy=Secret(remote.url))
    remote.next.append(Reply(200, "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"))
    assert (await away.check()).reachable
    assert remote.arrived[0].target.startswith(f"http://minio.example:9000/{BUCKET}?")
    await away.close()


async def test_an_address_that_is_none_is_a_wrong_setting() -> None:
    storage = S3Storage(replace(s3_store(S3Settings(BUCKET, **KEYS)), endpoint_url="no address"))
    for operation, ask in (("put", storage.put(PHOTO)), ("presign_get", storage.presign_get(PresignGet("a", HOUR)))):
        with pytest.raises(Misconfigured, match="endpoint_url") as refused:
            await ask
        assert (refused.value.provider, refused.value.operation) == ("s3", operation)
    await storage.close()


async def test_a_token_service_that_breaks_down_leaves_no_outcome_open(s3: S3Storage) -> None:
    from botocore.exceptions import ClientError

    def broken(**_: Any) -> None:
        raise ClientError({"Error": {}, "ResponseMetadata": {"HTTPStatusCode": 500}}, "AssumeRoleWithWebIdentity")

    (await s3._client._sdk()).meta.events.register("before-sign.s3", broken)
    with pytest.raises(Unavailable):
        await s3.presign_get(PresignGet("a", HOUR))


async def test_the_sdk_tells_no_log_what_it_does(s3: S3Storage, capsys: pytest.CaptureFixture[str]) -> None:
    told: list[logging.LogRecord] = []
    listening, root = logging.Handler(logging.DEBUG), logging.getLogger()
    listening.emit = told.append  # type: ignore[method-assign]
    root.addHandler(listening)
    loud, level = logging.getLogger("botocore"), root.level
    root.setLevel(logging.DEBUG)
    try:
        assert (await s3.check()).reachable
        loud.warning("its key is %s", SECRET_KEY)
    finally:
        root.setLevel(level)
        root.removeHandler(listening)
    assert not [each for each in told if each.name.startswith("botocore")]
    assert capsys.readouterr().err == ""


def test_a_network_of_ones_own_may_be_plain_http() -> None:
    assert S3Settings(BUCKET, endpoint_url="http://minio:9000", plain_http=True, **KEYS).plain_http


def test_the_sdk_is_not_loaded_before_a_provider_is_built() -> None:
    program = (
        "import sys, madang.plugins.builtin.s3, madang.plugins.builtin.r2, madang.adapters.s3.mapping\n"
        "sys.exit(bool({'boto3', 'botocore', 'httpx'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_what_is_sent_over_tls_is_signed_with_its_digest_too() -> None:
    from madang.adapters.s3.session import make_client

    class Sent(Exception):
        """Nothing goes further."""

    sent: list[Any] = []

    def send(request: Any, **_: Any) -> None:
        sent.append(request)
        raise Sent

    client = make_client(s3_store(S3Settings(bucket=BUCKET, region="us-east-1", **KEYS)), send)
    with pytest.raises(Sent):
        client.put_object(Bucket=BUCKET, Key="a", Body=b"x")
    assert sent[0].headers["x-amz-content-sha256"].decode() == hashlib.sha256(b"x").hexdigest()
    assert sent[0].url == f"https://{BUCKET}.s3.us-east-1.amazonaws.com/a"
