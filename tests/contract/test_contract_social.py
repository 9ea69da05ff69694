"""The social platform: connect with PKCE, publish once, find what was lost, and spend each refresh token once."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from madang.adapters.sandbox.social import SandboxSocialPlatform
from madang.ports.errors import OutcomeUnknown, Rejected
from madang.ports.secret import Secret
from madang.ports.social import (
    AuthorizationRequest,
    CodeExchange,
    DeletePost,
    FindPost,
    ListPosts,
    Post,
    PreparationStatus,
    PreparePost,
    PublishedPost,
    PublishPost,
    ReadMetrics,
    SocialGrant,
    SocialMedia,
)

Build = Callable[..., Any]
VERIFIER = "a-verifier-that-is-not-secret-a-verifier-that-is-not-secret"
CALLBACK = "http://127.0.0.1:8000/callback"


@pytest.fixture
def platform(sandbox: Build) -> SandboxSocialPlatform:
    built: SandboxSocialPlatform = sandbox(SandboxSocialPlatform)
    return built


@pytest.fixture
def browser(visit: Callable[[], httpx.AsyncClient]) -> httpx.AsyncClient:
    return visit()


@pytest.fixture
async def grant(platform: SandboxSocialPlatform, browser: httpx.AsyncClient) -> SocialGrant:
    return await platform.exchange_code(await agreed(platform, browser))


async def agreed(platform: SandboxSocialPlatform, browser: httpx.AsyncClient) -> CodeExchange:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
    address = platform.authorization_url(AuthorizationRequest(CALLBACK, "state-1", challenge))
    page = await browser.get(address)
    assert page.status_code == 200
    wanted = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    back = await browser.post("/sandbox/authorize", data={**wanted, "handle": "Cafe_Seoul"})
    answer = parse_qs(urlsplit(back.headers["location"]).query)
    assert answer["state"] == ["state-1"]
    return CodeExchange(Secret(answer["code"][0]), Secret(VERIFIER), CALLBACK)


async def published(
    platform: SandboxSocialPlatform, grant: SocialGrant, text: str = "안녕하세요", key: str = "post-1", **post: Any
) -> PublishedPost:
    what = Post(text, **post)
    prepared = await platform.prepare(PreparePost(grant, what, key))
    return await platform.publish(PublishPost(grant, what, prepared.reference, key))


async def test_a_code_is_good_once_and_only_with_its_verifier(
    platform: SandboxSocialPlatform, browser: httpx.AsyncClient
) -> None:
    exchange = await agreed(platform, browser)
    with pytest.raises(Rejected) as wrong:
        await platform.exchange_code(replace(exchange, code_verifier=Secret("another")))
    assert wrong.value.reason == "invalid_code"
    grant = await platform.exchange_code(exchange)
    assert grant.account.handle == "cafe_seoul"
    with pytest.raises(Rejected):
        await platform.exchange_code(exchange)


async def test_a_refresh_token_is_spent_by_its_use(platform: SandboxSocialPlatform, grant: SocialGrant) -> None:
    fresh = await platform.refresh(grant)
    assert fresh.account == grant.account
    with pytest.raises(Rejected) as spent:
        await platform.refresh(grant)
    assert spent.value.reason == "access_revoked"
    with pytest.raises(Rejected) as old:
        await platform.read_quota(grant)
    assert old.value.reason == "access_expired"
    await platform.revoke(fresh)
    with pytest.raises(Rejected) as revoked:
        await platform.read_quota(fresh)
    assert revoked.value.reason == "access_revoked"


async def test_a_post_is_published_once_and_read_back(platform: SandboxSocialPlatform, grant: SocialGrant) -> None:
    post = await published(platform, grant)
    assert await published(platform, grant) == post
    assert await platform.fetch(grant, post.id) == post
    assert (await platform.read_quota(grant)).used == 1
    reply = await published(platform, grant, "이어서", "post-2", reply_to=post.id)
    assert reply.reply_to == post.id
    listed = await platform.list_posts(ListPosts(grant, limit=1))
    assert [each.post.id for each in listed.posts] == [reply.id]
    rest = await platform.list_posts(ListPosts(grant, limit=1, cursor=listed.cursor))
    assert ([each.post.id for each in rest.posts], rest.cursor) == ([post.id], None)


async def test_a_publication_whose_answer_was_lost_is_found_and_not_made_twice(
    platform: SandboxSocialPlatform, browser: httpx.AsyncClient, grant: SocialGrant
) -> None:
    post = Post("한 번만")
    prepared = await platform.prepare(PreparePost(grant, post, "k"))
    assert prepared.status is PreparationStatus.READY
    asked = FindPost(grant, post, prepared.reference, "k", datetime.now(UTC))
    assert await platform.find(asked) is None
    await browser.put("/sandbox/knobs", json={"faults": "social.publish:answer_lost"})
    with pytest.raises(OutcomeUnknown):
        await platform.publish(PublishPost(grant, post, prepared.reference, "k"))
    found = await platform.find(asked)
    assert found is not None
    assert (await platform.fetch_preparation(grant, prepared.reference)).status is PreparationStatus.PUBLISHED
    assert (await platform.publish(PublishPost(grant, post, prepared.reference, "k"))).id == found.id
    assert (await platform.read_profile(grant)).posts == 1


async def test_a_deleted_post_is_gone_and_may_be_deleted_again(platform: SandboxSocialPlatform, grant: SocialGrant) -> None:
    post = await published(platform, grant)
    for _ in range(2):
        await platform.delete(DeletePost(grant, post.id, "d"))
    with pytest.raises(Rejected) as gone:
        await platform.fetch(grant, post.id)
    assert gone.value.reason == "not_found"
    assert await platform.read_metrics(ReadMetrics(grant, [post.id])) == {}


async def test_metrics_and_profiles_are_read(platform: SandboxSocialPlatform, grant: SocialGrant) -> None:
    post = await published(platform, grant)
    metrics = (await platform.read_metrics(ReadMetrics(grant, [post.id, "unknown"])))[post.id]
    for name in platform.capabilities.metrics:
        assert getattr(metrics, name) is not None
    assert (await platform.read_profile(grant, "cafe_seoul")).account == grant.account
    with pytest.raises(Rejected) as unknown:
        await platform.read_profile(grant, "nobody")
    assert unknown.value.reason == "not_found"


@pytest.mark.parametrize(
    ("post", "reason"),
    [
        (Post("가" * 501), "too_long"),
        (Post("  "), "invalid_request"),
        (Post("x", media=[SocialMedia("video/mp4", b"x")]), "invalid_media"),
        (Post("x", reply_to="social_gone"), "not_found"),
    ],
)
async def test_a_bad_post_is_refused_before_anybody_sees_it(
    platform: SandboxSocialPlatform, grant: SocialGrant, post: Post, reason: str
) -> None:
    with pytest.raises(Rejected) as refused:
        await platform.prepare(PreparePost(grant, post, "k"))
    assert refused.value.reason == reason
    with pytest.raises(Rejected) as unknown:
        await platform.fetch_preparation(grant, "prep_unknown")
    assert unknown.value.reason == "not_found"
