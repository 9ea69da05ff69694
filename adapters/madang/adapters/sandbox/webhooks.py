"""Webhooks as a provider sends them: signed, over HTTP, late, twice, out of order or never, and again until they are taken."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import logging
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import httpx
from standardwebhooks import Webhook

from madang.adapters.sandbox import knobs as knobs_module
from madang.adapters.sandbox.chance import identifier, share
from madang.adapters.sandbox.gate import NAME, Gate
from madang.adapters.sandbox.settings import SandboxSettings
from madang.adapters.standard_webhooks.verification import SignedEvent, WebhookVerification
from madang.ports.context import ProviderContext
from madang.ports.errors import SignatureInvalid
from madang.ports.secret import Secret
from madang.ports.webhook import WebhookRequest

log = logging.getLogger(__name__)

SEND_TIMEOUT: Final = 10.0
LEASE_SECONDS: Final = 20.0
ATTEMPTS: Final = 8
BATCH: Final = 20
POLL_SECONDS: Final = 0.25
CHORE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Delivery:
    id: str
    event_id: str
    url: str
    body: str
    attempts: int


def signing_secret(settings: SandboxSettings, context: ProviderContext) -> Secret:
    """`whsec_…`: the configured one, or one derived from the deployment's key, the same in all its processes."""
    if settings.webhook_secret is not None:
        return settings.webhook_secret
    key = hmac.new(context.signing_key.reveal().encode(), b"sandbox webhooks", hashlib.sha256).digest()
    return Secret("whsec_" + base64.b64encode(key).decode())


def signed_headers(secret: Secret, event_id: str, body: str, now: datetime) -> Mapping[str, str]:
    """The three headers of Standard Webhooks for this body at this moment."""
    return {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret.reveal()).sign(event_id, now, body),
    }


def verified(secret: Secret, request: WebhookRequest) -> SignedEvent:
    """An event of ours. Raises `SignatureInvalid` unless we sent it within five minutes of its arrival."""
    event = WebhookVerification(NAME, secret).read(request)
    if not isinstance(event.document.get("data"), dict):
        raise SignatureInvalid("the body is not an event", provider=NAME, operation="read_webhook")
    return event


def schedule(
    connection: sqlite3.Connection,
    knobs: SandboxSettings,
    *,
    url: str | None,
    event_id: str,
    kind: str,
    subject: str,
    data: Mapping[str, Any],
    due_at: float | None = None,
) -> None:
    """Put an event on its way, as often and as late as the knobs say; a lost one is kept, marked `lost`."""
    if url is None:
        return
    now = time.time()
    body = json.dumps({"type": kind, "timestamp": datetime.fromtimestamp(now, UTC).isoformat(), "data": data})
    for copy in range(1 + knobs.webhook_duplicates):
        lost = (
            knobs_module.take_lost_webhook(connection, knobs) or share(knobs.seed, "loss", event_id, copy) < knobs.webhook_loss
        )
        due = (due_at or now) + knobs.webhook_delay + knobs.webhook_shuffle * share(knobs.seed, "shuffle", event_id, copy)
        connection.execute(
            "INSERT OR IGNORE INTO deliveries (id, event_id, kind, subject, url, body, state, due_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (identifier("dlv", event_id, copy), event_id, kind, subject, url, body, "lost" if lost else "waiting", due),
        )


def withdraw(connection: sqlite3.Connection, subject: str, kind: str) -> None:
    """Take back what has not been sent yet."""
    connection.execute("DELETE FROM deliveries WHERE subject = ? AND kind = ? AND state = 'waiting'", (subject, kind))


class Courier:
    """Sends what is due, from whatever process serves the sandbox's pages; also what an earlier process left behind."""

    def __init__(
        self,
        settings: SandboxSettings,
        context: ProviderContext,
        gate: Gate,
        chore: Callable[[sqlite3.Connection], None] | None = None,
    ) -> None:
        self._secret = signing_secret(settings, context)
        self._gate = gate
        self._chore = chore
        self._chore_at = 0.0
        self._client: httpx.AsyncClient | None = None
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, once; further calls change nothing."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work(), name="sandbox-webhooks")

    def wake(self) -> None:
        """Something may be due now."""
        self._wake.set()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._client is not None:
            await self._client.aclose()

    async def deliver_due(self) -> int:
        """Send what is due now, once each; how many were sent or tried."""
        due = await self._gate.world.run(_claim)
        await asyncio.gather(*(self._deliver(delivery) for delivery in due))
        return len(due)

    async def _work(self) -> None:
        while True:
            try:
                if await self.deliver_due():
                    continue
                await self._do_chore()
            except sqlite3.Error as error:
                log.warning("the sandbox's world cannot be read: %s", error)
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._wake.wait()

    async def _do_chore(self) -> None:
        """What else the simulated providers do on their own, such as throwing old files away; now and then."""
        if self._chore is not None and time.monotonic() >= self._chore_at:
            self._chore_at = time.monotonic() + CHORE_SECONDS
            await self._gate.world.run(self._chore)

    async def _deliver(self, delivery: Delivery) -> None:
        answer = await self._post(delivery)
        await self._gate.world.run(lambda connection: _record(connection, delivery, answer))

    async def _post(self, delivery: Delivery) -> str:
        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=SEND_TIMEOUT, trust_env=False, headers={"user-agent": "madang-sandbox-webhooks"}
            )
        headers = signed_headers(self._secret, delivery.event_id, delivery.body, datetime.now(UTC))
        try:
            response = await self._client.post(delivery.url, content=delivery.body.encode(), headers=dict(headers))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return type(error).__name__
        return str(response.status_code)


def _claim(connection: sqlite3.Connection) -> Sequence[Delivery]:
    now = time.time()
    rows = connection.execute(
        "SELECT id, event_id, url, body, attempts FROM deliveries WHERE state = 'waiting' AND due_at <= ?"
        " AND (lease_until IS NULL OR lease_until < ?) ORDER BY due_at LIMIT ?",
        (now, now, BATCH),
    ).fetchall()
    for row in rows:
        connection.execute(
            "UPDATE deliveries SET lease_until = ?, attempts = attempts + 1 WHERE id = ?", (now + LEASE_SECONDS, row["id"])
        )
    return [Delivery(row["id"], row["event_id"], row["url"], row["body"], row["attempts"] + 1) for row in rows]


def _record(connection: sqlite3.Connection, delivery: Delivery, answer: str) -> None:
    taken = answer.isdecimal() and 200 <= int(answer) < 300
    state = "delivered" if taken else "waiting" if delivery.attempts < ATTEMPTS else "given_up"
    retry_at = time.time() + min(0.5 * 2**delivery.attempts, 60.0)
    connection.execute(
        "UPDATE deliveries SET state = ?, lease_until = NULL, last_answer = ?, due_at = max(due_at, ?) WHERE id = ?",
        (state, answer, retry_at if state == "waiting" else 0.0, delivery.id),
    )


def recent_deliveries(connection: sqlite3.Connection, limit: int = 100) -> Sequence[Mapping[str, Any]]:
    """The latest deliveries, the newest first, without their bodies."""
    rows = connection.execute(
        "SELECT id, event_id, kind, subject, url, state, attempts, last_answer FROM deliveries ORDER BY rowid DESC LIMIT ?",
        (limit,),
    )
    return [dict(row) for row in rows]
