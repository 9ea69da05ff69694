"""A mail server on this machine, by aiosmtpd: it speaks SMTP, asks for TLS and passwords, and has bad days."""

import asyncio
import contextlib
import datetime as dt
import ipaddress
import ssl
import warnings
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "madang", "not-a-real-password"
HANG_UP, BE_SILENT = "hang up", "be silent"


@dataclass
class MailServer:
    """`replies` are given instead of the usual ones, by command; `HANG_UP` and `BE_SILENT` are what they say."""

    port: int = 0
    received: list[tuple[str, list[str], bytes]] = field(default_factory=list)
    greeted: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    replies: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    connections: int = 0
    most_at_once: int = 0
    open: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def message(self) -> EmailMessage:
        found = message_from_bytes(self.received[-1][2], policy=policy.default)
        assert isinstance(found, EmailMessage)
        return found

    async def handle_EHLO(  # noqa: N802  aiosmtpd calls it so
        self, server: SMTP, session: Session, envelope: Envelope, name: str, lines: list[str]
    ) -> list[str]:
        session.host_name = name
        self.greeted.append(name)
        if reply := await self._instead("EHLO", server):
            return [reply]
        return lines

    async def handle_MAIL(  # noqa: N802  aiosmtpd calls it so
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if reply := await self._instead("MAIL", server):
            return reply
        envelope.mail_from = address
        self.options += options
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802  aiosmtpd calls it so
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if reply := await self._instead("RCPT", server):
            return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802  aiosmtpd calls it so
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        instead = self.replies["DATA"].pop(0) if self.replies["DATA"] else ""
        if instead in ("", HANG_UP, BE_SILENT):
            assert isinstance(envelope.content, bytes)
            self.received.append((envelope.mail_from or "", list(envelope.rcpt_tos), envelope.content))
        return await self._say(instead, server) or "250 2.0.0 queued"

    async def _instead(self, command: str, server: SMTP) -> str:
        return await self._say(self.replies[command].pop(0), server) if self.replies[command] else ""

    async def _say(self, reply: str, server: SMTP) -> str:
        if reply == BE_SILENT:
            await self.ended.wait()
        if reply in (HANG_UP, BE_SILENT):
            assert server.transport is not None
            server.transport.abort()
            await asyncio.sleep(0)
            raise ConnectionResetError
        return reply


class _Counted(SMTP):
    """Tells how many are connected at once."""

    def __init__(self, place: MailServer, **options: Any) -> None:
        super().__init__(place, **options)
        self._place = place

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not hasattr(self, "_counted"):
            self._counted = True
            self._place.connections += 1
            self._place.open += 1
            self._place.most_at_once = max(self._place.most_at_once, self._place.open)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._place.open -= 1
        super().connection_lost(error)


def authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (USER.encode(), PASSWORD.encode()), handled=False)


@contextlib.asynccontextmanager
async def mail_server(*, tls: ssl.SSLContext | None = None, at_once: bool = False, **options: Any) -> AsyncIterator[MailServer]:
    """Runs until left. With `tls` it offers STARTTLS, or `at_once` speaks TLS from the first byte."""
    place = MailServer()
    loop = asyncio.get_running_loop()
    given = {"hostname": "mx.example.com", "enable_SMTPUTF8": False, "loop": loop, **options}
    if tls is not None and not at_once:
        given["tls_context"] = tls

    def protocol() -> SMTP:
        with warnings.catch_warnings():  # it cannot know that TLS is spoken from the first byte
            warnings.simplefilter("ignore")
            return _Counted(place, **given)

    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=tls if at_once else None)
    place.port = server.sockets[0].getsockname()[1]
    try:
        yield place
    finally:
        place.ended.set()
        server.close()
        for _ in range(100):
            if not place.open:
                break
            await asyncio.sleep(0.01)


@dataclass(frozen=True)
class Certificate:
    """For 127.0.0.1, signed by itself: `file` is what a client must trust."""

    file: str
    context: ssl.SSLContext


def make_certificate(folder: Path) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / "certificate.pem", folder / "key.pem"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, private)
    return Certificate(str(chain), context)
