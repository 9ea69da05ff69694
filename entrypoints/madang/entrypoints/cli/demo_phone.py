"""Where the demonstration's SMS went: onto the sandbox's phone, where it can be read, or to a provider that says it has it."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import httpx

from madang.entrypoints.cli.demo_providers import SANDBOX

_LINK: Final = re.compile(r"https?://\S+")
_CALLED: Final = "provider called"


@dataclass(frozen=True, slots=True)
class SentSms:
    """`text` and the `link` in it are None where only the phone that it went to can show them."""

    provider: str
    text: str | None = None
    link: str | None = None


class Phone(Protocol):
    async def received(self, portrait_id: str) -> SentSms | None:
        """The SMS with the link to this portrait; None as long as it has not left."""
        ...


class SandboxPhone:
    """The page of the sandbox that stands for a phone. `client` speaks to the deployment."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def received(self, portrait_id: str) -> SentSms | None:
        response = await self._client.get("/sandbox/api/sms")
        response.raise_for_status()
        for message in response.json():
            link = _LINK.search(message["text"])
            if link is not None and portrait_id in link[0]:
                return SentSms(SANDBOX, str(message["text"]), link[0])
        return None


class ProvidersPhone:
    """What the deployment's log says of its calls; an SMS that went to the sandbox after all is read there."""

    def __init__(self, log: Path, sandbox: SandboxPhone) -> None:
        self._log = log
        self._sandbox = sandbox

    async def received(self, portrait_id: str) -> SentSms | None:
        sender = next((name for kind, name in calls_done(self._log) if kind == "sms"), None)
        if sender is None:
            return None
        return await self._sandbox.received(portrait_id) if sender == SANDBOX else SentSms(sender)


def calls_done(log: Path) -> Counter[tuple[str, str]]:
    """How many calls each provider has answered, by kind and name. Reads and writes of files are not told of there."""
    return Counter((line["kind"], line["provider"]) for line in _lines(log) if line.get("outcome") == "done")


def _lines(log: Path) -> Iterator[Mapping[str, Any]]:
    """The lines about calls; the last line of a log may be half written."""
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if _CALLED not in line:
            continue
        try:
            read = json.loads(line)
        except ValueError:
            continue
        if read.get("event") == _CALLED:
            yield read
