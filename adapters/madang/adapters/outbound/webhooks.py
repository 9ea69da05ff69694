"""Webhooks to clients over httpcore, signed by the library `standardwebhooks`."""

import asyncio
import base64
import os
import ssl
import time
from collections.abc import Mapping
from typing import Final

import httpcore
import httpx
from standardwebhooks import Webhook

from madang.adapters.outbound.addresses import AddressRefused, OutboundPolicy
from madang.adapters.outbound.connecting import JudgedBackend, Resolve
from madang.core.kernel.errors import Problem, ValidationFailed
from madang.core.webhooks.sending import OutgoingWebhook, WebhookAnswer
from madang.ports.errors import OutcomeUnknown, Rejected, Unavailable

NAME: Final = "webhooks"
_PREFIX: Final = "whsec_"
_SECRET_BYTES: Final = 32
_CHECK_SECONDS: Final = 5.0
_PORTS: Final[Mapping[str, int]] = {"https": 443, "http": 80}


class SignedWebhookSender:
    """Fulfils `WebhookSender`. A connection carries one request: nothing is kept open to hosts that strangers chose. Proxies of
    the environment are not asked. Of the answer only its head is read."""

    def __init__(
        self, policy: OutboundPolicy, resolve: Resolve, *, timeout: float, certificates: ssl.SSLContext | None = None
    ) -> None:
        self._policy = policy
        self._backend = JudgedBackend(policy, resolve)
        self._timeout = timeout
        self._certificates = certificates

    async def check(self, url: str) -> None:
        try:
            read = self._policy.read(url)
            async with asyncio.timeout(_CHECK_SECONDS):
                await self._backend.addresses_of(read.raw_host.decode("ascii"), _port(read))
        except AddressRefused as error:
            raise ValidationFailed(Problem("url", str(error))) from None
        except (httpcore.ConnectError, TimeoutError):
            raise ValidationFailed(Problem("url", "names a host that cannot be found")) from None

    async def send(self, webhook: OutgoingWebhook) -> WebhookAnswer:
        started = time.perf_counter()
        try:
            url = self._policy.read(webhook.url)
            certificates = await self._trusted()
            async with asyncio.timeout(self._timeout):
                status, headers = await self._post(url, webhook, certificates)
        except AddressRefused as error:
            raise Rejected(str(error), reason="address", code="address_refused", provider=NAME, operation="send") from None
        except (httpcore.ConnectError, httpcore.ConnectTimeout, ssl.SSLError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise OutcomeUnknown("no answer in time", code="timeout", provider=NAME, operation="send") from None
            raise Unavailable("no connection", code="no_connection", provider=NAME, operation="send") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException):
            raise OutcomeUnknown("the connection broke", code="connection_broke", provider=NAME, operation="send") from None
        took = int((time.perf_counter() - started) * 1000)
        return WebhookAnswer(status, took, _seconds(headers.get(b"retry-after")))

    def new_secret(self) -> str:
        return _PREFIX + base64.b64encode(os.urandom(_SECRET_BYTES)).decode("ascii")

    def host_of(self, url: str) -> str:
        return httpx.URL(url).host

    async def _trusted(self) -> ssl.SSLContext:
        """Read once: that takes as long as some webhooks do, which is not the receiver's doing."""
        if self._certificates is None:
            self._certificates = await asyncio.to_thread(httpx.create_ssl_context)
        return self._certificates

    async def _post(
        self, url: httpx.URL, webhook: OutgoingWebhook, certificates: ssl.SSLContext
    ) -> tuple[int, Mapping[bytes, bytes]]:
        """Leaving the answer unread closes the connection."""
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        pool = httpcore.AsyncConnectionPool(
            ssl_context=certificates, network_backend=self._backend, max_connections=1, max_keepalive_connections=0
        )
        async with pool, pool.stream("POST", target, headers=_headers(webhook), content=webhook.body) as response:
            return response.status, {name.lower(): value for name, value in response.headers}


def _headers(webhook: OutgoingWebhook) -> Mapping[bytes | str, bytes | str]:
    body = webhook.body.decode()
    signed = [Webhook(secret).sign(webhook.id, webhook.sent_at, body) for secret in webhook.secrets]
    return {
        "content-type": "application/json",
        "user-agent": "Madang-Webhooks/1",
        "webhook-id": webhook.id,
        "webhook-timestamp": str(int(webhook.sent_at.timestamp())),
        "webhook-signature": " ".join(signed),
    }


def _port(url: httpx.URL) -> int:
    return url.port or _PORTS[url.scheme]


def _seconds(written: bytes | None) -> float | None:
    """A `Retry-After` in seconds; a date is not honoured."""
    return float(written) if written is not None and written.isdigit() and len(written) < 10 else None
