"""The channels: which providers carry each, and how one of them is asked, looked up and understood."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from madang.core.kernel.actions import Effect, patience
from madang.core.kernel.providers import Providers
from madang.core.notifications.model import Channel, Letter, NotificationStatus
from madang.ports.chat import ChatPoster, ChatRequest, ChatTone
from madang.ports.email import EmailAddress, EmailReceipt, EmailRequest, EmailSender
from madang.ports.sms import SmsReceipt, SmsRequest, SmsSender

Receipt = Mapping[str, Any]
"""`id`, `status` in the words of the port, and `error`: JSON, as an action keeps it."""

STATUS_OF: Final[Mapping[str, NotificationStatus]] = {
    "delivered": NotificationStatus.DELIVERED,
    "complained": NotificationStatus.DELIVERED,
    "bounced": NotificationStatus.FAILED,
    "failed": NotificationStatus.FAILED,
}
"""What a port's status means here; any other is `SENT`."""
_FAILURES: Final = frozenset({"bounced", "complained", "failed"})


@dataclass(frozen=True, slots=True)
class Parcel:
    """What one provider is asked to carry: `key` is the same for every try with this provider."""

    key: str
    to: str
    letter: Letter
    kind: str
    subject: str


class Way(Protocol):
    """One provider of a channel."""

    @property
    def name(self) -> str: ...

    @property
    def reports(self) -> bool:
        """Whether it can be asked what became of a message."""
        ...

    def effect(self, parcel: Parcel) -> Effect: ...

    async def fetch(self, receipt_id: str) -> Receipt | None:
        """What became of it; None where it cannot be asked."""
        ...


class Carrier(Protocol):
    def route(self, provider: str | None) -> Sequence[Way]:
        """In the order of the deployment's route; `provider` is who has been asked already. Raises `Misconfigured`."""
        ...

    def one(self, name: str) -> Way:
        """Also one that has left the route. Raises `Misconfigured` when it is not configured any more."""
        ...


@dataclass(frozen=True, slots=True)
class _SmsWay:
    sender: SmsSender

    @property
    def name(self) -> str:
        return self.sender.name

    @property
    def reports(self) -> bool:
        return self.sender.capabilities.delivery_reports

    def effect(self, parcel: Parcel) -> Effect:
        request = SmsRequest(to=parcel.to, text=parcel.letter.text, idempotency_key=parcel.key)

        async def send() -> Receipt:
            return _of_sms(await self.sender.send(request))

        async def find() -> Receipt | None:
            found = await self.sender.find(parcel.key)
            return None if found is None else _of_sms(found)

        return _effect(parcel, "sms.send", self.sender, send, find, request.timeout)

    async def fetch(self, receipt_id: str) -> Receipt | None:
        return _of_sms(await self.sender.fetch(receipt_id)) if self.reports else None


@dataclass(frozen=True, slots=True)
class _EmailWay:
    sender: EmailSender

    @property
    def name(self) -> str:
        return self.sender.name

    @property
    def reports(self) -> bool:
        return self.sender.capabilities.delivery_reports

    def effect(self, parcel: Parcel) -> Effect:
        request = EmailRequest(
            to=[EmailAddress(parcel.to)],
            subject=parcel.letter.subject or "",
            idempotency_key=parcel.key,
            text=parcel.letter.text,
            html=parcel.letter.html,
            headers=parcel.letter.headers,
            tags=[parcel.kind] if self.sender.capabilities.tags else (),
        )

        async def send() -> Receipt:
            return _of_email(await self.sender.send(request))

        async def find() -> Receipt | None:
            found = await self.sender.find(parcel.key)
            return None if found is None else _of_email(found)

        return _effect(parcel, "email.send", self.sender, send, find, request.timeout)

    async def fetch(self, receipt_id: str) -> Receipt | None:
        return _of_email(await self.sender.fetch(receipt_id)) if self.reports else None


_TONES: Final = {
    "operations.alert_raised": ChatTone.BAD,
    "operations.alert_cleared": ChatTone.GOOD,
    "billing.dispute_open": ChatTone.BAD,
    "billing.dispute_lost": ChatTone.BAD,
    "billing.dispute_won": ChatTone.GOOD,
}


@dataclass(frozen=True, slots=True)
class _ChatWay:
    poster: ChatPoster

    @property
    def name(self) -> str:
        return self.poster.name

    @property
    def reports(self) -> bool:
        return False

    def effect(self, parcel: Parcel) -> Effect:
        text = parcel.letter.text
        longest = self.poster.capabilities.max_length
        request = ChatRequest(
            text=text if len(text) <= longest else text[: longest - 1] + "…",
            idempotency_key=parcel.key,
            title=f"{parcel.to}: {parcel.letter.subject}" if parcel.to else parcel.letter.subject,
            tone=_TONES.get(parcel.kind, ChatTone.NEUTRAL),
        )

        async def post() -> Receipt:
            return {"id": (await self.poster.post(request)).id, "status": "accepted", "error": None}

        async def find() -> Receipt | None:
            found = await self.poster.find(parcel.key)
            return None if found is None else {"id": found.id, "status": "accepted", "error": None}

        return _effect(parcel, "chat.post", self.poster, post, find, request.timeout)

    async def fetch(self, receipt_id: str) -> Receipt | None:
        return None


@dataclass(frozen=True, slots=True)
class SmsCarrier:
    providers: Providers

    def route(self, provider: str | None) -> Sequence[Way]:
        return [_SmsWay(sender) for sender in self.providers.sms_senders()]

    def one(self, name: str) -> Way:
        return _SmsWay(self.providers.sms_sender(name))


@dataclass(frozen=True, slots=True)
class EmailCarrier:
    providers: Providers

    def route(self, provider: str | None) -> Sequence[Way]:
        return [_EmailWay(sender) for sender in self.providers.email_senders()]

    def one(self, name: str) -> Way:
        return _EmailWay(self.providers.email_sender(name))


@dataclass(frozen=True, slots=True)
class ChatCarrier:
    """Each poster has a channel of its own: none stands in for another. What is for a person goes to the first of the route."""

    providers: Providers

    def route(self, provider: str | None) -> Sequence[Way]:
        return [_ChatWay(poster) for poster in self.providers.chat_posters()[:1]] if provider is None else [self.one(provider)]

    def one(self, name: str) -> Way:
        return _ChatWay(self.providers.chat_poster(name))


def carriers(providers: Providers) -> Mapping[Channel, Carrier]:
    return {
        Channel.SMS: SmsCarrier(providers),
        Channel.EMAIL: EmailCarrier(providers),
        Channel.CHAT: ChatCarrier(providers),
    }


class _Capable(Protocol):
    @property
    def idempotent(self) -> bool: ...

    @property
    def finds_by_key(self) -> bool: ...


class _Sender(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def capabilities(self) -> _Capable: ...


def _effect(
    parcel: Parcel,
    kind: str,
    sender: _Sender,
    call: Callable[[], Awaitable[Receipt]],
    find: Callable[[], Awaitable[Receipt | None]],
    timeout: float,
) -> Effect:
    return Effect(
        key=parcel.key,
        kind=kind,
        provider=sender.name,
        call=call,
        look_up=find if sender.capabilities.finds_by_key else None,
        repeatable=sender.capabilities.idempotent,
        subject=parcel.subject,
        time_limit=patience(timeout),
    )


def _of_sms(receipt: SmsReceipt) -> Receipt:
    return {"id": receipt.id, "status": receipt.status.value, "error": receipt.error}


def _of_email(receipt: EmailReceipt) -> Receipt:
    """A mail server's own words often quote the address: of a failure only its name is kept."""
    status = receipt.status.value
    return {"id": receipt.id, "status": status, "error": status if status in _FAILURES else None}
