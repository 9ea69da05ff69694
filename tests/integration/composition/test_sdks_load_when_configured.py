"""No process loads the SDK of a provider that it was not told to use."""

import subprocess
import sys
from pathlib import Path

import pytest

SDKS = {
    "aiosmtplib", "boto3", "botocore", "cv2", "google.genai", "google.generativeai", "jsonschema_rs", "numpy", "openai",
    "opentelemetry.sdk", "replicate", "reportlab", "sentry_sdk", "solapi",
}  # fmt: skip
HELP = "import sys\nfrom madang.entrypoints.cli.main import main\ntry: main()\nfinally: print(*sys.modules, file=sys.stderr)"
OPENED = """
import asyncio, sys
from madang.entrypoints.container import open_container
from madang.entrypoints.settings import Settings
from madang.entrypoints.http.app import create_app

async def opened(kinds):
    async with open_container(Settings()) as container:
        create_app(container)
        container.portraits, container.billing, container.invoices, container.provider_administration, container.call_ledger
        for kind in kinds:
            getattr(container.providers, kind)()

asyncio.run(opened(sys.argv[1:]))
print(*sys.modules)
"""
KINDS = ("text_models", "image_models", "payment_gateways", "sms_senders", "email_senders", "storage")


def loaded(modules: str) -> set[str]:
    return set(modules.split()) & SDKS


def test_help_loads_no_sdk(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HELP, "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "madang.entrypoints.cli.main" in done.stderr
    assert loaded(done.stderr) == set()


@pytest.fixture
def folder(tmp_path: Path, database_url: str, redis_url: str) -> Path:
    sandbox = "\n".join(f'{kind} = ["sandbox"]' for kind in ("text_model", "image_model", "payment", "sms", "email"))
    settings = f'database_url = "{database_url}"\nredis_url = "{redis_url}"\n'
    keys = '[plugins.openai]\napi_key = "test-key-not-secret"\n'
    (tmp_path / "madang.toml").write_text(f"{settings}\n[routes]\n{sandbox}\n{keys}")
    return tmp_path


def opened(folder: Path, *kinds: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", OPENED, *kinds], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "madang.entrypoints.http.app" in done.stdout
    return loaded(done.stdout.splitlines()[-1])


def test_an_api_process_on_the_sandbox_loads_no_sdk_not_even_of_a_provider_that_has_its_keys(folder: Path) -> None:
    assert opened(folder, *KINDS) == set()


def test_the_sdk_of_a_routes_provider_is_loaded_with_its_first_use(folder: Path) -> None:
    written = (folder / "madang.toml").read_text().replace('text_model = ["sandbox"]', 'text_model = ["openai"]')
    (folder / "madang.toml").write_text(written)
    assert opened(folder, "sms_senders") == set()
    assert opened(folder, "text_models") == {"openai"}
