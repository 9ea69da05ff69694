"""The example of docs/plugins.md is installed, built and used against a server on the loopback."""

import re
import threading
import tomllib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast

import pytest

from madang.plugins.registry import Deployment, PluginRegistry
from madang.ports import errors
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable, Unsupported
from madang.ports.provider import ProviderKind
from madang.ports.sms import SmsReceipt, SmsRequest, SmsSender, SmsStatus

GUIDE = Path(__file__).parents[3] / "docs" / "plugins.md"
TEXT = GUIDE.read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', TEXT, re.MULTILINE | re.DOTALL))


class Acme(BaseHTTPRequestHandler):
    """Answers as the recipient's number says: `+82…429` is limited, `+82…000` hangs up."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        status = next((each for each in (400, 401, 429, 500, 503) if f"{each}" in body), 200)
        if '"+82000"' in body.replace(" ", ""):
            self.close_connection = True
            return
        self._answer(status, b'{"id": "m-1", "status": "sent"}')

    def do_GET(self) -> None:
        known = b'[{"id": "m-1", "status": "a state to come"}]' if "key=known" in self.path else b"[]"
        self._answer(
            200 if self.headers["authorization"] == "Bearer test-key-not-secret" else 401, b'{"messages": ' + known + b"}"
        )

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("retry-after", "7")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002  the parent names it so


@pytest.fixture
def acme() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Acme) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def registry(install: Callable[..., Path], deployment: Deployment, acme: str) -> PluginRegistry:
    files = {path: text for path, text in BLOCKS.items() if path.endswith(".py")}
    project = tomllib.loads(BLOCKS["pyproject.toml"])["project"]
    install(project["name"], files, project["entry-points"]["madang"])
    settings = tomllib.loads(BLOCKS["madang.toml"])["plugins"]
    variables = {"MADANG_ACMESMS_API_KEY": "test-key-not-secret", "MADANG_ACMESMS_BASE_URL": acme}
    return PluginRegistry.load(settings, deployment, variables=variables, strict=True)


def sender(registry: PluginRegistry) -> SmsSender:
    return cast(SmsSender, registry.build(ProviderKind.SMS, "acmesms"))


def message(to: str = "+821012345678") -> SmsRequest:
    return SmsRequest(to=to, text="hello", idempotency_key="k")


async def test_the_example_sends_finds_and_checks(registry: PluginRegistry) -> None:
    acme = sender(registry)

    assert await acme.send(message()) == SmsReceipt("m-1", SmsStatus.DELIVERED)
    assert await acme.find("known") == SmsReceipt("m-1", SmsStatus.ACCEPTED)
    assert await acme.find("unknown") is None
    assert (await acme.check()).reachable
    with pytest.raises(Unsupported):
        await acme.fetch("m-1")
    await registry.close()


@pytest.mark.parametrize(
    ("to", "error"),
    [
        ("+82400", Rejected),
        ("+82401", Misconfigured),
        ("+82429", RateLimited),
        ("+82500", OutcomeUnknown),
        ("+82503", Unavailable),
        ("+82000", OutcomeUnknown),
    ],
)
async def test_the_example_fails_by_the_taxonomy_and_shows_neither_key_nor_number(
    registry: PluginRegistry, to: str, error: type[PortError]
) -> None:
    with pytest.raises(error) as raised:
        await sender(registry).send(message(to))
    assert type(raised.value) is error
    assert to not in str(raised.value)
    assert "test-key-not-secret" not in str(raised.value)
    await registry.close()


async def test_the_example_without_its_key_is_not_configured(
    install: Callable[..., Path], deployment: Deployment, registry: PluginRegistry
) -> None:
    bare = PluginRegistry.load({}, deployment, variables={})
    report = next(each for each in bare.report() if each.name == "acmesms")
    assert report.why == "needs plugins.acmesms.api_key (MADANG_ACMESMS_API_KEY)"


def test_the_guide_tells_every_error_that_a_provider_may_raise() -> None:
    told = set(re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE))
    own = {name for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, PortError)}
    assert told == own - {"PortError", "ProviderError", "MissingExtra"}
