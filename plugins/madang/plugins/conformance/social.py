"""Conformance of a social platform."""

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final
from urllib.parse import parse_qs, urlsplit

import pytest

from madang.plugins.conformance.pictures import JPEG
from madang.plugins.conformance.remote import Fault
from madang.plugins.conformance.repairs import must
from madang.plugins.conformance.stage import NOTHING_DONE, Stage, raised
from madang.plugins.conformance.suite import ProviderConformance, Read
from madang.ports.errors import Rejected, Unsupported
from madang.ports.provider import ProviderKind
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
    ReplyAudience,
    SocialGrant,
    SocialMedia,
    SocialPlatform,
)

VERIFIER: Final = "a-verifier-that-is-not-secret-a-verifier-that-is-not-secret"
CHALLENGE: Final = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
CALLBACK: Final = "http://127.0.0.1:8000/callback"
TEXT: Final = "안녕하세요 👋 “마당” & <b>"


class SocialConformance(ProviderConformance):
    """Give `agree`. The remote's `acts` is about publishing alone, its `acting` are the posts that were made."""

    kind = ProviderKind.SOCIAL
    operation = "publish"
    unknown_id: ClassVar[str] = "post0unknown0to0anybody"
    """An id in the platform's form that belongs to no post and no preparation."""

    _stage: Stage
    _held: SocialGrant | None = None
    _connecting: asyncio.Lock

    @pytest.fixture(autouse=True)
    def _standing_on(self, stage: Stage) -> None:
        self._stage = stage
        self._connecting = asyncio.Lock()

    async def agree(self, stage: Stage, address: str) -> str:
        """The person opens this address and agrees. Answers the code as the browser brings it back."""
        raise NotImplementedError(f"{type(self).__name__} has no agree(stage, address): let your stand-in's member agree")

    async def act(self, provider: SocialPlatform, key: str, timeout: float = 20.0) -> PublishedPost:
        return await self._published(provider, Post(f"{TEXT} {key}"), key, timeout)

    async def reads(self, provider: SocialPlatform) -> Mapping[str, Read]:
        grant, able = await self._grant(provider), provider.capabilities
        post = await self.act(provider, "key-asked")
        asked = FindPost(grant, Post("never posted"), "", "key-never", datetime.now(UTC))
        questions: dict[str, Read] = {
            **await super().reads(provider),
            "fetch": lambda: provider.fetch(grant, post.id),
            "read_metrics": lambda: provider.read_metrics(ReadMetrics(grant, [post.id])),
            "read_profile": lambda: provider.read_profile(grant),
            "list_posts": lambda: provider.list_posts(ListPosts(grant)),
        }
        if able.finds_posts:
            questions["find"] = lambda: provider.find(asked)
        if able.reads_quota:
            questions["read_quota"] = lambda: provider.read_quota(grant)
        return questions

    @must("Put state, challenge and the callback into the address, each encoded once; ask nobody for it.")
    async def test_the_address_to_agree_at_carries_what_comes_back(self, stage: Stage, provider: SocialPlatform) -> None:
        callback, state = f"{CALLBACK}?id=1&b=가", "state & more=1"
        address = provider.authorization_url(AuthorizationRequest(callback, state, CHALLENGE))
        query = parse_qs(urlsplit(address).query)
        assert {callback, state, CHALLENGE} <= {value for values in query.values() for value in values}
        assert stage.service is None or not stage.service.arrived

    @must("Spend a code once, with its verifier only; the grant names the account without @, and shows no token.")
    async def test_a_code_is_good_once_and_only_with_its_verifier(self, stage: Stage, provider: SocialPlatform) -> None:
        exchange = await self._agreed(stage, provider)
        wrong = replace(exchange, code_verifier=Secret(VERIFIER[::-1]))
        assert await self._reason("exchange_code", provider.exchange_code(wrong)) == "invalid_code"
        exchange = await self._agreed(stage, provider)
        grant = await provider.exchange_code(exchange)
        assert grant.account.id
        assert grant.account.handle.strip("@") == grant.account.handle != ""
        assert grant.access_token
        assert grant.access_token.reveal() not in repr(grant)
        assert grant.expires_at is None or grant.expires_at > datetime.now(UTC)
        assert await self._reason("exchange_code", provider.exchange_code(exchange)) == "invalid_code"
        never = replace(exchange, code=Secret("never-given"))
        assert await self._reason("exchange_code", provider.exchange_code(never)) == "invalid_code"

    @must("Answer a grant for the same account; where refresh tokens rotate, the old grant is spent and says so.")
    async def test_a_refreshed_grant_goes_on(self, stage: Stage, provider: SocialPlatform) -> None:
        grant = await self._grant(provider)
        if grant.refreshable_at is not None and grant.refreshable_at > datetime.now(UTC):
            assert await self._reason("refresh", provider.refresh(grant)) == "too_early"
            return
        fresh = await stage.build().refresh(grant)
        assert fresh.account == grant.account
        assert (await provider.read_profile(fresh)).account.id == grant.account.id
        if provider.capabilities.rotates_refresh_tokens:
            assert fresh.refresh_token != grant.refresh_token
            assert await self._reason("refresh", provider.refresh(grant)) == "access_revoked"

    @must("What the person has withdrawn is access_revoked everywhere; a grant that is gone counts as given back.")
    async def test_a_revoked_grant_opens_nothing(self, provider: SocialPlatform) -> None:
        grant = await self._grant(provider)
        if not provider.capabilities.revokes:
            await raised(self.name, "revoke", provider.revoke(grant), (Unsupported,))
            return
        for _ in range(2):
            await provider.revoke(grant)
        assert await self._reason("read_profile", provider.read_profile(grant)) == "access_revoked"
        post = Post(TEXT)
        assert await self._reason("prepare", provider.prepare(PreparePost(grant, post, "k"))) == "access_revoked"

    @must("Publish what was prepared as it is, and read it back by its id.")
    async def test_a_post_is_published_and_read_back(self, provider: SocialPlatform) -> None:
        grant, before = await self._grant(provider), datetime.now(UTC) - timedelta(seconds=5)
        post = await self._published(provider, Post(TEXT), "key-1")
        assert post.id
        assert post.text in (TEXT, None)
        assert post.published_at is None or before < post.published_at < datetime.now(UTC) + timedelta(seconds=5)
        read = await provider.fetch(grant, post.id)
        assert (read.id, read.text) == (post.id, TEXT)
        assert await self._reason("fetch", provider.fetch(grant, self.unknown_id)) == "not_found"
        if provider.capabilities.reads_quota:
            quota = await provider.read_quota(grant)
            assert quota.used == 1 < quota.total
        else:
            await raised(self.name, "read_quota", provider.read_quota(grant), (Unsupported,))

    @must("A thread's next post names its predecessor; one that is gone is not_found; else declare threads=False.")
    async def test_a_thread_is_made_post_by_post(self, provider: SocialPlatform) -> None:
        first = await self._published(provider, Post(TEXT), "key-1")
        grant, answer = await self._grant(provider), Post("이어서", reply_to=first.id)
        if not provider.capabilities.threads:
            await raised(self.name, "prepare", provider.prepare(PreparePost(grant, answer, "k")), (Unsupported,))
            return
        second = await self._published(provider, answer, "key-2")
        assert (await provider.fetch(grant, second.id)).reply_to == first.id
        gone = PreparePost(grant, replace(answer, reply_to=self.unknown_id), "key-3")
        assert await self._reason("prepare", provider.prepare(gone)) == "not_found"

    @must("Answer the posts, the newest first, in pages of at most `limit` and within the time span.")
    async def test_a_listing_goes_through_all_posts(self, stage: Stage, provider: SocialPlatform) -> None:
        posts = [await self._published(provider, Post(f"{number}"), f"key-{number}") for number in range(5)]
        request = ListPosts(await self._grant(provider), limit=2)
        found: list[str] = []
        while len(found) < 20:
            page = await stage.build().list_posts(request)
            assert len(page.posts) <= 2
            found += [each.post.id for each in page.posts]
            if page.cursor is None:
                break
            request = replace(request, cursor=page.cursor)
        assert found == [post.id for post in reversed(posts)]
        later = replace(request, cursor=None, since=datetime.now(UTC) + timedelta(hours=1))
        assert not (await provider.list_posts(later)).posts
        earlier = replace(later, since=None, until=datetime.now(UTC) - timedelta(hours=1))
        assert not (await provider.list_posts(earlier)).posts

    @must("A preparation makes one post: publishing it again with the same key answers that post, or is refused.")
    async def test_a_preparation_makes_one_post(self, stage: Stage, provider: SocialPlatform) -> None:
        grant, post = await self._grant(provider), Post(TEXT)
        prepared = await provider.prepare(PreparePost(grant, post, "key-1"))
        assert prepared.status is PreparationStatus.READY
        request = PublishPost(grant, post, prepared.reference, "key-1")
        first = await provider.publish(request)
        if provider.capabilities.idempotent:
            assert (await stage.build().publish(request)).id == first.id
        assert (await provider.fetch_preparation(grant, prepared.reference)).status is PreparationStatus.PUBLISHED
        assert len((await provider.list_posts(ListPosts(grant))).posts) == 1
        unknown = provider.fetch_preparation(grant, self.unknown_id)
        assert await self._reason("fetch_preparation", unknown) == "not_found"

    @must("After a failed publish, find() tells what became of it: the post, or None when there surely is none.")
    @pytest.mark.parametrize("fault", [Fault.ANSWER_LOST, Fault.SERVER_ERROR, Fault.GARBAGE, *sorted(NOTHING_DONE)])
    async def test_the_look_up_tells_what_became_of_a_failed_call(
        self, stage: Stage, provider: SocialPlatform, fault: Fault
    ) -> None:
        self._needs(fault)
        grant, post = await self._grant(provider), Post("한 번만")
        prepared = await provider.prepare(PreparePost(grant, post, "key-1"))
        asked = FindPost(grant, post, prepared.reference, "key-1", datetime.now(UTC))
        if not provider.capabilities.finds_posts:
            await raised(self.name, "find", provider.find(asked), (Unsupported,))
            return
        assert await provider.find(asked) is None
        await self.inject(stage, fault, "publish")
        request = PublishPost(grant, post, prepared.reference, "key-1")
        await raised(self.name, "publish", provider.publish(request), self.errors[fault])
        found = await stage.build().find(asked)
        assert (found is None) == (fault in NOTHING_DONE)
        assert found is None or (await provider.fetch(grant, found.id)).text == "한 번만"

    @must("A post that was taken down is gone, and may be taken down again; else declare deletes=False.")
    async def test_a_deleted_post_is_gone(self, provider: SocialPlatform) -> None:
        post, grant = await self._published(provider, Post(TEXT), "key-1"), await self._grant(provider)
        request = DeletePost(grant, post.id, "delete-1")
        if not provider.capabilities.deletes:
            await raised(self.name, "delete", provider.delete(request), (Unsupported,))
            return
        for _ in range(2):
            await provider.delete(request)
        assert await self._reason("fetch", provider.fetch(grant, post.id)) == "not_found"
        assert post.id not in await provider.read_metrics(ReadMetrics(grant, [post.id]))
        assert not (await provider.list_posts(ListPosts(grant))).posts

    @must("Fill the numbers that capabilities.metrics names, leave out posts that are gone, and say when they were read.")
    async def test_metrics_are_those_that_the_capabilities_name(self, provider: SocialPlatform) -> None:
        post, grant = await self._published(provider, Post(TEXT), "key-1"), await self._grant(provider)
        read = await provider.read_metrics(ReadMetrics(grant, [post.id, self.unknown_id]))
        assert list(read) == [post.id]
        for name in provider.capabilities.metrics:
            assert getattr(read[post.id], name) is not None, name
        assert abs(datetime.now(UTC) - read[post.id].read_at) < timedelta(minutes=1)
        assert not await provider.read_metrics(ReadMetrics(grant, []))

    @must("Read the grant's own account, and another's by its handle where public_profiles says so.")
    async def test_a_profile_is_read(self, provider: SocialPlatform) -> None:
        grant = await self._grant(provider)
        await self._published(provider, Post(TEXT), "key-1")
        own = await provider.read_profile(grant)
        assert own.account.id == grant.account.id
        assert own.posts in (1, None)
        if not provider.capabilities.public_profiles:
            await raised(self.name, "read_profile", provider.read_profile(grant, "somebody"), (Unsupported,))
            return
        assert (await provider.read_profile(grant, grant.account.handle)).account.id == grant.account.id
        assert await self._reason("read_profile", provider.read_profile(grant, "nobody0has0this")) == "not_found"

    @must('Measure a text by capabilities.length, and refuse a longer one as Rejected(reason="too_long") when preparing.')
    @pytest.mark.parametrize("character", ["a", "가"])
    async def test_a_text_may_be_as_long_as_the_capabilities_say(self, provider: SocialPlatform, character: str) -> None:
        grant, rule = await self._grant(provider), provider.capabilities.length
        longest = rule.max_length * rule.scale // rule.weight_of(character)
        prepared = await provider.prepare(PreparePost(grant, Post(character * longest), "key-1"))
        assert prepared.status in (PreparationStatus.READY, PreparationStatus.PENDING)
        beyond = PreparePost(grant, Post(character * (longest + 1)), "key-2")
        assert await self._reason("prepare", provider.prepare(beyond)) == "too_long"

    @must("Refuse before anybody sees it: nothing to say, media of another type, too many or too large.")
    async def test_a_bad_post_is_refused_before_anybody_sees_it(self, provider: SocialPlatform) -> None:
        grant, rules = await self._grant(provider), provider.capabilities.media
        assert await self._reason("prepare", provider.prepare(PreparePost(grant, Post(" "), "k"))) == "invalid_request"
        bad = [[SocialMedia("application/x-strange", b"x")], [SocialMedia("image/jpeg", JPEG)] * (rules.max_count + 1)]
        if largest := rules.max_bytes.get("image/jpeg"):
            bad.append([SocialMedia("image/jpeg", bytes(largest + 1))])
        for media in bad:
            post = Post(TEXT, media=media)
            assert await self._reason("prepare", provider.prepare(PreparePost(grant, post, "k"))) == "invalid_media"

    @must("An audience beyond capabilities.reply_audiences is Unsupported: never publish to more people than was asked.")
    async def test_an_audience_is_kept_or_unsupported(self, provider: SocialPlatform) -> None:
        grant = await self._grant(provider)
        for audience in ReplyAudience:
            request = PreparePost(grant, Post(TEXT, audience=audience), f"key-{audience}")
            if audience in provider.capabilities.reply_audiences:
                assert (await provider.prepare(request)).reference
            else:
                await raised(self.name, "prepare", provider.prepare(request), (Unsupported,))

    async def _agreed(self, stage: Stage, provider: SocialPlatform) -> CodeExchange:
        address = provider.authorization_url(AuthorizationRequest(CALLBACK, "state-1", CHALLENGE))
        return CodeExchange(Secret(await self.agree(stage, address)), Secret(VERIFIER), CALLBACK)

    async def _grant(self, provider: SocialPlatform) -> SocialGrant:
        """The grant of the test's own account, made when it is first needed."""
        async with self._connecting:
            if self._held is None:
                ours = self._stage.build()
                self._held = await ours.exchange_code(await self._agreed(self._stage, ours))
            return self._held

    async def _published(self, provider: SocialPlatform, post: Post, key: str, timeout: float = 20.0) -> PublishedPost:
        grant = await self._grant(provider)
        prepared = await provider.prepare(PreparePost(grant, post, key))
        return await provider.publish(PublishPost(grant, post, prepared.reference, key, timeout))

    async def _reason(self, operation: str, call: Any) -> str:
        return str(getattr(await raised(self.name, operation, call, (Rejected,)), "reason", ""))
