"""The demonstration with one set of providers, and with another by other settings: each a company on this machine."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from PIL import Image

from contract import fake_gemini, fake_openai, fake_replicate, fake_solapi, fake_twilio
from contract.fake_s3 import ACCESS_KEY, BUCKET, SECRET_KEY, FakeR2, FakeS3
from integration.portraits.shop import photo
from madang.entrypoints.cli.demo import demo as demo_command
from madang.entrypoints.cli.demo_journey import Buyer
from madang.entrypoints.cli.demo_phone import SentSms
from madang.entrypoints.cli.demo_providers import chosen_providers
from madang.entrypoints.cli.deployment import CliError
from madang.entrypoints.container import open_container
from madang.entrypoints.http.serve import run_http
from madang.entrypoints.supervisor.addresses import free_port
from madang.entrypoints.worker import run_relay, run_worker
from madang.plugins.conformance.remote import serving
from operator_shell import clean_environment

PHONE = "010-8765-4321"
KEYS = {"bucket": BUCKET, "access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY}


class FirstSet:
    """OpenAI, Replicate, S3 and Solapi."""

    def __init__(self, opened: ExitStack) -> None:
        self.text = opened.enter_context(serving(fake_openai.FakeOpenAI()))
        self.images = opened.enter_context(serving(fake_replicate.FakeReplicate()))
        self.bucket: FakeS3 = opened.enter_context(serving(FakeS3()))
        self.sms = opened.enter_context(serving(fake_solapi.FakeSolapi()))

    def settings(self) -> Mapping[str, Any]:
        replicate = {"base_url": self.images.base_url, "delivery_hosts": [self.images.delivery_host]}
        solapi = {"base_url": self.sms.url, "api_secret": fake_solapi.API_SECRET, "sender": "02-1234-5678"}
        return {
            "routes": {
                "text_model": ["openai"],
                "image_model": ["replicate"],
                "payment": ["sandbox"],
                "storage": ["s3"],
                "sms": ["solapi"],
            },
            "plugins": {
                "openai": {"base_url": f"{self.text.url}/v1", "api_key": fake_openai.API_KEY},
                "replicate": {**replicate, "api_key": fake_replicate.API_KEY},
                "s3": {**KEYS, "region": FakeS3.region, "endpoint_url": self.bucket.url},
                "solapi": {**solapi, "api_key": fake_solapi.API_KEY},
            },
        }

    def texts(self) -> list[tuple[str, str]]:
        return [(each["to"], each["text"]) for each in self.sms.sent.values()]

    def bought(self) -> list[bytes]:
        return [data for data, _ in self.images.delivery.files.values()]

    def report(self) -> tuple[Mapping[str, Any], int]:
        """The schema that the report had to fit, and how many pictures were shown."""
        [asked] = [request.json for request in self.text.acting]
        parts = [part for turn in asked["input"] if not isinstance(turn["content"], str) for part in turn["content"]]
        return asked["text"]["format"]["schema"], sum("image_url" in part for part in parts)


class SecondSet:
    """Gemini for texts and pictures, R2 and Twilio."""

    def __init__(self, opened: ExitStack) -> None:
        self.text = opened.enter_context(serving(fake_gemini.FakeGemini()))
        self.bucket: FakeS3 = opened.enter_context(serving(FakeR2()))
        self.sms = opened.enter_context(serving(fake_twilio.FakeTwilio()))

    def settings(self) -> Mapping[str, Any]:
        twilio = {"account_sid": fake_twilio.ACCOUNT, "auth_token": fake_twilio.AUTH_TOKEN, "sender": "+12025550123"}
        return {
            "routes": {
                "text_model": ["gemini"],
                "image_model": ["gemini"],
                "payment": ["sandbox"],
                "storage": ["r2"],
                "sms": ["twilio"],
            },
            "plugins": {
                "gemini": {"base_url": self.text.url, "api_key": fake_gemini.API_KEY},
                "r2": {**KEYS, "account_id": "0" * 32, "endpoint_url": self.bucket.url},
                "twilio": {**twilio, "base_url": self.sms.url},
            },
        }

    def texts(self) -> list[tuple[str, str]]:
        return [(each["to"], each["body"]) for each in self.sms.sent.values()]

    def bought(self) -> list[bytes]:
        return self.text.made

    def report(self) -> tuple[Mapping[str, Any], int]:
        [asked] = [request.json for request in self.text.acting if f"/{fake_gemini.MODEL}:" in request.path]
        pictures = [part for content in asked["contents"] for part in content["parts"] if "inlineData" in part]
        return asked["generationConfig"]["responseJsonSchema"], len(pictures)


Companies = FirstSet | SecondSet


def check_what_they_were_asked(companies: Companies, portrait_id: str) -> None:
    bought = companies.bought()
    assert len(bought) == 3
    assert len(set(bought)) == 3
    for data in bought:
        with Image.open(BytesIO(data)) as picture:
            picture.load()
    schema, shown = companies.report()
    assert set(schema["properties"]) == {"summary", "improvements", "timeline", "estimated_cost"}
    assert shown == 4, "the photo and three pictures"
    kept = {request.path for request in companies.bucket.acting if request.method == "PUT"}
    assert len(kept) == 10
    assert all(path.startswith(f"/{BUCKET}/portraits/{portrait_id}/") for path in kept)
    [(to, text)] = companies.texts()
    assert to.lstrip("+").removeprefix("82").removeprefix("0") == "1087654321"
    assert f"/result/{portrait_id}" in text


def as_toml(settings: Mapping[str, Any]) -> str:
    """Texts and lists of texts are written alike in JSON."""
    tables = {"routes": settings["routes"], **{f"plugins.{name}": keys for name, keys in settings["plugins"].items()}}
    lines = [f"[{name}]\n" + "".join(f"{key} = {json.dumps(keys[key])}\n" for key in keys) for name, keys in tables.items()]
    return "\n".join(lines)


@pytest.fixture
def photo_file(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(photo())
    return path


def demo(folder: Path, settings: Mapping[str, Any], *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    (folder / "providers.toml").write_text(as_toml(settings))
    command = [sys.executable, "-m", "madang.entrypoints.cli", "demo", "--settings", "providers.toml", *arguments]
    return subprocess.run(
        command, cwd=folder, env=clean_environment(**variables), capture_output=True, text=True, check=False, timeout=200
    )


def test_the_command_by_openai_replicate_s3_and_solapi(tmp_path: Path, photo_file: Path) -> None:
    with ExitStack() as opened:
        companies = FirstSet(opened)
        settings = companies.settings()
        secret = settings["plugins"]["solapi"].pop("api_secret")
        elsewhere = {"MADANG_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/production", "MADANG_ROUTES__SMS": '["solapi"]'}
        chosen = ("--phone", PHONE, "--photo", str(photo_file))
        done = demo(tmp_path, settings, *chosen, MADANG_SOLAPI_API_SECRET=secret, **elsewhere)
        kept = tmp_path / "madang-demo"
        log = kept / "deployment.log"
        assert done.returncode == 0, done.stdout + done.stderr + (log.read_text()[-3000:] if log.exists() else "")
        [(_, text)] = companies.texts()
        check_what_they_were_asked(companies, text.partition("/result/")[2].split()[0])
        assert companies.bucket.stored() == [], "nobody is left who would purge it"
    said = " ".join(done.stdout.split())
    assert f"solapi has the SMS for {PHONE}" in said
    assert "10 files of this portrait were deleted in s3" in said
    for asked in ("text_model openai 1", "image_model replicate", "sms solapi 1", "payment sandbox", "storage s3"):
        assert asked in said
    assert sorted(path.name for path in kept.glob("picture-*")) == ["picture-1.jpg", "picture-2.jpg", "picture-3.jpg"]
    assert json.loads((kept / "report.json").read_text())["report"]["summary"] in (kept / "report.txt").read_text()
    assert not (kept / "sms.txt").exists(), "only that phone has it"
    assert secret not in done.stdout + done.stderr + log.read_text()


class PhoneAt:
    """The phone of whom a company sends to."""

    def __init__(self, companies: Companies) -> None:
        self._companies = companies

    async def received(self, portrait_id: str) -> SentSms | None:
        for _, text in self._companies.texts():
            return SentSms("twilio", text, next(word for word in text.split() if portrait_id in word))
        return None


@asynccontextmanager
async def at_work(settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """API, worker and relay of a deployment, and a browser."""
    async with open_container(settings) as container:
        stop = asyncio.Event()
        parts = (run_http(container, stop), run_worker(container, stop), run_relay(container, stop))
        tasks = [asyncio.create_task(part) for part in parts]
        async with httpx.AsyncClient(base_url=settings.base_url, follow_redirects=True, timeout=60) as client:
            try:
                yield client
            finally:
                stop.set()
                await asyncio.gather(*tasks)


async def test_the_same_way_by_gemini_r2_and_twilio(make_settings: Callable[..., Any], photo_file: Path) -> None:
    port = free_port()
    with ExitStack() as opened:
        companies = SecondSet(opened)
        settings = make_settings(**companies.settings(), host="127.0.0.1", port=port, base_url=f"http://127.0.0.1:{port}")
        async with at_work(settings) as client:
            await until_it_answers(client)
            buyer = Buyer(client, PhoneAt(companies), number=PHONE, language="en", progress=lambda percent, words: None)
            finished = await buyer.go(photo_file)
        check_what_they_were_asked(companies, buyer.portrait_id)
        assert len(companies.bucket.stored()) == 10
    pictures = [content for _, content in finished.pictures.values()]
    assert len(set(pictures)) == 3
    assert finished.result["report"]["improvements"]
    assert finished.sms.link == finished.result_url


async def until_it_answers(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(120):
        while True:
            try:
                if (await client.get("/health/live")).is_success:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.05)


NOBODY: Mapping[str, Any] = {
    "routes": {"text_model": ["sandbox"], "image_model": ["sandbox"], "payment": ["sandbox"], "sms": ["sandbox"]},
    "plugins": {},
}


@pytest.mark.parametrize(
    ("routes", "words"),
    [
        ({"payment": []}, "pays at the sandbox's checkout"),
        ({"sms": []}, "no provider for sms"),
        ({"sms": ["solapi"]}, "plugins.solapi.api_key (MADANG_SOLAPI_API_KEY)"),
        ({"sms": ["pigeon"]}, "sms pigeon: there is no such plugin"),
    ],
)
def test_what_the_demonstration_cannot_do_is_said_before_anything_starts(
    tmp_path: Path, routes: Mapping[str, Any], words: str
) -> None:
    path = tmp_path / "providers.toml"
    path.write_text(as_toml({**NOBODY, "routes": {**NOBODY["routes"], **routes}}))
    with pytest.raises(CliError) as refused:
        chosen_providers(path)
    assert words in str(refused.value)


def test_an_sms_to_a_real_phone_needs_a_number(tmp_path: Path) -> None:
    path = tmp_path / "providers.toml"
    keys = {"api_key": "TESTKEYNOTSECRET", "api_secret": "test-secret-not-secret", "sender": "02-1234-5678"}
    path.write_text(as_toml({"routes": {**NOBODY["routes"], "sms": ["solapi"]}, "plugins": {"solapi": keys}}))
    done = CliRunner().invoke(demo_command, ["--settings", str(path), "--out", str(tmp_path / "out")])
    assert isinstance(done.exception, CliError)
    assert "say to whom with --phone" in str(done.exception)
    assert not (tmp_path / "out").exists()
