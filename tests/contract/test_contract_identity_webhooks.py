"""Webhooks about people: Svix signatures believed only when ours and fresh, and each event read for what it says."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from contract.fake_clerk import user
from madang.adapters.clerk.identity import ClerkIdentity
from madang.adapters.clerk.mapping import notice_from, person_from_claims
from madang.adapters.clerk.settings import ClerkSettings
from madang.ports.context import ProviderContext
from madang.ports.errors import SignatureInvalid, Unsupported
from madang.ports.identity import PersonChange
from madang.ports.secret import Secret
from madang.ports.webhook import WebhookRequest

ISSUER = "https://clerk.example.com"
SECRET = "whsec_dGVzdC1zZWNyZXQtbm90LWEtcmVhbC1vbmU="
OLD_SECRET = "whsec_YW5vdGhlci10ZXN0LXNlY3JldC1ub3QtcmVhbA=="
ARRIVED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CREATED = {
    "object": "event", "type": "user.created", "timestamp": 1772366400, "instance_id": "ins_1", "data": user("user_1"),
}  # fmt: skip


@pytest.fixture
async def clerk(context: ProviderContext) -> ClerkIdentity:
    """Its webhooks are the first issuer's."""
    return ClerkIdentity(ClerkSettings((ISSUER, "https://other.example.com"), webhook_secret=Secret(SECRET)), context)


def signature(body: bytes, secret: str = SECRET, sent_at: datetime = ARRIVED, identity: str = "msg_1") -> str:
    return Webhook(secret).sign(identity, sent_at, body.decode())


def delivery(event: Any, sent_at: datetime = ARRIVED, **headers: str) -> WebhookRequest:
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    given_headers = {
        "svix-id": "msg_1",
        "svix-timestamp": str(int(sent_at.timestamp())),
        "svix-signature": signature(body, sent_at=sent_at) if not isinstance(event, bytes) else "v1,AAAA",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return WebhookRequest(given_headers, body, ARRIVED)


def test_a_created_person_is_told_with_all_that_is_known(clerk: ClerkIdentity) -> None:
    [notice] = clerk.read_webhook(delivery(CREATED))
    assert (notice.event_id, notice.change, notice.subject) == ("msg_1", PersonChange.CREATED, "user_1")
    assert notice.occurred_at == ARRIVED
    assert notice.person is not None
    assert (notice.person.issuer, notice.person.email, notice.person.email_verified) == (ISSUER, "primary@example.com", True)


@pytest.mark.parametrize(
    ("kind", "data", "change", "subject", "session"),
    [
        ("user.updated", user("user_1"), PersonChange.UPDATED, "user_1", None),
        ("user.deleted", {"object": "user", "id": "user_1", "deleted": True}, PersonChange.DELETED, "user_1", None),
        ("session.ended", {"id": "sess_1", "user_id": "user_1"}, PersonChange.SESSION_ENDED, "user_1", "sess_1"),
        ("session.removed", {"id": "sess_1", "user_id": "user_1"}, PersonChange.SESSION_ENDED, "user_1", "sess_1"),
        ("session.revoked", {"id": "sess_1", "user_id": "user_1"}, PersonChange.SESSION_ENDED, "user_1", "sess_1"),
        ("session.created", {"id": "sess_1", "user_id": "user_1"}, PersonChange.OTHER, None, None),
        ("organization.created", {"id": "org_1"}, PersonChange.OTHER, None, None),
        ("user.something_new", {"id": "user_1"}, PersonChange.OTHER, None, None),
    ],
)
def test_each_event_is_read_for_what_it_says(
    clerk: ClerkIdentity, kind: str, data: dict[str, Any], change: PersonChange, subject: str | None, session: str | None
) -> None:
    [notice] = clerk.read_webhook(delivery({**CREATED, "type": kind, "data": data}))
    assert (notice.change, notice.subject, notice.session_id) == (change, subject, session)


def test_one_of_several_signatures_is_enough_while_secrets_are_rotated(clerk: ClerkIdentity) -> None:
    body = json.dumps(CREATED).encode()
    several = f"v1a,unknown {signature(body, OLD_SECRET)} garbage {signature(body)}"
    assert clerk.read_webhook(replace(delivery(CREATED, svix_signature=several)))[0].subject == "user_1"


@pytest.mark.parametrize(
    "request_",
    [
        delivery(CREATED, svix_signature=""),
        delivery(CREATED, svix_signature="v1,"),
        delivery(CREATED, svix_signature="garbage"),
        delivery(CREATED, svix_signature=signature(json.dumps(CREATED).encode(), OLD_SECRET)),
        delivery(CREATED, svix_signature=signature(b"{}")),
        delivery(CREATED, svix_signature=" ".join(["v1,AAAA"] * 20 + [signature(json.dumps(CREATED).encode())])),
        delivery(CREATED, svix_id="msg_2"),
        delivery(CREATED, svix_id=""),
        delivery(CREATED, svix_timestamp=""),
        delivery(CREATED, svix_timestamp="1e9"),
        delivery(CREATED, svix_timestamp="9" * 40),
        delivery(CREATED, svix_timestamp=str(int(ARRIVED.timestamp()) + 1)),
        delivery(CREATED, ARRIVED - timedelta(seconds=301)),
        delivery(CREATED, ARRIVED + timedelta(seconds=301)),
        replace(delivery(CREATED), body=json.dumps({**CREATED, "type": "user.deleted"}).encode()),
        delivery(b"\xff\xfe"),
        delivery([]),
        delivery({**CREATED, "data": {"id": None}}),
        delivery({**CREATED, "type": "session.ended", "data": {"id": "sess_1"}}),
        WebhookRequest({}, b"", ARRIVED),
    ],
)
def test_what_clerk_did_not_send_is_refused(clerk: ClerkIdentity, request_: WebhookRequest) -> None:
    with pytest.raises(SignatureInvalid) as refused:
        clerk.read_webhook(request_)
    assert (refused.value.provider, refused.value.operation) == ("clerk", "read_webhook")
    assert "example.com" not in str(refused.value)


def test_without_a_secret_no_webhook_is_read(context: ProviderContext) -> None:
    with pytest.raises(Unsupported):
        ClerkIdentity(ClerkSettings((ISSUER,)), context).read_webhook(delivery(CREATED))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(["user.created", "user.deleted", "session.ended", "x"]), ANYTHING, ANYTHING, ANYTHING)
def test_an_event_of_any_shape_is_read_or_refused_and_never_verifies_an_address(
    kind: str, identity: Any, addresses: Any, moment: Any
) -> None:
    data = {"id": identity, "user_id": identity, "email_addresses": addresses, "primary_email_address_id": "idn"}
    try:
        notice = notice_from("msg", {"type": kind, "timestamp": moment, "data": data}, ISSUER)
    except ValueError:
        return
    assert notice.person is None or not notice.person.email_verified


@given(st.dictionaries(st.sampled_from(["email", "email_verified", "name", "picture", "locale", "sid", "exp"]), ANYTHING))
def test_claims_of_any_shape_make_a_person_whose_address_is_text(claims: dict[str, Any]) -> None:
    person = person_from_claims({**claims, "iss": ISSUER, "sub": "s"})
    assert person.email is None or person.email.isprintable()
    assert person.email is not None or not person.email_verified


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuers": ()},
        {"issuers": ("http://clerk.example.com",)},
        {"issuers": ("clerk.example.com",)},
        {"issuers": ("https://name:word@clerk.example.com",)},
        {"api_url": "http://api.clerk.example"},
        {"jwks_url": "ftp://clerk.example.com/keys", "audiences": ("a",)},
        {"jwks_url": f"{ISSUER}/keys"},
        {"jwks_url": f"{ISSUER}/keys", "audiences": ("a",), "discovery": True},
        {"jwks_url": f"{ISSUER}/keys", "audiences": ("a",), "issuers": (ISSUER, "https://other.example")},
        {"discovery": True},
        {"algorithms": ()},
        {"algorithms": ("RS256", "none")},
        {"algorithms": ("HS256",)},
        {"leeway": -1},
        {"leeway": 301},
        {"keys_lifetime": 0.0},
        {"keys_stale": 60.0},
        {"keys_pause": 0.0},
        {"secret_key": Secret("sk_test_x\n")},
        {"webhook_secret": Secret("whsec_???")},
        {"webhook_secret": Secret("whsec_")},
    ],
)
def test_settings_that_would_let_strangers_in_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"issuer|https://|jwks_url|algorithms|leeway|keys_lifetime|webhook_secret|secret_key"):
        ClerkSettings(**{"issuers": (ISSUER,), **wrong})
