"""Webhooks signed by the scheme of Standard Webhooks: which are believed, for how long, and what is said of the others."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from madang.adapters.standard_webhooks.verification import WebhookVerification
from madang.ports.errors import SignatureInvalid
from madang.ports.secret import Secret
from madang.ports.signing_secrets import is_signing_secret
from madang.ports.webhook import WebhookRequest

SIGNED_AT = datetime(2026, 1, 1, tzinfo=UTC)
SECRET = Secret("whsec_dGVzdC1zZWNyZXQtbm90LWEtcmVhbC1vbmU=")
OTHER_SECRET = Secret("whsec_YW5vdGhlci10ZXN0LXNlY3JldC1ub3QtcmVhbA==")


def delivery(
    body: bytes = b'{"type": "x"}',
    *,
    late: timedelta = timedelta(0),
    identity: str = "msg_1",
    names: str = "webhook",
    **headers: str,
) -> WebhookRequest:
    """One that was signed with our secret, after a signature of somebody else's."""
    signature = Webhook(SECRET.reveal()).sign(identity, SIGNED_AT, body.decode(errors="replace"))
    usual = {"id": identity, "timestamp": str(int(SIGNED_AT.timestamp())), "signature": f"v1,other {signature}"}
    told = {f"{names}-{name}": value for name, value in {**usual, **headers}.items()}
    return WebhookRequest(told, body, SIGNED_AT + late)


FITTING = delivery().headers["webhook-signature"].split(" ")[1]


def verification(secret: Secret = SECRET, headers: str = "webhook") -> WebhookVerification:
    return WebhookVerification("acme", secret, headers)


@pytest.mark.parametrize("late", [timedelta(minutes=5), timedelta(minutes=-5)])
def test_a_delivery_is_believed_for_five_minutes_around_its_arrival(late: timedelta) -> None:
    event = verification().read(delivery(late=late))
    assert (event.id, event.document) == ("msg_1", {"type": "x"})
    with pytest.raises(SignatureInvalid, match="too long ago"):
        verification().read(delivery(late=late + late / 300))


def test_the_headers_may_have_another_name_and_then_those_of_the_scheme_count_for_nothing() -> None:
    assert verification(headers="svix").read(delivery(names="svix")).id == "msg_1"
    with pytest.raises(SignatureInvalid, match="svix-id and svix-timestamp"):
        verification(headers="svix").read(delivery())


def test_of_ten_signatures_one_that_fits_is_enough() -> None:
    assert verification().read(delivery(signature=" ".join(["v1,a"] * 9 + [FITTING]))).id == "msg_1"
    with pytest.raises(SignatureInvalid, match="no signature"):
        verification().read(delivery(signature=" ".join(["v1,a"] * 10 + [FITTING])))


def test_a_signature_by_another_secret_of_another_id_time_or_body_is_none() -> None:
    for request in (
        delivery(id="msg_2"),
        delivery(timestamp=str(int(SIGNED_AT.timestamp()) + 1)),
        WebhookRequest(delivery().headers, b'{"type": "y"}', SIGNED_AT),
        delivery(signature=FITTING.replace("v1,", "v2,")),
        delivery(signature=""),
    ):
        with pytest.raises(SignatureInvalid, match="no signature"):
            verification().read(request)
    with pytest.raises(SignatureInvalid, match="no signature"):
        verification(OTHER_SECRET).read(delivery())


def test_an_id_may_be_255_characters_long() -> None:
    assert verification().read(delivery(identity="i" * 255)).id == "i" * 255


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (delivery(identity="i" * 256), "missing or wrong"),
        (delivery(id=""), "missing or wrong"),
        (delivery(timestamp=""), "missing or wrong"),
        (delivery(timestamp="1" * 12), "missing or wrong"),
        (delivery(timestamp="9" * 11), "too long ago, or for later"),
        (delivery(timestamp="²"), "missing or wrong"),
        (delivery(b"\xff"), "cannot be read"),
        (delivery(b"{"), "cannot be read"),
        (delivery(b"[" * 10_000), "cannot be read"),
        (delivery(b"[]"), "not an event"),
    ],
)
def test_what_cannot_be_an_event_is_refused_by_the_providers_name_with_the_reason(request_: WebhookRequest, why: str) -> None:
    with pytest.raises(SignatureInvalid, match=why) as refused:
        verification().read(request_)
    assert (refused.value.provider, refused.value.operation) == ("acme", "read_webhook")


@given(st.binary(max_size=64))
def test_a_signing_secret_is_base64_of_at_least_sixteen_bytes_padded_or_not(key: bytes) -> None:
    written = base64.b64encode(key).decode()
    for secret in (written, f"whsec_{written}", written.rstrip("=")):
        assert is_signing_secret(Secret(secret)) == (len(key) >= 16)


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_ü" * 8, "whsec_" + "a b" * 20, "whsec_" + "*" * 40, "whsec_" + "a" * 25]
)
def test_what_is_not_base64_is_no_signing_secret(secret: str) -> None:
    assert not is_signing_secret(Secret(secret))
