"""One reason to write, one SMS: queued once, sent once, and by another provider only when the first surely did not send."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.core.kernel.messages import Failure, Message
from madang.core.notifications.addressing import Addressing
from madang.core.notifications.model import Notification, NotificationStatus
from madang.core.notifications.service import SEND_SMS, NotificationService, Operators
from madang.ports.errors import Misconfigured, OutcomeUnknown, PortError, RateLimited, Rejected, Unavailable
from madang.ports.provider import ProviderHealth
from madang.ports.sms import SmsCapabilities, SmsReceipt, SmsRequest, SmsSender, SmsStatus
from unit.core.core_in_memory import DatabaseInMemory, DeliveryInMemory, Died, StandingClock

NUMBER = "+821000000000"
TEXT = "사진이 준비되었습니다."


class Envelope:
    """Fulfils `PersonalDataCipher`, and can be opened by anyone."""

    def encrypt(self, plaintext: str, *, purpose: str) -> bytes:
        return f"{purpose}|{plaintext}".encode()

    def decrypt(self, ciphertext: bytes, *, purpose: str) -> str:
        found, _, plaintext = ciphertext.decode().partition("|")
        assert found == purpose
        return plaintext

    def keyed_hash(self, value: str, *, purpose: str) -> bytes:
        raise NotImplementedError


@dataclass
class Sender:
    """Fulfils `SmsSender`. `before` is raised instead of sending, `after` once it is sent, `when_asked` by a look-up."""

    name: str
    finds: bool = True
    before: Exception | None = None
    after: BaseException | None = None
    when_asked: Exception | None = None
    status: SmsStatus = SmsStatus.ACCEPTED
    sent: dict[str, SmsRequest] = field(default_factory=dict)
    calls: int = 0

    @property
    def capabilities(self) -> SmsCapabilities:
        return SmsCapabilities(finds_by_key=self.finds)

    async def send(self, request: SmsRequest) -> SmsReceipt:
        self.calls += 1
        if self.before is not None:
            raise self.before
        assert request.idempotency_key not in self.sent, "the buyer got it twice"
        self.sent[request.idempotency_key] = request
        if self.after is not None:
            raise self.after
        return self._receipt(request.idempotency_key)

    async def find(self, idempotency_key: str) -> SmsReceipt | None:
        if self.when_asked is not None:
            raise self.when_asked
        return self._receipt(idempotency_key) if idempotency_key in self.sent else None

    async def fetch(self, receipt_id: str) -> SmsReceipt:
        raise NotImplementedError

    async def check(self) -> ProviderHealth:
        raise NotImplementedError

    async def close(self) -> None: ...

    def _receipt(self, key: str) -> SmsReceipt:
        return SmsReceipt(f"{self.name}:{key}", self.status, "blocked" if self.status is SmsStatus.FAILED else None)


class Routes:
    """Of `Providers`, what notifications ask for."""

    def __init__(self, *route: Sender) -> None:
        self.route = list(route)
        self.configured = {sender.name: sender for sender in route}

    def sms_senders(self) -> Sequence[SmsSender]:
        if not self.route:
            raise Misconfigured("no provider is named for sms")
        return self.route

    def sms_sender(self, name: str) -> SmsSender:
        return self.configured[name]


class Post:
    """The service on a database in memory, with one SMS queued."""

    def __init__(self, *route: Sender) -> None:
        self.route = Routes(*route)
        self.senders = list(route)
        self.database = DatabaseInMemory()
        addressing = Addressing(None, None, Envelope(), None, StandingClock(), base_url="")  # type: ignore[arg-type]
        self.service = NotificationService(self.route, Envelope(), StandingClock(), addressing, Operators())  # type: ignore[arg-type]

    async def queue(self, key: str = "portrait:1:ready") -> "Post":
        async with self.database.unit() as uow:
            await self.service.queue_sms(uow, key=key, to=NUMBER, template="ready", text=TEXT, subject="portrait:1")
        return self

    async def work(self) -> DeliveryInMemory:
        [message] = self.database.state.sent
        delivery = DeliveryInMemory(self.database, message.payload)
        await self.service.send(delivery)
        return delivery

    async def give_up(self, error: PortError) -> None:
        [message] = self.database.state.sent
        claimed = Message(self.notification.id, SEND_SMS, message.payload, 4, 4, "req-test")
        async with self.database.unit() as uow:
            await self.service.give_up(uow, claimed, Failure.of(error))

    @property
    def notification(self) -> Notification:
        [notification] = self.database.state.notifications.rows.values()
        return notification

    @property
    def delivered(self) -> list[SmsRequest]:
        return [request for sender in self.senders for request in sender.sent.values()]


async def test_the_same_reason_twice_is_one_sms_with_the_words_as_they_were_written() -> None:
    post = await Post(Sender("first")).queue()
    await post.queue()
    delivery = await post.work()
    assert delivery.done
    [sms] = post.delivered
    assert (sms.to, sms.text) == (NUMBER, TEXT)
    sent = post.notification
    assert (sent.status, sent.provider, sent.receipt_id) == (
        NotificationStatus.SENT,
        "first",
        f"first:{sms.idempotency_key}",
    )


async def test_what_is_stored_is_not_readable_and_the_message_carries_only_the_id() -> None:
    post = await Post(Sender("first")).queue()
    assert post.notification.recipient == Envelope().encrypt(NUMBER, purpose="notifications.recipient")
    assert [message.payload for message in post.database.state.sent] == [{"notification_id": str(post.notification.id)}]


async def test_a_message_that_comes_again_after_it_was_sent_sends_nothing() -> None:
    post = await Post(Sender("first")).queue()
    await post.work()
    await post.work()
    assert len(post.delivered) == 1


SURELY_NOT = [Unavailable("down"), RateLimited("slow"), Misconfigured("old key")]


@pytest.mark.parametrize("error", SURELY_NOT)
async def test_when_the_first_surely_did_not_send_the_next_does(error: PortError) -> None:
    first, second = Sender("first", before=error), Sender("second")
    post = await Post(first, second).queue()
    await post.work()
    assert (len(first.sent), len(second.sent)) == (0, 1)
    assert (post.notification.status, post.notification.provider) == (NotificationStatus.SENT, "second")


async def test_when_nobody_sends_now_it_is_tried_again_and_sent_once() -> None:
    first, second = Sender("first", before=RateLimited("slow")), Sender("second", before=Misconfigured("old key"))
    post = await Post(first, second).queue()
    with pytest.raises(RateLimited):
        await post.work()
    first.before = None
    await post.work()
    assert len(post.delivered) == 1


async def test_a_number_that_is_refused_is_not_tried_elsewhere() -> None:
    refused = Rejected("no such number", reason="invalid_recipient")
    second = Sender("second")
    post = await Post(Sender("first", before=refused), second).queue()
    for _ in range(2):
        with pytest.raises(Rejected):
            await post.work()
    assert second.calls == 0
    await post.give_up(refused)
    assert (post.notification.status, post.notification.failure) == (NotificationStatus.FAILED, "no such number")


@pytest.mark.parametrize("lost", [OutcomeUnknown("no answer"), RuntimeError("a defect")])
async def test_an_answer_that_was_lost_is_looked_up_and_the_next_provider_stays_silent(lost: Exception) -> None:
    first, second = Sender("first", after=lost), Sender("second")
    post = await Post(first, second).queue()
    with pytest.raises(type(lost)):
        await post.work()
    await post.work()
    assert (first.calls, second.calls) == (1, 0)
    assert post.notification.status is NotificationStatus.SENT


@pytest.mark.parametrize("error", SURELY_NOT)
async def test_a_look_up_that_fails_does_not_make_the_next_provider_send(error: PortError) -> None:
    first, second = Sender("first", after=OutcomeUnknown("no answer"), when_asked=error), Sender("second")
    post = await Post(first, second).queue()
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await post.work()
    first.when_asked = None
    await post.work()
    assert (len(post.delivered), second.calls) == (1, 0)


async def test_a_database_that_was_away_when_the_sms_was_out_does_not_make_the_next_provider_send() -> None:
    first, second = Sender("first"), Sender("second")
    post = await Post(first, second).queue()
    committed_before_the_call = post.database.commits + 4
    post.database.fail_at = {committed_before_the_call + 1: Unavailable("the database is away")}
    with pytest.raises(Unavailable):
        await post.work()
    assert (len(first.sent), second.calls) == (1, 0)
    await post.work()
    assert (len(post.delivered), post.notification.status) == (1, NotificationStatus.SENT)


async def test_one_that_may_have_been_sent_by_the_second_is_not_sent_by_the_first_when_that_is_back() -> None:
    first = Sender("first", before=Unavailable("down"))
    second = Sender("second", after=OutcomeUnknown("no answer"))
    post = await Post(first, second).queue()
    with pytest.raises(OutcomeUnknown):
        await post.work()
    first.before = None
    await post.work()
    assert (len(first.sent), len(second.sent)) == (0, 1)
    assert post.notification.provider == "second"


async def test_a_provider_that_may_have_sent_is_asked_also_after_it_has_left_the_route() -> None:
    first, second = Sender("first", after=OutcomeUnknown("no answer")), Sender("second")
    post = await Post(first, second).queue()
    with pytest.raises(OutcomeUnknown):
        await post.work()
    post.route.route = [second]
    await post.work()
    assert (len(post.delivered), post.notification.provider) == (1, "first")


async def test_where_the_provider_cannot_be_asked_the_doubt_stays_visible_and_nothing_is_sent_again() -> None:
    first, second = Sender("first", finds=False, after=OutcomeUnknown("no answer")), Sender("second")
    post = await Post(first, second).queue()
    for _ in range(3):
        with pytest.raises(OutcomeUnknown):
            await post.work()
    await post.give_up(OutcomeUnknown("a person must look"))
    assert (len(post.delivered), post.notification.status) == (1, NotificationStatus.UNKNOWN)


@pytest.mark.parametrize("error", [Unavailable("down"), Misconfigured("old key"), OutcomeUnknown("out of time")])
async def test_given_up_in_doubt_is_unknown_whatever_the_last_error_was(error: PortError) -> None:
    post = await Post(Sender("first", after=Died())).queue()
    with pytest.raises(Died):
        await post.work()
    await post.give_up(error)
    assert post.notification.status is NotificationStatus.UNKNOWN


async def test_given_up_after_the_provider_had_sent_it_counts_as_sent() -> None:
    post = await Post(Sender("first")).queue()
    last_commit = post.database.commits + 6
    post.database.fail_at = {last_commit: Unavailable("the database is away")}
    with pytest.raises(Unavailable):
        await post.work()
    await post.give_up(Unavailable("the database is away"))
    assert (post.notification.status, post.notification.provider) == (NotificationStatus.SENT, "first")


async def test_given_up_without_a_route_is_failed() -> None:
    post = await Post().queue()
    with pytest.raises(Misconfigured):
        await post.work()
    await post.give_up(Misconfigured("no provider is named for sms"))
    assert post.notification.status is NotificationStatus.FAILED


async def test_what_the_provider_could_not_deliver_is_failed_with_its_words() -> None:
    post = await Post(Sender("first", status=SmsStatus.FAILED)).queue()
    await post.work()
    assert (post.notification.status, post.notification.failure) == (NotificationStatus.FAILED, "blocked")


answers = st.sampled_from([None, Unavailable("down"), OutcomeUnknown("no answer"), Died()])
tries = st.lists(st.tuples(st.integers(1, 9), answers, answers, st.booleans()), max_size=8)
"""For each try: the commit at which the worker dies, what becomes of each answer, and whether that is before it sent."""


@given(tries=tries)
async def test_whatever_dies_and_whoever_fails_the_buyer_gets_one_sms(
    tries: list[tuple[int, BaseException | None, BaseException | None, bool]],
) -> None:
    first, second = Sender("first"), Sender("second")
    post = await Post(first, second).queue()
    for commit, *answers, before in tries:
        for sender, answer in zip((first, second), answers, strict=True):
            # Whoever says that it surely did not send, did not.
            sender.before = answer if isinstance(answer, Unavailable) or (before and isinstance(answer, Exception)) else None
            sender.after = None if isinstance(answer, Unavailable) else answer
        post.database.commits, post.database.fail_at = 0, {commit: Died()}
        try:
            await post.work()
        except (Died, Unavailable, OutcomeUnknown):
            assert len(post.delivered) <= 1
    first.before = first.after = second.before = second.after = None
    post.database.fail_at = {}
    await post.work()
    assert (len(post.delivered), post.notification.status) == (1, NotificationStatus.SENT)
