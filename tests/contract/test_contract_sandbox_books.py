"""What the simulated providers keep and count: posts, predictions, deliveries, cards, the journal, and the file of it all."""

import asyncio
import hashlib
import json
import sqlite3
import stat
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from madang.adapters.sandbox import feed, messages, payments, predictions, stored, webhooks
from madang.adapters.sandbox.gate import Gate
from madang.adapters.sandbox.messages import SentMessage
from madang.adapters.sandbox.settings import SandboxSettings
from madang.adapters.sandbox.sms import SandboxSmsSender
from madang.adapters.sandbox.text_model import SandboxTextModel, token_count
from madang.adapters.sandbox.webhooks import Courier
from madang.ports.context import ProviderContext
from madang.ports.errors import Rejected, Unavailable
from madang.ports.image_model import PictureRequest, PredictionStatus
from madang.ports.money import Cost, Money
from madang.ports.payment import CheckoutRequest, RefundRequest, RemotePaymentStatus, StoreMethodRequest
from madang.ports.secret import Secret
from madang.ports.social import Post
from madang.ports.text_model import PromptMessage, Role, TextRequest

Build = Callable[..., Any]
KNOBS = SandboxSettings(image_seconds=0)
VERIFIER = "a-verifier-that-is-not-secret"
CHALLENGE = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
BACK = "http://a.example/back"
CHECKOUT = CheckoutRequest("payment-1", Money(900, "KRW"), "a portrait", "http://a/ok", "http://a/no", "order-1")


@pytest.fixture
async def gate(context: ProviderContext) -> AsyncIterator[Gate]:
    gate = Gate(KNOBS, context)
    yield gate
    await gate.close()


@pytest.fixture
async def books(gate: Gate) -> sqlite3.Connection:
    """The world's own connection: everything below is one thread's work."""
    opened: list[sqlite3.Connection] = []
    await gate.world.run(opened.append)
    return opened[0]


def member(books: sqlite3.Connection, handle: str = "cafe") -> feed.Member:
    return feed.spend_code(books, feed.give_code(books, handle, CHALLENGE, BACK), VERIFIER, BACK)


def posted(books: sqlite3.Connection, who: feed.Member, text: str, key: str, **post: Any) -> SentMessage:
    reference, _ = feed.prepare(books, who.id, key)
    return feed.publish(books, 1, who, Post(text, **post), reference, key)


def refused(reason: str, work: Callable[..., object], *given: Any) -> None:
    with pytest.raises(Rejected) as rejected:
        work(*given)
    assert rejected.value.reason == reason


def test_a_grant_is_of_its_member_and_lasts_two_hours(books: sqlite3.Connection) -> None:
    who, before = member(books), time.time()
    grant = who.grant()
    assert (grant.account.id, grant.account.handle, grant.account.name) == (who.id, "cafe", "cafe")
    assert grant.scopes == {"read", "write"}
    assert grant.expires_at is not None
    assert abs(grant.expires_at.timestamp() - before - 7200) < 60
    assert grant.refresh_token is not None
    assert len({grant.access_token.reveal(), grant.refresh_token.reveal()}) == 2
    again = feed.refresh(books, grant)
    assert (again.generation, who.generation) == (2, 1)
    assert feed.require(books, again.grant(), "fetch") == again
    for spent in (grant, replace(again.grant(), refresh_token=None)):
        refused("access_revoked", feed.refresh, books, spent)
    refused("access_expired", feed.require, books, grant, "fetch")
    books.execute("UPDATE social_accounts SET expires_at = ?", (time.time() - 1,))
    refused("access_expired", feed.require, books, again.grant(), "fetch")
    feed.revoke(books, who.id)
    refused("access_revoked", feed.require, books, again.grant(), "fetch")
    refused("access_revoked", feed.refresh, books, again.grant())
    connected = member(books)
    assert (connected.generation, connected.revoked) == (3, False)


@pytest.mark.parametrize("wrong", ["code", "verifier", "redirect", "age"])
def test_a_code_is_good_for_ten_minutes_where_it_was_given(books: sqlite3.Connection, wrong: str) -> None:
    code = feed.give_code(books, "cafe", CHALLENGE, BACK)
    [row] = books.execute("SELECT expires_at FROM social_codes").fetchall()
    assert abs(row["expires_at"] - time.time() - 600) < 60
    if wrong == "age":
        books.execute("UPDATE social_codes SET expires_at = expires_at - 601")
    given = {"code": code, "verifier": VERIFIER, "redirect": BACK}
    asked = {**given, wrong: "other"} if wrong in given else given
    refused("invalid_code", feed.spend_code, books, asked["code"], asked["verifier"], asked["redirect"])


def test_a_preparation_is_one_members_for_a_day(books: sqlite3.Connection) -> None:
    who, other = member(books), member(books, "bakery")
    reference, until = feed.prepare(books, who.id, "key-1")
    assert feed.prepare(books, who.id, "key-1") == (reference, until)
    assert abs(until - time.time() - 86_400) < 60
    refused("preparation_expired", feed.publish, books, 1, other, Post("hello"), reference, "key-1")
    refused("not_found", feed.publish, books, 1, who, Post("hello"), "prep_0", "key-1")
    refused("not_found", feed.publish, books, 1, who, Post("hello", reply_to="social_0"), reference, "key-1")
    books.execute("UPDATE social_preparations SET expires_at = ?", (time.time() - 1,))
    refused("preparation_expired", feed.publish, books, 1, who, Post("hello"), reference, "key-1")
    books.execute("UPDATE social_preparations SET expires_at = ?", (time.time() + 60,))
    first = feed.publish(books, 1, who, Post("hello", link="http://a"), reference, "key-1")
    assert feed.publish(books, 1, who, Post("other"), reference, "key-2") == first
    assert first.details == {"account": who.id, "replyTo": None, "quote": None, "link": "http://a", "media": 0}
    assert (first.channel, first.recipient, first.status) == ("social", "cafe", "published")


def test_posts_are_taken_down_by_their_own_account(books: sqlite3.Connection) -> None:
    who, other = member(books), member(books, "bakery")
    first, second = [posted(books, who, text, text) for text in ("one", "two")]
    answer = posted(books, other, "three", "three", reply_to=first.id)
    assert feed.published(answer, "http://b").reply_to == first.id
    shown = feed.published(first, "http://b")
    assert (shown.id, shown.url, shown.text) == (first.id, f"http://b/sandbox/social#{first.id}", "one")
    feed.take_down(books, other.id, first.id)
    assert [each.text for each in feed.of_account(books, who.id)] == ["two", "one"]
    feed.take_down(books, who.id, first.id)
    feed.take_down(books, who.id, "social_0")
    assert feed.of_account(books, who.id) == [second]
    refused("not_found", feed.get, books, first.id)
    assert (feed.find(books, "one"), feed.find(books, "two")) == (None, second)


def test_numbers_grow_with_the_hours(books: sqlite3.Connection) -> None:
    def told(hours: float) -> list[int | None]:
        numbers = feed.metrics(
            SentMessage("social_29", "key", "social", "cafe", "hello", sent_at=time.time() - hours * 3600), 3
        )
        assert abs(numbers.read_at - datetime.now(UTC)) < timedelta(minutes=1)
        assert numbers.post_id == "social_29"
        return [
            numbers.views, numbers.likes, numbers.replies, numbers.reposts, numbers.quotes, numbers.link_clicks,
        ]  # fmt: skip

    assert told(-1) == [0] * 6
    assert [told(hours) for hours in (6, 100_000)] == [[194, 14, 2, 2, 0, 2], [389, 28, 4, 5, 1, 5]]
    assert (feed.followers(3, "cafe"), feed.followers(3, "bakery")) == (8183, 17360)
    assert [feed.offset_of(cursor) for cursor in (None, "", feed.cursor_of(20), feed.cursor_of(0))] == [0, 0, 20, 0]
    for strange in ("?", "a", urlsafe_b64encode(b"[").decode(), urlsafe_b64encode(b'"x"').decode()):
        refused("invalid_request", feed.offset_of, strange)
    refused("not_found", feed.member_of_handle, books, "nobody")


def test_a_prediction_costs_by_the_picture_and_its_files_live_an_hour(books: sqlite3.Connection) -> None:
    request = PictureRequest("a portrait", "key-1", 7, width=300, height=400, count=2)
    made = predictions.start(books, KNOBS, request)
    answer = made.answer("http://b")
    assert (answer.id, answer.status, answer.error) == (made.id, PredictionStatus.SUCCEEDED, None)
    assert (answer.cost, answer.model) == (Cost(80_000), "sandbox-darkroom-1")
    assert [each.reference for each in answer.pictures] == [
        f"http://b/sandbox/files/{made.id}/{number}.jpg" for number in (0, 1)
    ]
    for each in answer.pictures:
        assert each.media_type == "image/jpeg"
        assert each.expires_at is not None
        assert abs(each.expires_at.timestamp() - time.time() - 3600) < 60
    assert (made.size, made.seed, made.count, made.prompt, made.key) == ((300, 400), 7, 2, "a portrait", "key-1")
    assert predictions.start(books, KNOBS, request) == made
    for change in ({"prompt": "b"}, {"seed": 8}, {"count": 1}, {"width": 1}, {"height": 1}):
        refused("invalid_request", predictions.start, books, KNOBS, replace(request, **change))
    assert predictions.negative(books, made.id, 1) == (made, None)
    for place in (-1, 2):
        refused("not_found", predictions.negative, books, made.id, place)
    books.execute("UPDATE predictions SET ready_at = ready_at - 3601")
    refused("not_found", predictions.negative, books, made.id, 0)
    refused("not_found", predictions.get, books, "prd_0")
    assert predictions.find(books, "key-2") is None


def test_what_still_runs_has_nothing_yet_and_may_be_cancelled(books: sqlite3.Connection) -> None:
    slow = replace(KNOBS, image_seconds=60)
    request = PictureRequest("a portrait", "key-1", 7, webhook_url="http://127.0.0.1:9/w")
    running = predictions.start(books, slow, request).answer("http://b")
    assert (running.status, running.pictures, running.cost, running.error) == (PredictionStatus.RUNNING, (), None, None)
    [delivery] = books.execute("SELECT kind, subject, due_at, body FROM deliveries").fetchall()
    assert (delivery["kind"], delivery["subject"]) == ("prediction.succeeded", running.id)
    assert json.loads(delivery["body"])["data"] == {"id": running.id, "status": "succeeded"}
    assert abs(delivery["due_at"] - time.time() - 60) < 30
    refused("not_found", predictions.negative, books, running.id, 0)
    cancelled = predictions.cancel(books, running.id).answer("http://b")
    assert (cancelled.status, cancelled.pictures, cancelled.cost) == (PredictionStatus.CANCELLED, (), None)
    assert cancelled.error == "cancelled on request"
    assert books.execute("SELECT count(*) FROM deliveries").fetchone()[0] == 0


def test_payments_are_found_opened_again_and_end_once(books: sqlite3.Connection) -> None:
    opened = payments.open_checkout(books, KNOBS, CHECKOUT)
    assert payments.open_checkout(books, KNOBS, replace(CHECKOUT, idempotency_key="order-2")) == opened
    assert payments.find(books, KNOBS, "payment-1") == opened
    assert payments.find(books, KNOBS, "payment-2") is None
    refused("not_found", payments.get, books, KNOBS, "pay_0")
    refused("not_refundable", payments.refund, books, KNOBS, RefundRequest(opened.reference, Money(1, "KRW"), "why", "r"))
    for change in ({"description": "b"}, {"success_url": "b"}, {"cancel_url": "b"}, {"amount": Money(1, "KRW")}):
        refused("invalid_request", payments.open_checkout, books, KNOBS, replace(CHECKOUT, **change))
    declined = payments.decline(books, KNOBS, opened.reference)
    assert (declined.status, declined.failure, declined.events) == ("failed", "declined", 1)
    assert payments.decline(books, KNOBS, opened.reference) == declined
    paid = payments.pay(books, KNOBS, opened.reference, "phone")
    assert (paid.status, paid.failure, paid.method, paid.events) == ("paid", None, "phone", 2)
    assert paid.paid_at is not None
    assert abs(paid.paid_at - time.time()) < 60
    assert payments.cancel(books, KNOBS, opened.reference) == paid
    assert payments.pay(books, KNOBS, opened.reference, "card") == paid
    assert payments.open_checkout(books, KNOBS, CHECKOUT) == paid
    refused("already_paid", payments.open_checkout, books, KNOBS, replace(CHECKOUT, idempotency_key="order-3"))
    assert payments.snapshot_of(payments.event_data(paid)) == paid.snapshot()
    for amount, reason in ((0, "invalid_request"), (901, "amount_exceeded")):
        request = RefundRequest(opened.reference, Money(amount, "KRW"), "why", "r")
        refused(reason, payments.refund, books, KNOBS, request)
    refused("invalid_request", payments.refund, books, KNOBS, replace(request, amount=Money(1, "USD")))
    part = payments.refund(books, KNOBS, replace(request, amount=Money(400, "KRW")))
    assert payments.find_refund(books, opened.reference, "r") == part
    assert payments.find_refund(books, opened.reference, "r-2") is None
    refused("invalid_request", payments.refund, books, KNOBS, replace(request, amount=Money(401, "KRW")))
    assert payments.get(books, KNOBS, opened.reference).snapshot().status is RemotePaymentStatus.PARTLY_REFUNDED
    payments.refund(books, KNOBS, replace(request, amount=Money(500, "KRW"), idempotency_key="r-2"))
    whole = payments.get(books, KNOBS, opened.reference)
    assert (whole.status, whole.refunded, whole.events) == ("refunded", 900, 4)


def test_an_unpaid_checkout_expires_and_a_paid_one_does_not(books: sqlite3.Connection) -> None:
    for number, ended in enumerate((None, "pay", "decline")):
        request = replace(
            CHECKOUT,
            payment_id=f"p-{number}",
            idempotency_key=f"o-{number}",
            expires_at=datetime.now(UTC) + timedelta(minutes=1),
        )
        reference = payments.open_checkout(books, KNOBS, request).reference
        if ended == "pay":
            payments.pay(books, KNOBS, reference, "card")
        if ended == "decline":
            payments.decline(books, KNOBS, reference)
        books.execute("UPDATE payments SET expires_at = expires_at - 61 WHERE reference = ?", (reference,))
        expected = "paid" if ended == "pay" else "expired"
        found = payments.find(books, KNOBS, f"p-{number}")
        assert found is not None
        assert (found.status, payments.get(books, KNOBS, reference).status) == (expected, expected)


def test_a_window_for_a_card_is_one_persons(books: sqlite3.Connection) -> None:
    request = StoreMethodRequest("customer-1", "http://a/kept", "http://a/no", "window-1", locale="en")
    window = stored.open_window(books, KNOBS, request)
    assert (window.status, window.locale, window.way_on) == ("open", "en", "http://a/no")
    assert stored.open_window(books, KNOBS, request) == window
    for other in (replace(request, customer_id="customer-2"), replace(request, success_url="http://b")):
        refused("invalid_request", stored.open_window, books, KNOBS, other)
    agreed = stored.agree(books, KNOBS, window.reference)
    assert agreed == stored.agree(books, KNOBS, window.reference) == stored.cancel(books, window.reference)
    assert agreed.way_on == f"http://a/kept?clientKey={agreed.client_key}&customerId=customer-1"
    refused("not_found", stored.get, books, "wnd_0")


async def test_a_delivery_is_tried_eight_times_each_later_than_the_last(
    books: sqlite3.Connection, gate: Gate, context: ProviderContext
) -> None:
    webhooks.schedule(books, KNOBS, url="http://127.0.0.1:9/w", event_id="e", kind="a.b", subject="s", data={"a": "가"})
    webhooks.schedule(books, KNOBS, url=None, event_id="f", kind="a.b", subject="s", data={})
    courier = Courier(KNOBS, context, gate)
    waits = []
    for attempt in range(1, 9):
        books.execute("UPDATE deliveries SET due_at = ?", (time.time() - 1,))
        assert await courier.deliver_due() == 1
        assert await courier.deliver_due() == 0
        [row] = books.execute("SELECT * FROM deliveries").fetchall()
        assert (row["attempts"], row["last_answer"], row["lease_until"]) == (attempt, "ConnectError", None)
        assert row["state"] == ("waiting" if attempt < 8 else "given_up")
        waits.append(round(row["due_at"] - time.time()))
    assert waits == [1, 2, 4, 8, 16, 32, 60, -1]
    await courier.stop()
    [told] = webhooks.recent_deliveries(books)
    assert (told["event_id"], told["kind"], told["state"], told["attempts"]) == ("e", "a.b", "given_up", 8)
    assert "body" not in told


def test_webhooks_leave_as_late_as_often_and_as_surely_as_the_knobs_say(books: sqlite3.Connection) -> None:
    def states(knobs: SandboxSettings, event: str) -> list[tuple[str, int]]:
        webhooks.schedule(books, knobs, url="http://a", event_id=event, kind="a.b", subject="s", data={}, due_at=1000.0)
        rows = books.execute("SELECT state, due_at FROM deliveries WHERE event_id = ? ORDER BY rowid", (event,))
        return [(row["state"], round(row["due_at"])) for row in rows]

    assert states(KNOBS, "plain") == [("waiting", 1000)]
    assert states(replace(KNOBS, webhook_delay=5.0, webhook_duplicates=2), "late") == [("waiting", 1005)] * 3
    assert states(replace(KNOBS, webhook_loss=1.0, webhook_duplicates=1), "lost") == [("lost", 1000)] * 2
    shuffled = states(replace(KNOBS, webhook_shuffle=100.0, webhook_duplicates=5), "shuffled")
    assert len({due for _, due in shuffled}) > 3
    assert all(1000 <= due <= 1100 for _, due in shuffled)
    assert states(replace(KNOBS, webhook_lose_next=1, webhook_duplicates=1), "next") == [("lost", 1000), ("waiting", 1000)]
    webhooks.withdraw(books, "s", "a.b")
    assert {row["state"] for row in webhooks.recent_deliveries(books)} == {"lost"}


async def test_the_journal_keeps_its_last_fifty_thousand_calls(books: sqlite3.Connection, sandbox: Build) -> None:
    for number in (10_999, 11_000, 11_001, 60_998):
        books.execute("INSERT INTO calls (number, at, operation, process) VALUES (?, 0, 'a.b', 1)", (number,))
    sender = sandbox(SandboxSmsSender)
    assert await sender.find("k") is None
    assert [row[0] for row in books.execute("SELECT number FROM calls ORDER BY number")][:2] == [10_999, 11_000]
    assert await sender.find("k") is None
    kept = books.execute("SELECT number, operation, key, fault FROM calls ORDER BY number").fetchall()
    assert [row["number"] for row in kept] == [11_001, 60_998, 60_999, 61_000]
    assert tuple(kept[-1])[1:] == ("sms.find", "k", None)


async def test_a_key_means_one_message_of_one_channel(books: sqlite3.Connection) -> None:
    message = SentMessage("id-1", "key", "sms", "to", "text", "subject", {"a": "가"})
    before = time.time()
    messages.send(books, message)
    kept = messages.find(books, "sms", "key")
    assert kept is not None
    assert kept == replace(message, sent_at=kept.sent_at)
    assert abs(kept.sent_at - before) < 60
    assert messages.send(books, replace(message, id="id-2")) == kept
    for change in ({"recipient": "other"}, {"text": "other"}, {"subject": "other"}):
        with pytest.raises(Rejected) as reused:
            messages.send(books, replace(message, **change))  # type: ignore[arg-type]
        assert (reused.value.code, reused.value.operation) == ("idempotency_key_reused", "sms.send")
    assert (messages.find(books, "email", "key"), messages.get(books, "email", "id-1")) == (None, None)
    messages.send(books, replace(message, id="id-3", channel="email"))
    messages.set_status(books, "id-1", "lost")
    assert [(each.id, each.status) for each in messages.recent(books, "sms")] == [("id-1", "lost")]


async def test_a_world_that_cannot_be_opened_is_not_reachable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    provider = SandboxSmsSender(KNOBS, ProviderContext("", tmp_path / "file", Secret("test-key-not-secret"), "test"))
    health = await provider.check()
    assert not health.reachable
    assert str(tmp_path) in health.detail
    await provider.close()
    await provider.close()


async def test_the_world_is_its_owners_alone_and_keeps_nothing_of_what_failed(gate: Gate, books: sqlite3.Connection) -> None:
    assert stat.S_IMODE(gate.world.path.parent.stat().st_mode) == 0o700

    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO knobs (name, value) VALUES ('a', '1')")
        raise KeyError

    with pytest.raises(KeyError):
        await gate.world.run(fail)
    assert books.execute("SELECT count(*) FROM knobs").fetchone()[0] == 0


async def test_an_answer_comes_in_pieces_and_is_paid_by_the_token(sandbox: Build) -> None:
    model = sandbox(SandboxTextModel)
    request = TextRequest([PromptMessage(Role.USER, "Write about espresso.")], "key-1")
    chunks = [chunk async for chunk in model.stream(request)]
    result = chunks[-1].result
    assert result is not None
    assert [chunk.result for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert "".join(chunk.text for chunk in chunks) == result.text
    assert {len(chunk.text) for chunk in chunks[:-1]} == {24}
    assert [token_count(text) for text in ("", "a", "abcd", "abcde", "가나")] == [0, 1, 1, 2, 2]
    assert (result.usage.input_tokens, result.usage.output_tokens) == (6, token_count(result.text))
    assert result.cost == Cost(round(6 * 2.5 + result.usage.output_tokens * 10))
    short = await model.generate(replace(request, max_output_tokens=result.usage.output_tokens))
    assert short.text == result.text
    cut = await model.generate(replace(request, max_output_tokens=5))
    assert cut.text == result.text[:20]


async def test_a_call_meets_its_faults_where_they_stand(sandbox: Build) -> None:
    sender = sandbox(
        SandboxSmsSender, faults="sms.find:answer_lost, sms.find:slow=40, sms.find:rejected, sms.find:rate_limited"
    )
    with pytest.raises(Unavailable) as lost:
        await sender.find("k")
    assert lost.value.request_id == "sandbox-1"


async def test_a_courier_tidies_up_now_and_then_and_not_each_time_it_is_woken(gate: Gate, context: ProviderContext) -> None:
    tidied: list[sqlite3.Connection] = []
    courier = Courier(KNOBS, context, gate, chore=tidied.append)
    for _ in range(400):
        courier.start()
        courier.wake()
        await asyncio.sleep(0.005)
        if tidied:
            break
    for _ in range(3):
        courier.wake()
        await asyncio.sleep(0.005)
    await courier.stop()
    assert len(tidied) == 1
