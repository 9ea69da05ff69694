"""Tokens of a foreign issuer over real HTTP: who is believed, with which keys, and how often the issuer is asked."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from joserfc.errors import SecurityWarning
from joserfc.jwk import RSAKey

from contract.fake_clerk import (
    AUDIENCE,
    NOW,
    PARTY,
    SECRET_KEY,
    FakeIssuer,
    key,
    refusal,
    signed,
    signed_by_hmac,
    unsigned,
    user,
)
from madang.adapters.clerk.identity import ClerkIdentity
from madang.adapters.clerk.settings import ClerkSettings
from madang.plugins.conformance.remote import Fault, Reply, serving
from madang.ports.context import ProviderContext
from madang.ports.errors import (
    Misconfigured,
    OutcomeUnknown,
    PortError,
    RateLimited,
    Rejected,
    Unavailable,
    Unsupported,
)
from madang.ports.identity import VerifyToken
from madang.ports.secret import Secret

Build = Callable[..., "Watched"]


class Watched(ClerkIdentity):
    """The provider with a clock that a test sets."""

    seconds = 0.0

    def _monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def issuer() -> Iterator[FakeIssuer]:
    with serving(FakeIssuer()) as server:
        yield server


@pytest.fixture
async def clerk(issuer: FakeIssuer, context: ProviderContext) -> AsyncIterator[Build]:
    built: list[Watched] = []

    def build(**settings: Any) -> Watched:
        built.append(Watched(ClerkSettings(**{"issuers": (issuer.url,), "api_url": f"{issuer.url}/v1", **settings}), context))
        return built[-1]

    yield build
    for provider in built:
        await provider.close()


def request_for(token: str, **changed: Any) -> VerifyToken:
    return VerifyToken(**{"token": Secret(token), "now": NOW, "timeout": 5.0, **changed})


async def refusal_of(provider: ClerkIdentity, token: str, **changed: Any) -> str:
    with pytest.raises(Rejected) as refused:
        await provider.verify(request_for(token, **changed))
    assert (refused.value.provider, refused.value.operation) == ("clerk", "verify")
    assert len(token) < 20 or token not in str(refused.value)
    return refused.value.reason


@pytest.mark.parametrize("kind", ["EC", "RSA", "OKP"])
async def test_a_token_of_the_issuer_says_who_it_is(issuer: FakeIssuer, clerk: Build, kind: str) -> None:
    issuer.keys = [key(f"key-{kind}", kind).as_dict(private=False)]
    claims = {"email": "a@example.com", "email_verified": True, "name": "지우"}
    person = await clerk(authorized_parties=(PARTY,)).verify(request_for(issuer.token(key(f"key-{kind}", kind), **claims)))
    assert (person.issuer, person.subject, person.session_id) == (issuer.url, "user_1", "sess_1")
    assert (person.email, person.email_verified, person.name) == ("a@example.com", True, "지우")
    assert person.expires_at is not None
    assert person.expires_at.timestamp() == NOW.timestamp() + 60
    assert "a@example.com" not in repr(person)


async def test_a_name_in_parts_is_a_name(issuer: FakeIssuer, clerk: Build) -> None:
    person = await clerk().verify(request_for(issuer.token(given_name="지우", family_name="Kim")))
    assert person.name == "지우 Kim"


async def test_a_token_without_an_address_has_none(issuer: FakeIssuer, clerk: Build) -> None:
    person = await clerk().verify(request_for(issuer.token(email_verified=True)))
    assert (person.email, person.email_verified) == (None, False)


@pytest.mark.parametrize(
    ("settings", "claims", "reason"),
    [
        ({}, {"sub": "a" * 256}, "invalid_token"),
        ({}, {"sub": 7}, "invalid_token"),
        ({}, {"exp": float("nan")}, "invalid_token"),
        ({}, {"exp": True}, "invalid_token"),
        ({}, {"exp": int(NOW.timestamp()) - 11}, "expired_token"),
        ({"leeway": 0}, {"exp": int(NOW.timestamp())}, "expired_token"),
        ({}, {"nbf": int(NOW.timestamp()) + 11}, "invalid_token"),
        ({}, {"iat": int(NOW.timestamp()) + 11}, "invalid_token"),
        ({}, {"sts": "pending"}, "invalid_token"),
        ({}, {"aud": "somebody-else"}, "wrong_audience"),
        ({"audiences": (AUDIENCE,)}, {}, "wrong_audience"),
        ({"audiences": (AUDIENCE,)}, {"aud": "other"}, "wrong_audience"),
        ({"audiences": (AUDIENCE,)}, {"aud": []}, "wrong_audience"),
        ({"audiences": (AUDIENCE,)}, {"aud": {"madang": 1}}, "wrong_audience"),
        ({"audiences": (AUDIENCE,)}, {"aud": AUDIENCE[:-1]}, "wrong_audience"),
        ({"authorized_parties": (PARTY,)}, {"azp": "https://evil.example"}, "wrong_audience"),
        ({"authorized_parties": (PARTY,)}, {"azp": None}, "wrong_audience"),
        ({"authorized_parties": (PARTY,)}, {"azp": [PARTY]}, "wrong_audience"),
    ],
)
async def test_a_wrong_claim_is_refused_with_its_reason(
    issuer: FakeIssuer, clerk: Build, settings: dict[str, Any], claims: dict[str, Any], reason: str
) -> None:
    assert await refusal_of(clerk(**settings), issuer.token(**claims)) == reason


@pytest.mark.parametrize(
    ("settings", "claims"),
    [
        ({}, {"azp": None}),
        ({}, {"exp": int(NOW.timestamp()) - 9}),
        ({}, {"nbf": int(NOW.timestamp()) + 9}),
        ({"audiences": (AUDIENCE,)}, {"aud": AUDIENCE}),
        ({"audiences": ("other", AUDIENCE)}, {"aud": ["x", AUDIENCE]}),
    ],
)
async def test_what_the_settings_allow_is_believed(
    issuer: FakeIssuer, clerk: Build, settings: dict[str, Any], claims: dict[str, Any]
) -> None:
    assert (await clerk(**settings).verify(request_for(issuer.token(**claims)))).subject == "user_1"


def forgeries(issuer: FakeIssuer) -> Iterator[str]:
    claims, genuine = issuer.claims(), issuer.token()
    head, body, signature = genuine.split(".")
    own = key("ec-1")
    for none in ("none", "None", "NONE", "nOnE"):
        yield unsigned(claims, alg=none, kid="ec-1")
        yield unsigned(claims, signature, alg=none, kid="ec-1")
    for public in (own.as_pem(private=False), own.as_der(private=False)):
        yield signed_by_hmac(claims, public, kid="ec-1")
    yield signed_by_hmac(claims, b"", kid="ec-1")
    yield f"{head}.{body}."
    yield f"{head}.{body}"
    yield f"{head}.{body}.{signature[:-4]}AAAA"
    yield f"{head}.{body}.{signature}.{signature}"
    changed = unsigned({**claims, "sub": "user_2"}, signature, alg="ES256", kid="ec-1")
    yield changed
    yield issuer.token(key("stranger"), {"kid": "ec-1"})
    yield issuer.token(key("stranger"), {"kid": "ec-1", "jwk": key("stranger").as_dict(private=False)})
    yield issuer.token(key("stranger"), {"kid": "ec-1", "jku": f"{issuer.url}/stranger", "x5u": f"{issuer.url}/stranger"})
    yield issuer.token(key("stranger-rsa", "RSA"), {"kid": "ec-1"})
    yield issuer.token(header={"crit": ["exp"]})
    yield issuer.token(header={"typ": "at+jwt"})
    yield issuer.token(header={"typ": "logout+jwt"})
    yield issuer.token(header={"kid": 7})
    yield issuer.token(header={"kid": "x" * 256})
    yield signed(b"[]", own)
    yield signed(b"not json", own)
    yield signed(b"[" * 100_000, own)
    yield issuer.token(padding="x" * 20_000)
    yield issuer.token(header={"padding": "x" * 6_000})
    yield from ("", ".", "..", "a.b.c", "…", "é" * 30, "eyJ9.eyJ9.x", "." * 5000)


async def test_no_forgery_is_believed_and_none_makes_us_ask_elsewhere(issuer: FakeIssuer, clerk: Build) -> None:
    provider = clerk()
    assert (await provider.verify(request_for(issuer.token()))).subject == "user_1"
    for forged in forgeries(issuer):
        assert await refusal_of(provider, forged) == "invalid_token"
    assert {each.path for each in issuer.arrived} == {"/.well-known/jwks.json"}
    assert issuer.fetches == 1


async def test_headers_that_point_at_keys_are_read_by_nobody(issuer: FakeIssuer, clerk: Build) -> None:
    header = {"jku": "https://evil.example/keys", "x5u": "https://evil.example", "jwk": key("stranger").as_dict(private=False)}
    assert (await clerk().verify(request_for(issuer.token(header=header)))).subject == "user_1"
    assert {each.path for each in issuer.arrived} == {"/.well-known/jwks.json"}


@pytest.mark.parametrize(
    "published",
    [
        {"use": "enc"},
        {"key_ops": ["sign"]},
        {"key_ops": "verify"},
        {"alg": "ES384"},
        {"alg": ["ES256"]},
        {"kid": 7},
        {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I"},
        *({name: "AAAA"} for name in ("d", "p", "q", "dp", "dq", "qi", "oth", "k")),
        {"x": "not a point"},
        {"crv": "P-384"},
    ],
)
async def test_a_key_for_another_purpose_verifies_nothing(issuer: FakeIssuer, clerk: Build, published: dict[str, Any]) -> None:
    issuer.keys = [{**key("ec-1").as_dict(private=False), **published}, key("ec-2").as_dict(private=False), 7, None]
    provider = clerk()
    assert await refusal_of(provider, issuer.token()) == "invalid_token"
    assert (await provider.verify(request_for(issuer.token(key("ec-2"))))).subject == "user_1"


async def test_a_weak_rsa_key_verifies_nothing(issuer: FakeIssuer, clerk: Build) -> None:
    with pytest.warns(SecurityWarning):
        weak = RSAKey.generate_key(1024, {"kid": "weak"})
    issuer.keys = [weak.as_dict(private=False), *issuer.keys]
    assert await refusal_of(clerk(), issuer.token(weak)) == "invalid_token"


@pytest.mark.parametrize("order", [1, -1])
async def test_of_keys_with_the_same_id_the_one_that_signed_counts(issuer: FakeIssuer, clerk: Build, order: int) -> None:
    twin = {**key("twin").as_dict(private=False), "kid": "ec-1"}
    symmetric = {"kty": "oct", "kid": "ec-1", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I"}
    issuer.keys = [twin, symmetric, *issuer.keys][::order]
    provider = clerk()
    assert (await provider.verify(request_for(issuer.token()))).subject == "user_1"
    assert await refusal_of(provider, issuer.token(key("stranger"), {"kid": "ec-1"})) == "invalid_token"


async def test_a_token_without_a_key_id_needs_a_single_key(issuer: FakeIssuer, clerk: Build) -> None:
    nameless = signed(issuer.claims(), key("ec-1"), kid=None)
    assert (await clerk().verify(request_for(nameless))).subject == "user_1"
    issuer.keys.append(key("ec-2").as_dict(private=False))
    assert await refusal_of(clerk(), nameless) == "invalid_token"


async def test_a_rotated_key_is_fetched_and_a_withdrawn_one_is_forgotten_in_time(issuer: FakeIssuer, clerk: Build) -> None:
    provider = clerk()
    await provider.verify(request_for(issuer.token()))
    issuer.keys = [key("ec-2").as_dict(private=False)]
    provider.seconds = 31
    assert (await provider.verify(request_for(issuer.token(key("ec-2"))))).subject == "user_1"
    assert await refusal_of(provider, issuer.token()) == "invalid_token"
    assert issuer.fetches == 2


async def test_a_withdrawn_key_is_forgotten_when_its_lifetime_ends(issuer: FakeIssuer, clerk: Build) -> None:
    provider = clerk()
    await provider.verify(request_for(issuer.token()))
    issuer.keys = [key("ec-2").as_dict(private=False)]
    provider.seconds = 3601
    assert await refusal_of(provider, issuer.token()) == "invalid_token"


async def test_made_up_key_ids_do_not_hammer_the_issuer(issuer: FakeIssuer, clerk: Build) -> None:
    provider = clerk()
    await provider.verify(request_for(issuer.token()))
    for wave in range(3):
        provider.seconds = 31 * (wave + 1)
        tokens = [issuer.token(header={"kid": f"made-up-{wave}-{n}"}) for n in range(20)]
        assert await asyncio.gather(*(refusal_of(provider, token) for token in tokens)) == ["invalid_token"] * 20
    assert issuer.fetches == 4


async def test_everybody_who_waits_shares_one_fetch(issuer: FakeIssuer, clerk: Build) -> None:
    provider = clerk()
    people = await asyncio.gather(*(provider.verify(request_for(issuer.token(sub=f"user_{n}"))) for n in range(30)))
    assert {person.subject for person in people} == {f"user_{n}" for n in range(30)}
    assert issuer.fetches == 1


async def test_who_stops_waiting_does_not_take_the_keys_from_the_others(issuer: FakeIssuer, clerk: Build) -> None:
    provider = clerk()
    impatient = asyncio.create_task(provider.verify(request_for(issuer.token())))
    patient = asyncio.create_task(provider.verify(request_for(issuer.token())))
    await asyncio.sleep(0)
    impatient.cancel()
    assert (await patient).subject == "user_1"
    assert issuer.fetches == 1


BadDay = Reply | Fault
BAD_DAYS = [
    Reply(500, "no"),
    Reply(503, "no"),
    *(Reply(status, "no") for status in (408, 425, 429)),
    Reply(200, "not json"),
    Reply(200, []),
    Reply(200, {"keys": []}),
    Reply(200, {"keys": "none"}),
    Reply(200, {"keys": [{"kty": "EC"}]}),
    Reply(200, {"keys": [], "padding": "x" * 300_000}),
    Reply(200, b"\x1f\x8b rubbish", {"content-encoding": "gzip"}),
    Fault.ANSWER_LOST,
]


@pytest.mark.parametrize("bad_day", BAD_DAYS)
async def test_kept_keys_serve_while_the_issuer_is_away_up_to_a_bound(
    issuer: FakeIssuer, clerk: Build, bad_day: BadDay
) -> None:
    provider = clerk()
    await provider.verify(request_for(issuer.token()))
    issuer.next.extend([bad_day] * 2)
    provider.seconds = 3601
    assert (await provider.verify(request_for(issuer.token()))).subject == "user_1"
    assert (await provider.verify(request_for(issuer.token()))).subject == "user_1"
    assert issuer.fetches == 2
    with pytest.raises(Unavailable):
        await provider.verify(request_for(issuer.token(header={"kid": "unknown"})))
    provider.seconds = 86_401
    with pytest.raises(Unavailable):
        await provider.verify(request_for(issuer.token()))
    provider.seconds += 31
    assert (await provider.verify(request_for(issuer.token()))).subject == "user_1"


@pytest.mark.parametrize("bad_day", BAD_DAYS)
async def test_without_any_key_nobody_is_believed_and_nobody_refused(issuer: FakeIssuer, clerk: Build, bad_day: BadDay) -> None:
    provider = clerk()
    issuer.next.append(bad_day)
    for _ in range(3):
        with pytest.raises(Unavailable):
            await provider.verify(request_for(issuer.token()))
    assert issuer.fetches == 1
    provider.seconds = 1
    assert (await provider.verify(request_for(issuer.token()))).subject == "user_1"


@pytest.mark.parametrize("status", [301, 302, 401, 403, 404, 410])
async def test_an_address_without_keys_is_for_the_operator(issuer: FakeIssuer, clerk: Build, status: int) -> None:
    issuer.next.append(Reply(status, "", {"location": "https://evil.example/keys"}))
    with pytest.raises(Misconfigured, match=str(status)):
        await clerk().verify(request_for(issuer.token()))


async def test_an_openid_issuer_is_found_by_discovery(issuer: FakeIssuer, clerk: Build) -> None:
    provider = clerk(discovery=True, audiences=(AUDIENCE,))
    assert (await provider.verify(request_for(issuer.token(aud=AUDIENCE)))).subject == "user_1"
    assert [each.path for each in issuer.arrived] == ["/.well-known/openid-configuration", "/keys"]


@pytest.mark.parametrize(
    "description",
    [
        {"issuer": "https://evil.example"},
        {"jwks_uri": "http://keys.example/keys"},
        {"jwks_uri": "file:///keys"},
        {"jwks_uri": 7},
    ],
)
async def test_a_description_of_another_issuer_is_not_followed(
    issuer: FakeIssuer, clerk: Build, description: dict[str, Any]
) -> None:
    issuer.description = description
    with pytest.raises(Misconfigured):
        await clerk(discovery=True, audiences=(AUDIENCE,)).verify(request_for(issuer.token(aud=AUDIENCE)))
    assert issuer.fetches == 0


async def test_each_issuer_speaks_for_itself_alone(issuer: FakeIssuer, clerk: Build) -> None:
    with ExitStack() as stack:
        other = stack.enter_context(serving(FakeIssuer()))
        other.keys = [key("other").as_dict(private=False)]
        provider = clerk(issuers=(issuer.url, other.url))
        assert (await provider.verify(request_for(other.token(key("other"))))).issuer == other.url
        assert await refusal_of(provider, issuer.token(key("other"))) == "invalid_token"


async def test_the_backend_api_tells_the_primary_address(issuer: FakeIssuer, clerk: Build) -> None:
    provider = clerk(secret_key=Secret(SECRET_KEY))
    person = await provider.fetch_person("user_1")
    assert (person.issuer, person.subject) == (issuer.url, "user_1")
    assert (person.email, person.email_verified, person.name) == ("primary@example.com", True, "지우 Kim")
    assert issuer.arrived[-1].headers["clerk-api-version"] == "2025-11-10"


async def test_an_address_that_the_token_does_not_name_is_asked_for(issuer: FakeIssuer, clerk: Build) -> None:
    provider = clerk(secret_key=Secret(SECRET_KEY))
    person = await provider.verify(request_for(issuer.token(name="From the token")))
    assert (person.email, person.email_verified, person.name) == ("primary@example.com", True, "From the token")
    assert (person.session_id, person.locale) == ("sess_1", "ko-KR")
    issuer.users["user_1"] |= {"has_image": True, "image_url": "https://img.example/clerk.jpg"}
    nameless = await provider.verify(request_for(issuer.token()))
    assert (nameless.name, nameless.picture_url) == ("지우 Kim", "https://img.example/clerk.jpg")
    assert not provider.capabilities.offline


async def test_an_address_that_the_token_names_is_not_asked_for(issuer: FakeIssuer, clerk: Build) -> None:
    person = await clerk(secret_key=Secret(SECRET_KEY)).verify(request_for(issuer.token(email="a@example.com")))
    assert (person.email, person.email_verified) == ("a@example.com", False)
    assert {each.path for each in issuer.arrived} == {"/.well-known/jwks.json"}


@pytest.mark.parametrize("claims", [{"sub": "user_gone"}, {"sub": "user/../count"}, {"sub": "user_banned"}])
async def test_a_token_of_somebody_who_is_gone_or_banned_is_refused(
    issuer: FakeIssuer, clerk: Build, claims: dict[str, Any]
) -> None:
    issuer.users["user_banned"] = user("user_banned", banned=True)
    assert await refusal_of(clerk(secret_key=Secret(SECRET_KEY)), issuer.token(**claims)) == "invalid_token"


async def test_a_person_is_not_let_in_without_the_address_that_could_not_be_had(issuer: FakeIssuer, clerk: Build) -> None:
    provider = clerk(secret_key=Secret(SECRET_KEY))
    await provider.check()
    await provider.verify(request_for(issuer.token()))
    issuer.next.append(Reply(503, "no"))
    with pytest.raises(Unavailable):
        await provider.verify(request_for(issuer.token()))


@pytest.mark.parametrize(
    "changed",
    [
        {"primary_email_address_id": "idn_other"},
        {"primary_email_address_id": None},
        {"email_addresses": None},
        {"email_addresses": [{"id": "idn_primary", "email_address": "p@example.com", "verification": None}]},
        {"email_addresses": [{"id": "idn_primary", "email_address": None, "verification": {"status": "verified"}}]},
    ],
)
async def test_an_address_that_is_not_the_verified_primary_one_is_not_verified(
    issuer: FakeIssuer, clerk: Build, changed: dict[str, Any]
) -> None:
    issuer.users["user_1"] = user("user_1", **changed)
    assert not (await clerk(secret_key=Secret(SECRET_KEY)).fetch_person("user_1")).email_verified


ROWS = [
    (refusal(400, "form_param_format_invalid"), Rejected, Rejected),
    (refusal(401, "authentication_invalid"), Misconfigured, Misconfigured),
    (refusal(402, "quota_exceeded"), Misconfigured, Misconfigured),
    (refusal(403, "not_allowed_access"), Misconfigured, Misconfigured),
    (refusal(409, "conflict"), Rejected, Rejected),
    (refusal(422, "form_param_missing"), Rejected, Rejected),
    (refusal(429, "too_many_requests", retry_after="7"), RateLimited, RateLimited),
    (refusal(500, "internal_clerk_error"), Unavailable, OutcomeUnknown),
    (Reply(502, "<html>"), Unavailable, OutcomeUnknown),
    (Reply(404, "<html>not Clerk"), Misconfigured, Misconfigured),
    (Reply(302, "", {"location": "https://evil.example"}), Misconfigured, Misconfigured),
    (Reply(399, refusal(400, "moved").body), Misconfigured, Misconfigured),
    (Fault.ANSWER_LOST, Unavailable, OutcomeUnknown),
]


@pytest.mark.parametrize(("reply", "of_read", "of_change"), ROWS)
async def test_every_refusal_of_the_backend_api_is_one_of_the_taxonomy(
    issuer: FakeIssuer, clerk: Build, reply: Reply | Fault, of_read: type[PortError], of_change: type[PortError]
) -> None:
    provider = clerk(secret_key=Secret(SECRET_KEY))
    issuer.next.extend([reply, reply])
    with pytest.raises(of_read) as read:
        await provider.fetch_person("user_1")
    with pytest.raises(of_change) as change:
        await provider.delete_person("user_1", idempotency_key="k")
    assert (type(read.value), type(change.value)) == (of_read, of_change)
    assert (read.value.operation, change.value.operation) == ("fetch_person", "delete_person")
    if isinstance(reply, Reply) and isinstance(reply.body, dict):
        assert (read.value.code, read.value.request_id) == (reply.body["errors"][0]["code"], "trace-1")
    if isinstance(read.value, RateLimited):
        assert read.value.retry_after == 7
    assert "example" not in str(read.value.context())


async def test_without_keys_of_ours_nobody_is_fetched_or_deleted(clerk: Build) -> None:
    provider = clerk()
    assert (provider.capabilities.fetches_people, provider.capabilities.webhooks) == (False, False)
    with pytest.raises(Unsupported):
        await provider.fetch_person("user_1")
    with pytest.raises(Unsupported):
        await provider.delete_person("user_1", idempotency_key="k")


async def test_check_asks_for_the_keys_and_tries_ours(issuer: FakeIssuer, clerk: Build) -> None:
    assert (await clerk(secret_key=Secret(SECRET_KEY)).check()).reachable
    with pytest.raises(Misconfigured, match="secret_key"):
        await clerk(secret_key=Secret("sk_test_wrong")).check()
    issuer.next.append(Reply(500))
    with pytest.raises(Unavailable):
        await clerk().check()


async def test_neither_tokens_nor_keys_show_in_logs_or_errors(
    issuer: FakeIssuer, clerk: Build, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    provider = clerk(secret_key=Secret(SECRET_KEY))
    token = issuer.token(email="a@example.com")
    await provider.verify(request_for(token))
    await provider.fetch_person("user_1")
    issuer.next.append(refusal(401, "authentication_invalid"))
    with pytest.raises(Misconfigured) as refused:
        await provider.fetch_person("user_1")
    seen = caplog.text + repr(refused.value) + str(refused.value.context()) + repr(provider._settings)
    for secret in (token, SECRET_KEY, "example.com"):
        assert secret not in seen
