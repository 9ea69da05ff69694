"""Over TLS the connection goes to the judged address, and the certificate must still be the name's."""

import asyncio
import ssl
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from integration.webhooks.receiver import Receiver
from madang.adapters.outbound.addresses import OutboundPolicy
from madang.adapters.outbound.webhooks import SignedWebhookSender
from madang.core.webhooks.sending import OutgoingWebhook
from madang.ports.errors import Unavailable

NAME = "hooks.example.com"


def certificate_of(name: str, folder: Path) -> Path:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "certificate.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


async def to_this_machine(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"]


@pytest.mark.parametrize("asked", [NAME, "other.example.com"])
async def test_a_certificate_counts_for_its_own_name_only(asked: str, tmp_path: Path) -> None:
    path, receiver = certificate_of(NAME, tmp_path), Receiver()
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(path)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=theirs)
    policy = OutboundPolicy.of(plain_http=False, networks=("127.0.0.0/8",))
    ours = ssl.create_default_context(cafile=str(path))
    sender = SignedWebhookSender(policy, to_this_machine, timeout=10, certificates=ours)
    receiver.secret = sender.new_secret()
    url = f"https://{asked}:{server.sockets[0].getsockname()[1]}/hook"
    webhook = OutgoingWebhook("message-1", url, b'{"type":"a"}', datetime.now(UTC), [receiver.secret])
    try:
        if asked == NAME:
            assert (await sender.send(webhook)).status == 204
            assert receiver.verified() == {"type": "a"}
            assert receiver.received[0]["headers"]["host"].startswith(NAME)
        else:
            with pytest.raises(Unavailable):
                await sender.send(webhook)
            assert receiver.received == []
    finally:
        server.close()
        await server.wait_closed()


async def test_the_certificates_are_read_beside_whatever_else_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    going_on, read = threading.Event(), httpx.create_ssl_context

    def read_slowly() -> ssl.SSLContext:
        assert going_on.wait(30)
        return read()

    monkeypatch.setattr(httpx, "create_ssl_context", read_slowly)
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    policy = OutboundPolicy.of(plain_http=True, networks=("127.0.0.0/8",))
    sender = SignedWebhookSender(policy, to_this_machine, timeout=30.0)
    url = f"http://{NAME}:{server.sockets[0].getsockname()[1]}/hook"
    webhook = OutgoingWebhook("message-1", url, b'{"type":"a"}', datetime.now(UTC), [sender.new_secret()])
    asyncio.get_running_loop().call_later(0.01, going_on.set)
    try:
        assert (await sender.send(webhook)).status == 204
    finally:
        server.close()
        await server.wait_closed()
