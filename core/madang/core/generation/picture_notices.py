"""What image models announce: the end of a prediction wakes whoever waits for it, and settles a purchase whose answer was lost.

Looking (`ImageModel.fetch`) is enough without it. But a model that finds nothing by key (`finds_by_key`) leaves a lost answer
unknown; an announcement comes to an address that names the purchase, and so tells what was bought.
"""

import asyncio
import dataclasses
import hmac
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any, Final, Protocol
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from madang.core.kernel.actions import Action, ActionRepository, ActionState
from madang.core.kernel.clock import Clock
from madang.core.kernel.errors import NotFound
from madang.core.kernel.ids import new_id
from madang.core.kernel.inbox import InboxEntry, InboxRepository
from madang.core.kernel.messages import Handler, Message, NewMessage, RetryPolicy, Topic
from madang.core.kernel.protection import PersonalDataCipher
from madang.core.kernel.providers import Providers
from madang.core.kernel.unit_of_work import UnitOfWork, UnitOfWorkFactory
from madang.ports.image_model import ImageModel, Prediction, PredictionStatus
from madang.ports.webhook import WebhookRequest

HANDLE_NOTICE: Final = "generation.handle_picture_notice"
PURCHASE: Final = "image_model.start"
"""The kind of the actions that a prediction is bought with; their result names it as `prediction_id`."""
INBOX: Final = "image:"
"""Before the provider's name in the inbox: one company's pictures and payments may count their events alike."""
_PROOF: Final = "generation.picture_notice"
_SETTLED_AFTER: Final = (5, 30, 300)
"""Seconds between tries to find the purchase: the announcement may overtake the answer to it. The last is past any call."""
_PATIENT: Final = RetryPolicy((5, 60, 600, 3600))
_ENDED: Final = frozenset({PredictionStatus.SUCCEEDED, PredictionStatus.FAILED, PredictionStatus.CANCELLED})


class NoticesUnitOfWork(UnitOfWork, Protocol):
    @property
    def actions(self) -> ActionRepository: ...

    @property
    def inbox(self) -> InboxRepository: ...


class PictureNotices:
    def __init__(
        self,
        units: UnitOfWorkFactory[NoticesUnitOfWork],
        providers: Providers,
        cipher: PersonalDataCipher,
        clock: Clock,
        *,
        base_url: str,
    ) -> None:
        self._units = units
        self._providers = providers
        self._cipher = cipher
        self._clock = clock
        self._base_url = base_url.rstrip("/") if is_public(base_url) else None
        self._waiting: dict[tuple[str, str], asyncio.Event] = {}

    def address(self, model: ImageModel, key: str) -> str | None:
        """Where the model may announce the end of what is bought with this key. None for one that announces nothing, and for
        a deployment that nobody outside reaches over https."""
        if self._base_url is None or not model.capabilities.webhooks:
            return None
        proof = self._cipher.keyed_hash(f"{model.name}:{key}", purpose=_PROOF).hex()
        return f"{self._base_url}/api/v1/webhooks/images/{model.name}?{urlencode({'purchase': key, 'proof': proof})}"

    async def wait(self, provider: str, prediction_id: str, seconds: float) -> None:
        """For so long, or until this process hears that the prediction has ended."""
        heard = self._waiting.setdefault((provider, prediction_id), asyncio.Event())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await heard.wait()
        finally:
            self._waiting.pop((provider, prediction_id), None)

    async def receive_webhook(
        self, provider: str, request: WebhookRequest, *, purchase: str | None = None, proof: str | None = None
    ) -> bool:
        """Verify an announcement and store it once for each end of a prediction; True when it was new. `purchase` and `proof`
        are those of the address: without a proof of ours the announcement is believed, and the purchase is not.

        Raises `NotFound` for a provider that is not in the route or announces nothing, `SignatureInvalid` for a forged or stale
        announcement (nothing is stored).
        """
        model = next((each for each in self._providers.image_models() if each.name == provider), None)
        if model is None or not model.capabilities.webhooks:
            raise NotFound(f"no image model {provider!r} announces anything here", code="PROVIDER_NOT_FOUND")
        prediction = model.read_webhook(request)
        if prediction.status not in _ENDED:
            return False
        entry = self._entry(provider, prediction, self._believed(provider, purchase, proof), request.received_at)
        async with self._units() as uow:
            if not await uow.inbox.add(entry):
                return False
            uow.send(_handling_of(entry.id, 0, self._clock.now()))
        return True

    def handlers(self) -> Sequence[Handler[NoticesUnitOfWork]]:
        return (Handler(Topic(HANDLE_NOTICE, retry=_PATIENT), handle=self.handle),)

    async def handle(self, uow: NoticesUnitOfWork, message: Message) -> None:
        entry = await uow.inbox.get(UUID(message.payload["inbox_id"]), lock=True)
        if entry is None or entry.handled_at is not None:
            return
        provider, told = entry.provider.removeprefix(INBOX), entry.notice
        if (waiting := self._waiting.get((provider, told["prediction_id"]))) is not None:
            waiting.set()
        outcome = await self._settle(uow, provider, told, message.payload["round"])
        if outcome is None:
            uow.send(_handling_of(entry.id, message.payload["round"] + 1, self._clock.now()))
        else:
            await uow.inbox.update(dataclasses.replace(entry, handled_at=self._clock.now(), outcome=outcome))

    async def _settle(self, uow: NoticesUnitOfWork, provider: str, told: Mapping[str, Any], round_: int) -> str | None:
        """What came of it; None while the purchase itself may still be answered."""
        action = await uow.actions.get(told["purchase"]) if told["purchase"] else None
        if action is None or action.kind != PURCHASE or action.provider != provider:
            return "about_nothing_of_ours"
        if action.state is ActionState.RUNNING and round_ < len(_SETTLED_AFTER):
            return None
        if action.state not in (ActionState.RUNNING, ActionState.UNKNOWN):
            return "known"
        await uow.actions.save(self._bought(action, told["prediction_id"]))
        return "purchase_settled"

    def _bought(self, action: Action, prediction_id: str) -> Action:
        result = {"prediction_id": prediction_id}
        return dataclasses.replace(
            action, state=ActionState.SUCCEEDED, result=result, failure=None, updated_at=self._clock.now()
        )

    def _believed(self, provider: str, purchase: str | None, proof: str | None) -> str | None:
        if purchase is None or proof is None:
            return None
        ours = self._cipher.keyed_hashes(f"{provider}:{purchase}", purpose=_PROOF)
        return purchase if any(hmac.compare_digest(each.hex().encode(), proof.encode()) for each in ours) else None

    def _entry(self, provider: str, prediction: Prediction, purchase: str | None, received_at: datetime) -> InboxEntry:
        """A prediction ends once, however often and under whatever delivery's id that is told."""
        event_id = f"{prediction.id}:{prediction.status.value}"
        notice = {"prediction_id": prediction.id, "status": prediction.status.value, "purchase": purchase}
        return InboxEntry(
            new_id(), f"{INBOX}{provider}", event_id, f"prediction.{prediction.status.value}", notice, received_at
        )


def is_public(base_url: str) -> bool:
    """Whether somebody outside may reach it over https."""
    parts = urlsplit(base_url)
    if parts.scheme != "https" or not parts.hostname:
        return False
    try:
        return ip_address(parts.hostname).is_global
    except ValueError:
        return "." in parts.hostname and not parts.hostname.endswith((".localhost", ".local", ".internal"))


def _handling_of(entry_id: UUID, round_: int, now: datetime) -> NewMessage:
    due_at = None if round_ == 0 else now + timedelta(seconds=_SETTLED_AFTER[round_ - 1])
    payload = {"inbox_id": str(entry_id), "round": round_}
    key = f"picture-notice:{entry_id}:{round_}"
    return NewMessage(HANDLE_NOTICE, payload, key=key, subject=f"inbox:{entry_id}", due_at=due_at)
