"""`SocialPlatform` in memory: one network for the process, whose members agree when a test says so."""

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from madang.adapters.memory import capabilities
from madang.adapters.memory.feed import Feed, Written
from madang.adapters.memory.provider import MemoryProvider, rejected, unsupported
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
    SocialCapabilities,
    SocialGrant,
    SocialMedia,
    SocialProfile,
)

DAY: Final = timedelta(days=1)


class MemorySocialPlatform(MemoryProvider):
    """Fulfils `SocialPlatform`. `agree` is what a person does at the authorisation address."""

    @property
    def capabilities(self) -> SocialCapabilities:
        return capabilities.SOCIAL

    @property
    def posts(self) -> list[PublishedPost]:
        """Every post that is up, the newest first."""
        return [each.post for each in self._feed.written()]

    def agree(self, address: str, handle: str = "member") -> str:
        """The code that the browser brings back."""
        query = dict(parse_qsl(urlsplit(address).query))
        return self._feed.give_code(handle, query["code_challenge"], query["redirect_uri"])

    def authorization_url(self, request: AuthorizationRequest) -> str:
        query = {"redirect_uri": request.redirect_uri, "state": request.state, "code_challenge": request.code_challenge}
        return f"{self._context.base_url}/memory/authorize?{urlencode(query)}"

    async def exchange_code(self, request: CodeExchange) -> SocialGrant:
        digest = hashlib.sha256(request.code_verifier.reveal().encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

        def act() -> SocialGrant:
            return self._feed.spend_code(request.code.reveal(), challenge, request.redirect_uri).grant()

        return await self.world.effect("social.exchange_code", act, request.timeout)

    async def refresh(self, grant: SocialGrant) -> SocialGrant:
        return await self.world.effect("social.refresh", lambda: self._feed.refresh(grant).grant())

    async def revoke(self, grant: SocialGrant) -> None:
        await self.world.effect("social.revoke", lambda: self._feed.revoke(grant.account.id))

    async def prepare(self, request: PreparePost) -> Preparation:
        _check(request.post, "prepare")

        def act() -> Preparation:
            self._feed.member_of(request.grant, "prepare")
            if request.post.reply_to is not None:
                self._feed.get(request.post.reply_to, "prepare")
            reference = f"prepared-{request.grant.account.id}-{request.idempotency_key}"
            self._feed.prepared.setdefault(reference, None)
            return Preparation(reference, PreparationStatus.READY)

        return await self.world.effect("social.prepare", act, request.timeout)

    async def fetch_preparation(self, grant: SocialGrant, reference: str) -> Preparation:
        def look() -> Preparation:
            self._feed.member_of(grant, "fetch_preparation")
            post = self._feed.preparation(reference, "fetch_preparation")
            return Preparation(reference, PreparationStatus.PUBLISHED if post else PreparationStatus.READY)

        return await self.world.look("social.fetch_preparation", look)

    async def publish(self, request: PublishPost) -> PublishedPost:
        _check(request.post, "publish")

        def act() -> PublishedPost:
            member = self._feed.member_of(request.grant, "publish")
            former = self._feed.preparation(request.preparation, "publish")
            if former is None:
                former = self._feed.write(member, request.post, self.world.next_id("post"))
                self._feed.prepared[request.preparation] = former
            return self._feed.get(former, "publish").post

        return await self.world.effect("social.publish", act, request.timeout)

    async def find(self, request: FindPost) -> PublishedPost | None:
        def look() -> PublishedPost | None:
            self._feed.member_of(request.grant, "find")
            post = self._feed.prepared.get(request.preparation)
            return self._feed.get(post, "find").post if post else None

        return await self.world.look("social.find", look)

    async def fetch(self, grant: SocialGrant, post_id: str) -> PublishedPost:
        def look() -> PublishedPost:
            self._feed.member_of(grant, "fetch")
            return self._feed.get(post_id, "fetch").post

        return await self.world.look("social.fetch", look)

    async def delete(self, request: DeletePost) -> None:
        def act() -> None:
            self._feed.take_down(self._feed.member_of(request.grant, "delete"), request.post_id)

        await self.world.effect("social.delete", act, request.timeout)

    async def read_metrics(self, request: ReadMetrics) -> Mapping[str, PostMetrics]:
        def look() -> Mapping[str, PostMetrics]:
            own = {each.post.id for each in self._feed.written(self._feed.member_of(request.grant, "read_metrics").id)}
            return {each: _nothing_yet(each) for each in request.post_ids if each in own}

        return await self.world.look("social.read_metrics", look)

    async def read_profile(self, grant: SocialGrant, handle: str | None = None) -> SocialProfile:
        def look() -> SocialProfile:
            member = self._feed.member_of(grant, "read_profile")
            whose = self._feed.named(handle, "read_profile") if handle is not None else member
            return SocialProfile(whose.account, datetime.now(UTC), 0, 0, len(self._feed.written(whose.id)))

        return await self.world.look("social.read_profile", look)

    async def list_posts(self, request: ListPosts) -> PostPage:
        def look() -> PostPage:
            member = self._feed.member_of(request.grant, "list_posts")
            found = [each for each in self._feed.written(request.account_id or member.id) if _within(each, request)]
            start = int(request.cursor or "0")
            end = start + max(1, request.limit)
            page = [ListedPost(each.post, _nothing_yet(each.post.id)) for each in found[start:end]]
            return PostPage(page, str(end) if end < len(found) else None)

        return await self.world.look("social.list_posts", look)

    async def read_quota(self, grant: SocialGrant) -> PostingQuota:
        def look() -> PostingQuota:
            member, since = self._feed.member_of(grant, "read_quota"), datetime.now(UTC) - DAY
            used = sum(each.at > since for each in self._feed.written(member.id))
            return PostingQuota(capabilities.POSTS_A_DAY, used, DAY)

        return await self.world.look("social.read_quota", look)

    @property
    def _feed(self) -> Feed:
        shelf = self.world.shelf("social")
        feed: Feed = shelf.setdefault("feed", Feed())
        return feed


def _check(post: Post, operation: str) -> None:
    able = capabilities.SOCIAL
    if post.audience not in able.reply_audiences:
        raise unsupported(operation)
    if len(post.text) > able.length.max_length:
        raise rejected("the text is too long", "too_long", operation)
    if not post.text.strip() and not post.media:
        raise rejected("the post is empty", "invalid_request", operation)
    if len(post.media) > able.media.max_count or not all(map(_fits, post.media)):
        raise rejected("the media are too many, too large or of another type", "invalid_media", operation)


def _fits(media: SocialMedia) -> bool:
    most = capabilities.SOCIAL.media.max_bytes
    return media.media_type in most and len(media.data or b"") <= most[media.media_type]


def _within(written: Written, request: ListPosts) -> bool:
    return (request.since is None or written.at >= request.since) and (request.until is None or written.at < request.until)


def _nothing_yet(post_id: str) -> PostMetrics:
    return PostMetrics(post_id, datetime.now(UTC), views=0, likes=0, replies=0, reposts=0)
