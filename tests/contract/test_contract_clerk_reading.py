"""Clerk's people, events, tokens and refusals read, at the bounds of each rule."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from joserfc.jwk import ECKey

from contract.fake_clerk import NOW, FakeIssuer, key, signed
from madang.adapters.clerk.client import ClerkClient
from madang.adapters.clerk.mapping import error_of, notice_from, person_from_claims, person_from_user, retry_after_of
from madang.adapters.clerk.settings import ClerkSettings
from madang.adapters.clerk.tokens import TokenRules
from madang.plugins.conformance.remote import serving
from madang.ports.errors import (
    Misconfigured,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Rejected,
    Unavailable,
)
from madang.ports.identity import PersonChange, VerifyToken
from madang.ports.secret import Secret

ISSUER = "https://clerk.madang.example"
SETTINGS = ClerkSettings((ISSUER,), keys_lifetime=100.0, keys_stale=200.0, keys_pause=30.0)
SECRET = Secret("whsec_dGVzdC1zZWNyZXQtbm90LWEtcmVhbC1vbmU=")


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (1_700_000_000, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        (1_700_000_000_000, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        (99_999_999_999, datetime(5138, 11, 16, 9, 46, 39, tzinfo=UTC)),
        (100_000_000_000, datetime(1973, 3, 3, 9, 46, 40, tzinfo=UTC)),
        (True, None),
        ("1700000000", None),
        (float("nan"), None),
        (float("inf"), None),
        (1e17, None),
    ],
)
def test_a_moment_is_read_in_seconds_or_milliseconds(value: Any, moment: datetime | None) -> None:
    assert person_from_claims({"iss": ISSUER, "sub": "user_1", "exp": value}).expires_at == moment
    assert notice_from("msg_1", {"type": "other", "timestamp": value}, ISSUER).occurred_at == moment


def test_a_person_is_read_from_claims() -> None:
    claims = {"iss": ISSUER, "sub": "user_1", "given_name": "마당", "family_name": "김", "sid": "s" * 255, "locale": "k" * 35}
    person = person_from_claims({**claims, "email": "a" * 320, "email_verified": True, "picture": "https://a.example/1"})
    assert (person.name, person.session_id, person.locale) == ("마당 김", "s" * 255, "k" * 35)
    assert (person.email, person.email_verified, person.picture_url) == ("a" * 320, True, "https://a.example/1")
    odd = {
        "name": "n" * 201,
        "given_name": "g" * 101,
        "family_name": 7,
        "sid": "s" * 256,
        "locale": "k" * 36,
        "picture": "http://a",
    }
    person = person_from_claims({**claims, **odd, "email": "a" * 321, "email_verified": True})
    assert (person.name, person.session_id, person.locale, person.picture_url) == (None, None, None, None)
    assert (person.email, person.email_verified) == (None, False)
    assert not person_from_claims({**claims, "email": "a@b", "email_verified": "true"}).email_verified
    assert person_from_claims({**claims, "name": "n" * 200}).name == "n" * 200
    assert person_from_claims({**claims, "name": "two\nlines"}).name == "마당 김"
    assert person.claims["sub"] == "user_1"


def test_a_person_is_read_from_a_user() -> None:
    address = {"id": "e-1", "email_address": "a@b.example", "verification": {"status": "verified"}}
    user = {
        "id": "user_1", "first_name": "마당", "last_name": "김", "locale": "ko", "has_image": True, "image_url": "https://a.example",
        "primary_email_address_id": "e-1", "email_addresses": [{"id": "e-0"}, "no address", address],
    }  # fmt: skip
    person = person_from_user(user, ISSUER)
    assert (person.issuer, person.subject, person.name, person.locale) == (ISSUER, "user_1", "마당 김", "ko")
    assert (person.email, person.email_verified, person.picture_url) == ("a@b.example", True, "https://a.example")
    assert person_from_user({**user, "has_image": False}, ISSUER).picture_url is None
    for verification in ({"status": "unverified"}, None, "verified"):
        unsure = {**user, "email_addresses": [{**address, "verification": verification}]}
        found = person_from_user(unsure, ISSUER)
        assert (found.email, found.email_verified) == ("a@b.example", False)
    for odd in (
        {"primary_email_address_id": None, "email_addresses": [{**address, "id": None}]},
        {"email_addresses": "none"},
        {"email_addresses": [{**address, "email_address": 7}]},
    ):
        nobody = person_from_user({**user, **odd}, ISSUER)
        assert (nobody.email, nobody.email_verified) == (None, False)
    for subject in (None, "", "two words", "x" * 256):
        with pytest.raises(ValueError, match="no id"):
            person_from_user({**user, "id": subject}, ISSUER)


def test_an_event_tells_what_happened_to_whom() -> None:
    ended = notice_from("msg_1", {"type": "session.ended", "data": {"id": "sess_1", "user_id": "user_1"}}, ISSUER)
    assert (ended.change, ended.person) == (PersonChange.SESSION_ENDED, None)
    assert (ended.subject, ended.session_id) == ("user_1", "sess_1")
    for kind, change, told in (
        ("user.created", PersonChange.CREATED, True),
        ("user.updated", PersonChange.UPDATED, True),
        ("user.deleted", PersonChange.DELETED, False),
    ):
        notice = notice_from("msg_1", {"type": kind, "data": {"id": "user_1"}}, ISSUER)
        assert (notice.change, notice.subject, notice.session_id, notice.person is not None) == (change, "user_1", None, told)
    for event in ({"type": "email.created", "data": {"id": "x"}}, {"type": "user.created", "data": 7}, {}):
        other = notice_from("msg_1", event, ISSUER)
        assert (other.change, other.subject) == (PersonChange.OTHER, None)
    with pytest.raises(ValueError, match="names nobody"):
        notice_from("msg_1", {"type": "session.ended", "data": {"id": "sess_1"}}, ISSUER)


@pytest.mark.parametrize(
    ("status", "changes", "error", "reason"),
    [
        (302, True, Misconfigured, None),
        (399, False, Misconfigured, None),
        (400, True, Rejected, "invalid_request"),
        *((status, True, Misconfigured, None) for status in (401, 402, 403)),
        (404, True, Rejected, "not_found"),
        (405, True, Rejected, "invalid_request"),
        (409, True, Rejected, "conflict"),
        (410, True, Rejected, "not_found"),
        (422, True, Rejected, "invalid_request"),
        (429, True, RateLimited, None),
        (499, True, Rejected, "invalid_request"),
        (500, True, OutcomeUnknown, None),
        (500, False, Unavailable, None),
    ],
)
def test_a_refusal_is_one_of_the_taxonomy(status: int, changes: bool, error: type[PortError], reason: str | None) -> None:
    document = {"errors": [{"code": "some_code"}], "clerk_trace_id": "trace-1"}
    told = error_of(status, {"retry-after": "3"}, document, "delete_person", changes=changes)
    assert (type(told), getattr(told, "reason", None), told.code) == (error, reason, "some_code")
    assert (told.operation, told.request_id, getattr(told, "retry_after", 3.0)) == ("delete_person", "trace-1", 3.0)
    for errors in (None, [], "x", ["x"], [{"code": "two words"}]):
        told = error_of(status, {}, {"errors": errors, "clerk_trace_id": 7}, "delete_person", changes=changes)
        assert (told.code, told.request_id) == (str(status), None)
        assert type(told) is (Misconfigured if status == 404 else error)


def test_a_pause_is_a_number_of_seconds() -> None:
    given = {"3": 3.0, "1.5": 1.5, "999999999": 86_400.0, "soon": None, "": None, "-1": None}
    assert {value: retry_after_of({"retry-after": value}) for value in given} == given


@pytest.mark.parametrize(
    ("header", "why"), [({"kid": ""}, "key id"), ({"kid": "k" * 256}, "key id"), ({"typ": "at+jwt"}, "purpose")]
)
def test_a_token_whose_header_is_odd_is_refused(header: dict[str, Any], why: str) -> None:
    rules = TokenRules(replace(SETTINGS, issuers=("https://i.example",)))
    signer = ECKey.import_key(key("ec-1").as_dict(private=True) | {"kid": header.get("kid", "k" * 255)})
    claims = {"iss": "https://i.example", "sub": "user_1", "exp": NOW.timestamp() + 60}
    good = signed(claims, ECKey.import_key(key("ec-1").as_dict(private=True) | {"kid": "k" * 255}))
    assert rules.announced(good) == ("https://i.example", "ES256", "k" * 255)
    with pytest.raises(Rejected, match=why):
        rules.announced(signed(claims, signer, **{name: value for name, value in header.items() if name == "typ"}))
    no_token = "not a signed token"
    for token, reason in (("가" * 9, "long"), ("a" * 16_385, "long"), ("a" * 16_384, no_token), ("no token", no_token)):
        with pytest.raises(Rejected, match=reason):
            rules.announced(token)


@pytest.mark.parametrize(
    ("settings", "claims", "reason"),
    [
        ({}, {"aud": "madang"}, "wrong_audience"),
        ({"audiences": ("madang",)}, {}, "wrong_audience"),
        ({"audiences": ("madang",)}, {"aud": ["other", "madang"]}, None),
        ({"audiences": ("madang",)}, {"aud": [7, "madang"]}, "wrong_audience"),
        ({"audiences": ("madang",)}, {"aud": {"madang": 1}}, "wrong_audience"),
        ({}, {"aud": []}, None),
        ({"authorized_parties": ("https://a",)}, {}, "wrong_audience"),
        ({"authorized_parties": ("https://a",)}, {"azp": "https://a"}, None),
        ({}, {"sts": "pending"}, "invalid_token"),
        ({}, {"sts": "active"}, None),
        ({}, {"sub": "two words"}, "invalid_token"),
        ({}, {"nonce": "n-1"}, None),
        ({}, {"nonce": "n-2"}, "invalid_token"),
        ({}, {"nonce": 7}, "invalid_token"),
        ({}, {"nonce": "\ud800"}, "invalid_token"),
        ({}, {"exp": int(NOW.timestamp()) - 9}, None),
        ({}, {"exp": int(NOW.timestamp()) - 11}, "expired_token"),
        ({}, {"nbf": int(NOW.timestamp()) + 11}, "invalid_token"),
    ],
)
def test_each_claim_is_held_to_the_settings(settings: dict[str, Any], claims: dict[str, Any], reason: str | None) -> None:
    rules = TokenRules(replace(SETTINGS, **settings))
    whole = {"iss": ISSUER, "sub": "user_1", "exp": int(NOW.timestamp()) + 60, **claims}
    request = VerifyToken(Secret(signed(whole, key("ec-1"))), NOW, "n-1" if "nonce" in claims else None)
    keys = [key("stranger"), key("ec-1")]
    if reason is None:
        assert rules.verified(request, ISSUER, keys)["sub"] == "user_1"
        return
    with pytest.raises(Rejected) as refused:
        rules.verified(request, ISSUER, keys)
    assert refused.value.reason == reason


def test_a_signature_by_an_algorithm_that_is_not_configured_is_refused_also_with_the_issuers_key() -> None:
    rules = TokenRules(replace(SETTINGS, algorithms=("RS256",)))
    token = Secret(signed({"iss": ISSUER, "sub": "user_1", "exp": int(NOW.timestamp()) + 60}, key("ec-1")))
    with pytest.raises(Rejected, match="signature"):
        rules.verified(VerifyToken(token, NOW), ISSUER, [key("ec-1")])


async def test_every_request_says_who_asks_and_for_what() -> None:
    with serving(FakeIssuer()) as server:
        client = ClerkClient(ClerkSettings((server.url,)))
        await client.public_document(f"{server.url}/.well-known/jwks.json", 5.0)
        await client.close()
    headers = server.arrived[0].headers
    assert (headers["user-agent"], headers["accept"], headers["accept-encoding"]) == ("madang", "application/json", "identity")
    assert json.dumps(dict(headers)).count("authorization") == 0
