"""A social platform whose members are whoever agrees on the page `/sandbox/authorize`."""

import sqlite3
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import urlencode

from madang.adapters.sandbox import capabilities, feed
from madang.adapters.sandbox.feed import Member
from madang.adapters.sandbox.provider import SandboxProvider, unsupported
from madang.adapters.sandbox.settings import SandboxSettings
from madang.ports.social import (
    AuthorizationRequest,
    CodeExchange,
    DeletePost,
    FindPost,
    ListedPost,
    ListPosts,
    Post,
    PostingQuota,
    PostMetrics,
    PostPage,
    Preparation,
    PreparationStatus,
    PreparePost,
    PublishedPost,
    PublishPost,
    ReadMetrics,
    SocialAccount,
    SocialCapabilities,
    SocialGrant,
    SocialProfile,
)

T = TypeVar("T")
Look = Callable[[sqlite3.Connection, SandboxSettings, Member], T]


class SandboxSocialPlatform(SandboxProvider):
    """Fulfils `SocialPlatform`: idempotent by key, refresh tokens that are spent by their use, metrics that grow with time."""

    @property
    def capabilities(self) -> SocialCapabilities:
        return capabilities.SOCIAL

    def authorization_url(self, request: AuthorizationRequest) -> str:
        values = {"redirect_uri": request.redirect_uri, "state": request.state, "code_challenge": request.code_challenge}
        return f"{self._context.base_url}/sandbox/authorize?{urlencode(values)}"

    async def exchange_code(self, request: CodeExchange) -> SocialGrant:
        def act(connection: sqlite3.Connection, _: SandboxSettings) -> Member:
            return feed.spend_code(connection, request.code.reveal(), request.code_verifier.reveal(), request.redirect_uri)

        return (await self._gate.effect("social.exchange_code", "", act, request.timeout)).grant()

    async def refresh(self, grant: SocialGrant) -> SocialGrant:
        return (await self._gate.effect("social.refresh", grant.account.id, lambda c, _: feed.refresh(c, grant), 30.0)).grant()

    async def revoke(self, grant: SocialGrant) -> None:
        await self._gate.effect("social.revoke", grant.account.id, lambda c, _: feed.revoke(c, grant.account.id), 30.0)

    async def prepare(self, request: PreparePost) -> Preparation:
        _check(request.post, "prepare")

        def act(connection: sqlite3.Connection, _: SandboxSettings) -> tuple[str, float]:
            member = feed.require(connection, request.grant, "prepare")
            if request.post.reply_to is not None:
                feed.get(connection, request.post.reply_to, "prepare")
            return feed.prepare(connection, member.id, request.idempotency_key)

        reference, until = await self._gate.effect("social.prepare", request.idempotency_key, act, request.timeout)
        return Preparation(reference, PreparationStatus.READY, expires_at=_moment(until))

    async def fetch_preparation(self, grant: SocialGrant, reference: str) -> Preparation:
        row = await self._looked("fetch_preparation", grant, lambda c, _knobs, _member: feed.preparation(c, reference))
        expired = row["expires_at"] < time.time()
        status = PreparationStatus.EXPIRED if expired else PreparationStatus.READY
        return Preparation(
            reference, PreparationStatus.PUBLISHED if row["post"] else status, expires_at=_moment(row["expires_at"])
        )

    async def publish(self, request: PublishPost) -> PublishedPost:
        _check(request.post, "publish")

        def act(connection: sqlite3.Connection, knobs: SandboxSettings) -> PublishedPost:
            member = feed.require(connection, request.grant, "publish")
            sent = feed.publish(connection, knobs.seed, member, request.post, request.preparation, request.idempotency_key)
            return feed.published(sent, self._context.base_url)

        return await self._gate.effect("social.publish", request.idempotency_key, act, request.timeout)

    async def find(self, request: FindPost) -> PublishedPost | None:
        found = await self._looked("find", request.grant, lambda c, _knobs, _member: feed.find(c, request.idempotency_key))
        return feed.published(found, self._context.base_url) if found else None

    async def fetch(self, grant: SocialGrant, post_id: str) -> PublishedPost:
        found = await self._looked("fetch", grant, lambda c, _knobs, _member: feed.get(c, post_id))
        return feed.published(found, self._context.base_url)

    async def delete(self, request: DeletePost) -> None:
        def act(connection: sqlite3.Connection, _: SandboxSettings) -> None:
            member = feed.require(connection, request.grant, "delete")
            feed.take_down(connection, member.id, request.post_id)

        await self._gate.effect("social.delete", request.idempotency_key, act, request.timeout)

    async def read_metrics(self, request: ReadMetrics) -> Mapping[str, PostMetrics]:
        def look(connection: sqlite3.Connection, knobs: SandboxSettings, member: Member) -> Mapping[str, PostMetrics]:
            own = {message.id: message for message in feed.of_account(connection, member.id)}
            return {each: feed.metrics(own[each], knobs.seed) for each in request.post_ids if each in own}

        return await self._looked("read_metrics", request.grant, look)

    async def read_profile(self, grant: SocialGrant, handle: str | None = None) -> SocialProfile:
        def look(connection: sqlite3.Connection, knobs: SandboxSettings, member: Member) -> SocialProfile:
            whose = feed.member_of_handle(connection, handle) if handle else member
            posts = len(feed.of_account(connection, whose.id))
            account = SocialAccount(whose.id, whose.handle, name=whose.handle)
            return SocialProfile(account, datetime.now(UTC), feed.followers(knobs.seed, whose.handle), 0, posts)

        return await self._looked("read_profile", grant, look)

    async def list_posts(self, request: ListPosts) -> PostPage:
        def look(connection: sqlite3.Connection, knobs: SandboxSettings, member: Member) -> PostPage:
            start = feed.offset_of(request.cursor)
            posts = [
                ListedPost(feed.published(message, self._context.base_url), feed.metrics(message, knobs.seed))
                for message in feed.of_account(connection, request.account_id or member.id)
                if _between(message.sent_at, request.since, request.until)
            ]
            end = start + max(1, request.limit)
            return PostPage(posts[start:end], feed.cursor_of(end) if end < len(posts) else None)

        return await self._looked("list_posts", request.grant, look)

    async def read_quota(self, grant: SocialGrant) -> PostingQuota:
        total, window = capabilities.POST_QUOTA
        since = time.time() - window.total_seconds()

        def look(connection: sqlite3.Connection, _: SandboxSettings, member: Member) -> PostingQuota:
            used = sum(message.sent_at > since for message in feed.of_account(connection, member.id))
            return PostingQuota(total, used, timedelta(seconds=window.total_seconds()))

        return await self._looked("read_quota", grant, look)

    async def _looked(self, operation: str, grant: SocialGrant, look: Look[T]) -> T:
        """Look with the grant's member, after checking the grant."""
        return await self._gate.query(
            f"social.{operation}", grant.account.id, lambda c, knobs: look(c, knobs, feed.require(c, grant, operation))
        )


def _check(post: Post, operation: str) -> None:
    rules = capabilities.SOCIAL
    if post.audience not in rules.reply_audiences:
        raise unsupported(f"social.{operation}")
    if len(post.text) > rules.length.max_length:
        raise feed.rejected("the text is too long", "too_long", operation)
    if not post.text.strip() and not post.media:
        raise feed.rejected("the post is empty", "invalid_request", operation)
    sizes = [(len(media.data or b""), rules.media.max_bytes.get(media.media_type, -1)) for media in post.media]
    if len(post.media) > rules.media.max_count or any(size > most for size, most in sizes):
        raise feed.rejected("the media are too many, too large or of another type", "invalid_media", operation)


def _between(seconds: float, since: datetime | None, until: datetime | None) -> bool:
    return (since is None or seconds >= since.timestamp()) and (until is None or seconds < until.timestamp())


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
