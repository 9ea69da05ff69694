"""The exact numbers of what the in-memory providers simulate, and the bounds of what they take."""

import io
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from PIL import Image

from madang.adapters.memory.capabilities import POSTS_A_DAY, STORAGE
from madang.adapters.memory.chat import MemoryChat
from madang.adapters.memory.email import MemoryEmailSender
from madang.adapters.memory.faces import MemoryFaceDetector
from madang.adapters.memory.identity import MemoryIdentity
from madang.adapters.memory.image_model import MemoryImageModel
from madang.adapters.memory.settings import MemorySettings
from madang.adapters.memory.signatures import signed_webhook
from madang.adapters.memory.sms import MemorySmsSender, network_bytes
from madang.adapters.memory.social import MemorySocialPlatform
from madang.adapters.memory.storage import MemoryStorage
from madang.adapters.memory.text_model import MemoryTextModel, least
from madang.adapters.memory.world import MemoryWorld
from madang.plugins.conformance.chat import MESSAGE as CHAT
from madang.plugins.conformance.email import EMAIL
from madang.plugins.conformance.image_model import REQUEST as PICTURE
from madang.plugins.conformance.sms import MESSAGE as SMS
from madang.plugins.conformance.social import CALLBACK, CHALLENGE, VERIFIER
from madang.plugins.conformance.storage import OBJECT
from madang.plugins.conformance.text_model import REQUEST as TEXT
from madang.ports.context import ProviderContext
from madang.ports.errors import OutcomeUnknown, RateLimited, Rejected, SignatureInvalid, Unavailable
from madang.ports.identity import ForeignPerson, VerifyToken
from madang.ports.secret import Secret
from madang.ports.social import (
    AuthorizationRequest,
    CodeExchange,
    DeletePost,
    ListPosts,
    Post,
    PreparePost,
    PublishPost,
    ReadMetrics,
    SocialGrant,
    SocialMedia,
)
from madang.ports.text_model import Picture, PromptMessage, Role

MINUTE = timedelta(minutes=1)


@pytest.fixture
def network(context: ProviderContext) -> MemorySocialPlatform:
    return MemorySocialPlatform(MemorySettings(), context)


async def reason_of(call: Any) -> tuple[str, str | None]:
    with pytest.raises(Rejected) as refused:
        await call
    return refused.value.reason, refused.value.operation


async def test_each_bad_day_is_met_once_by_its_operation_alone(context: ProviderContext) -> None:
    sms, world = MemorySmsSender(MemorySettings(), context), MemorySmsSender(MemorySettings(), context).world
    for fault, error in (
        ("unavailable", Unavailable),
        ("rate_limited", RateLimited),
        ("rejected", Rejected),
        ("silent", OutcomeUnknown),
        ("answer_lost", OutcomeUnknown),
    ):
        world.plan("sms.fetch", "unavailable")
        world.plan("sms.send", fault)
        with pytest.raises(error) as met:
            await sms.send(replace(SMS, idempotency_key=fault, timeout=0.01 if fault == "silent" else 60.0))
        assert met.value.operation == "sms.send"
        assert getattr(met.value, "retry_after", 7.0) == 7.0
        assert getattr(met.value, "reason", "invalid_request") == "invalid_request"
        await sms.send(replace(SMS, idempotency_key=fault))
    for _ in range(5):
        with pytest.raises(Unavailable):
            await sms.fetch("sms-1")
    assert [each.idempotency_key for each in sms.sent] == ["unavailable", "rate_limited", "rejected", "silent", "answer_lost"]
    storage = MemoryStorage(MemorySettings(), context)
    world.plan("storage.delete_many", "silent")
    with pytest.raises(OutcomeUnknown):  # at once: such a call has no time limit to be silent for
        await storage.delete_many(["a"])
    with pytest.raises(ValueError, match="answer_lost, rate_limited, rejected, silent, unavailable"):
        world.plan("sms.send", "explode")


def test_a_new_world_counts_from_one() -> None:
    world = MemoryWorld()
    assert [world.next_id("a"), world.next_id("b")] == ["a-1", "b-2"]


async def member(network: MemorySocialPlatform, handle: str = "Cafe_Seoul") -> SocialGrant:
    address = network.authorization_url(AuthorizationRequest(CALLBACK, "state", CHALLENGE))
    return await network.exchange_code(CodeExchange(Secret(network.agree(address, handle)), Secret(VERIFIER), CALLBACK))


async def published(network: MemorySocialPlatform, grant: SocialGrant, text: str) -> str:
    ready = await network.prepare(PreparePost(grant, Post(text), text))
    return (await network.publish(PublishPost(grant, Post(text), ready.reference, text))).id


async def test_a_network_knows_its_members_and_their_posts(network: MemorySocialPlatform) -> None:
    grant, other = await member(network), await member(network, "other")
    assert (grant.account.id, grant.account.handle) == ("account-cafe_seoul", "cafe_seoul")
    assert grant.expires_at is not None
    assert abs(grant.expires_at - datetime.now(UTC) - timedelta(hours=2)) < MINUTE
    ids = [await published(network, grant, f"{number}") for number in range(3)]
    theirs = await published(network, other, "theirs")
    assert [each.id for each in network.posts] == [theirs, *reversed(ids)]
    assert network.posts[0].url == f"memory://posts/{theirs}"
    profile = await network.read_profile(grant, "other")
    assert (profile.account.handle, profile.followers, profile.following, profile.posts) == ("other", 0, 0, 1)
    assert (await network.read_profile(grant)).posts == 3
    quota = await network.read_quota(grant)
    assert (quota.total, quota.used, quota.window) == (POSTS_A_DAY, 3, timedelta(days=1))
    first = await network.list_posts(ListPosts(grant, limit=2))
    rest = await network.list_posts(ListPosts(grant, limit=2, cursor=first.cursor))
    assert [each.post.id for each in (*first.posts, *rest.posts)] == list(reversed(ids))
    assert rest.cursor is None
    exactly = await network.list_posts(ListPosts(grant, limit=3))
    assert (len(exactly.posts), exactly.cursor) == (3, None)
    one = exactly.posts[1].post.published_at
    spans = [ListPosts(grant, since=one), ListPosts(grant, until=one), ListPosts(grant, account_id=other.account.id)]
    assert [len((await network.list_posts(span)).posts) for span in spans] == [2, 1, 1]
    metrics = await network.read_metrics(ReadMetrics(grant, [ids[0], theirs, "nothing"]))
    assert list(metrics) == [ids[0]]
    assert (metrics[ids[0]].views, metrics[ids[0]].likes, metrics[ids[0]].replies, metrics[ids[0]].reposts) == (0, 0, 0, 0)
    await network.delete(DeletePost(grant, theirs, "d-1"))
    await network.delete(DeletePost(grant, ids[0], "d-2"))
    assert [each.id for each in network.posts] == [theirs, ids[2], ids[1]]
    assert await reason_of(network.fetch(grant, ids[0])) == ("not_found", "fetch")
    assert await reason_of(network.read_profile(grant, "nobody")) == ("not_found", "read_profile")


async def test_a_network_refuses_what_is_spent_or_unfit(network: MemorySocialPlatform) -> None:
    grant = await member(network)
    fresh = await network.refresh(grant)
    assert await reason_of(network.refresh(grant)) == ("access_revoked", "refresh")
    assert await reason_of(network.read_quota(grant)) == ("access_expired", "read_quota")
    most = SocialMedia("image/png", bytes(5 * 1024**2))
    too_large = replace(most, data=bytes(5 * 1024**2 + 1))
    for post, reason in (
        (Post("x" * 501), "too_long"),
        (Post(" "), "invalid_request"),
        (Post("", media=[too_large]), "invalid_media"),
        (Post("", media=[SocialMedia("text/html", b"x")]), "invalid_media"),
        (Post("", media=[SocialMedia("text/html")]), "invalid_media"),
        (Post("x", reply_to="nothing"), "not_found"),
    ):
        assert await reason_of(network.prepare(PreparePost(fresh, post, "k"))) == (reason, "prepare")
    for post in (Post("x" * 500), Post("", media=[most])):
        assert (await network.prepare(PreparePost(fresh, post, "k"))).reference == "prepared-account-cafe_seoul-k"
    code = network.agree(network.authorization_url(AuthorizationRequest(CALLBACK, "state", CHALLENGE)))
    for secret, verifier, place in ((code, "another", CALLBACK), ("nothing", VERIFIER, CALLBACK), (code, VERIFIER, CALLBACK)):
        exchange = CodeExchange(Secret(secret), Secret(verifier), place)
        assert await reason_of(network.exchange_code(exchange)) == ("invalid_code", "exchange_code")
    await network.revoke(fresh)
    assert await reason_of(network.refresh(fresh)) == ("access_revoked", "refresh")
    assert await reason_of(network.read_quota(fresh)) == ("access_revoked", "read_quota")
    assert (await network.read_quota(await member(network))).used == 0


async def test_storage_takes_no_more_than_it_may(context: ProviderContext, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = MemoryStorage(MemorySettings(), context)
    monkeypatch.setattr("madang.adapters.memory.capabilities.STORAGE", replace(STORAGE, max_object_bytes=4))
    await storage.put(replace(OBJECT, key="k" * 1024, body=b"1234", size=4))

    async def pieces(*each: bytes) -> AsyncIterator[bytes]:
        for piece in each:
            yield piece

    assert (await storage.put(replace(OBJECT, body=pieces(b"12", b"34")))).size == 4
    assert await reason_of(storage.put(replace(OBJECT, body=pieces(b"12", b"34", b"5")))) == ("too_large", "put")
    for body, size in ((b"12345", None), (b"12345", 5), (b"1234", 5)):
        assert await reason_of(storage.put(replace(OBJECT, body=body, size=size))) == ("too_large", "put")
    for key in ("\ud800", "a\x1fb", "a\x7f", "k" * 1025):
        assert await reason_of(storage.head(key)) == ("invalid_key", "head")
    assert len((await storage.list("", limit=0)).objects) == 1


async def test_a_token_says_who_when_and_from_where(context: ProviderContext) -> None:
    issuer, now = MemoryIdentity(MemorySettings(), context), datetime.now(UTC)

    async def person(moved: float = 0.0, token: str = "", **claims: Any) -> ForeignPerson:
        given = token or issuer.issue("user_1", **claims)
        return await issuer.verify(VerifyToken(Secret(given), now + timedelta(seconds=moved)))

    known = await person(
        email="a@b.example", email_verified=True, name="김마당", picture="https://a.example", locale="ko", sid="s-1"
    )
    assert (known.email, known.email_verified, known.name, known.picture_url, known.locale, known.session_id) == (
        "a@b.example", True, "김마당", "https://a.example", "ko", "s-1",
    )  # fmt: skip
    assert known.expires_at is not None
    assert abs(known.expires_at - now - timedelta(hours=1)) < MINUTE
    assert not (await person(email_verified=True)).email_verified
    assert not (await person(email="a@b.example", email_verified="true")).email_verified
    assert (await person(3605)).subject == "user_1"
    assert (await person(nbf=now.timestamp() + 5)).subject == "user_1"
    for moved, claims, reason in (
        (3615, {}, "expired_token"),
        (0, {"nbf": now.timestamp() + 15}, "invalid_token"),
        (0, {"nbf": "soon"}, "invalid_token"),
        (0, {"exp": True}, "invalid_token"),
        (0, {"exp": None}, "invalid_token"),
        (0, {"iss": "https://other.example"}, "invalid_token"),
        (0, {"sub": ""}, "invalid_token"),
        (0, {"sub": 7}, "invalid_token"),
        (0, {"aud": "another"}, "wrong_audience"),
        (0, {"token": "no.token"}, "invalid_token"),
    ):
        assert await reason_of(person(moved, **claims)) == (reason, "verify")


async def test_a_webhook_is_believed_for_five_minutes(context: ProviderContext) -> None:
    issuer, now = MemoryIdentity(MemorySettings(), context), datetime(2026, 11, 21, tzinfo=UTC)
    for late in (timedelta(minutes=5), timedelta(minutes=-5)):
        request = signed_webhook(context.signing_key, "event-1", {"change": "deleted", "session_id": "s"}, now, now + late)
        [notice] = issuer.read_webhook(request)
        assert (notice.event_id, notice.change, notice.session_id) == ("event-1", "deleted", "s")
        later = replace(request, received_at=request.received_at + late / 100)
        with pytest.raises(SignatureInvalid, match="too long ago"):
            issuer.read_webhook(later)
    for changes in ({"webhook-id": ""}, {"webhook-timestamp": "soon"}, {"webhook-signature": "0"}):
        with pytest.raises(SignatureInvalid, match="not ours"):
            issuer.read_webhook(replace(request, headers={**request.headers, **changes}))


async def test_a_text_is_counted_and_told_in_halves(context: ProviderContext) -> None:
    model = MemoryTextModel(MemorySettings(), context)
    messages = [PromptMessage(Role.USER, "x" * 13), PromptMessage(Role.USER, "y" * 10)]
    result = await model.generate(replace(TEXT, messages=messages))
    assert (result.text, result.usage.input_tokens, result.usage.output_tokens) == ("y" * 10, 23 // 4 + 1, 10 // 4 + 1)
    assert [chunk.text async for chunk in model.stream(replace(TEXT, messages=messages))] == ["y" * 5, "y" * 5]
    assert (await model.generate(replace(TEXT, messages=[PromptMessage(Role.USER, "")]))).text == "memory"
    assert await reason_of(model.generate(replace(TEXT, messages=[]))) == ("invalid_request", "generate")


def test_the_least_of_each_kind() -> None:
    kinds = [{"type": kind} for kind in ("object", "array", "string", "integer", "number", "boolean", "null")]
    assert [least(kind) for kind in kinds] == [{}, [], "memory", 0, 0, False, None]
    assert least({}) == {}
    assert least({"required": ["a"]}) == {"a": "memory"}
    assert least({"type": "array", "minItems": 1}) == ["memory"]
    assert least({"type": "string", "minLength": 8}) == "memory.."
    assert least({"type": "string", "maxLength": 3}) == "mem"
    assert least({"type": "number", "minimum": 1.5}) == 2


async def test_each_seed_has_its_colour_and_each_request_its_size(context: ProviderContext) -> None:
    model = MemoryImageModel(MemorySettings(), context)
    made = await model.start(replace(PICTURE, seed=0, count=2, width=4096, height=None))
    first, second = [Image.open(_file((await model.download(each)).data)) for each in made.pictures]
    assert (first.size, first.getpixel((0, 0))) == ((4096, 128), (204, 102, 102))
    assert second.getpixel((0, 0)) == (102, 132, 204)
    usual = await model.start(replace(PICTURE, idempotency_key="usual", width=None, height=1))
    assert Image.open(_file((await model.download(usual.pictures[0])).data)).size == (96, 1)
    for change in ({"count": 0}, {"count": 5}, {"width": 4097}, {"height": 0}):
        wrong = replace(PICTURE, idempotency_key="wrong", **change)
        assert await reason_of(model.start(wrong)) == ("invalid_request", "start")


async def test_messages_have_their_bounds(context: ProviderContext) -> None:
    sms, email = MemorySmsSender(MemorySettings(), context), MemoryEmailSender(MemorySettings(), context)
    chat = MemoryChat(MemorySettings(), context)
    assert network_bytes("a가👋") == 1 + 2 + 4
    for to in ("+1234567", "+123456789012345"):
        await sms.send(replace(SMS, to=to, idempotency_key=to))
    for to in ("+123456", "+1234567890123456", "+0123456789", "01012345678"):
        assert await reason_of(sms.send(replace(SMS, to=to))) == ("invalid_recipient", "send")
    bytes_ = sms.capabilities.max_bytes
    await sms.send(replace(SMS, text="x" * bytes_))
    assert await reason_of(sms.send(replace(SMS, text="x" * (bytes_ + 1)))) == ("too_long", "send")
    assert await reason_of(email.send(replace(EMAIL, to=[]))) == ("invalid_recipient", "send")
    assert await reason_of(email.send(replace(EMAIL, text=None, html=None))) == ("invalid_request", "send")
    for name in ("From", "bcc", "DATE", "message-id", "Reply-To", "to", "cc", "subject"):
        assert await reason_of(email.send(replace(EMAIL, headers={name: "x"}))) == ("invalid_request", "send")
    await email.send(replace(EMAIL, html=None, attachments=[], text="x" * email.capabilities.max_bytes))
    large = replace(EMAIL, html=None, attachments=[], text="x" * (email.capabilities.max_bytes + 1))
    assert await reason_of(email.send(large)) == ("too_large", "send")
    await chat.post(replace(CHAT, text="x" * chat.capabilities.max_length))
    long = replace(CHAT, text="x" * (chat.capabilities.max_length + 1))
    assert await reason_of(chat.post(long)) == ("too_long", "post")


async def test_faces_lie_side_by_side(context: ProviderContext) -> None:
    image = Image.new("RGB", (90, 60), "white")
    image.paste((40, 30, 30), (20, 10, 60, 50))
    out = io.BytesIO()
    image.save(out, "PNG")
    faces = await MemoryFaceDetector(MemorySettings(faces=3), context).detect(Picture(out.getvalue(), "image/png"))
    assert [(each.x, each.y, each.width, each.height, each.confidence) for each in faces] == [
        (0, 0, 30, 60, 1.0),
        (30, 0, 30, 60, 1 - 1 / 200),
        (60, 0, 30, 60, 1 - 2 / 200),
    ]


def _file(data: bytes) -> Any:
    return io.BytesIO(data)
