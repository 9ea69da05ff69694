"""Buying a job's pictures: the actions that say what was bought from whom, and the end of what is no longer wanted."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from madang.core.generation.picture_notices import PURCHASE
from madang.core.kernel.actions import Action, ActionState, ActionsUnitOfWork, Effect, patience
from madang.core.kernel.messages import Delivery
from madang.ports.errors import Rejected, Unsupported
from madang.ports.image_model import ImageModel, PictureRequest, PredictionStatus

logger = logging.getLogger(__name__)

PREDICTION_FAILED: Final = "prediction_failed"
"""The kind of failure of a purchase that was written off."""
_MAX_PURCHASES: Final = 20
_MAY_BE_PAID: Final = (ActionState.RUNNING, ActionState.UNKNOWN, ActionState.SUCCEEDED)


@dataclass(frozen=True, slots=True)
class Purchases:
    """The actions of one picture: `<prefix>:<provider>:<n>`, a new `n` for each prediction that was written off."""

    prefix: str

    @classmethod
    def of(cls, portrait_id: UUID, index: int) -> "Purchases":
        return cls(f"portrait:{portrait_id}:picture:{index}")

    async def current(self, uow: ActionsUnitOfWork, provider: str) -> tuple[str, Action | None]:
        for number in range(_MAX_PURCHASES):
            key = f"{self.prefix}:{provider}:{number}"
            action = await uow.actions.get(key)
            if action is None or not _is_written_off(action):
                return key, action
        raise Rejected("too many predictions failed", reason="prediction_failed", provider=provider, operation="start")

    async def may_be_paid(self, uow: ActionsUnitOfWork, provider: str) -> bool:
        _, action = await self.current(uow, provider)
        return action is not None and action.state in _MAY_BE_PAID


async def may_be_paid(delivery: Delivery[ActionsUnitOfWork], purchases: Purchases, model: ImageModel) -> bool:
    async with delivery.step() as uow:
        return await purchases.may_be_paid(uow, model.name)


def purchase(model: ImageModel, request: PictureRequest, subject: str) -> Effect:
    async def call() -> Mapping[str, Any]:
        return {"prediction_id": (await model.start(request)).id}

    async def look_up() -> Mapping[str, Any] | None:
        found = await model.find(request.idempotency_key)
        return None if found is None else {"prediction_id": found.id}

    return Effect(
        key=request.idempotency_key,
        kind=PURCHASE,
        provider=model.name,
        call=call,
        look_up=look_up if model.capabilities.finds_by_key else None,
        repeatable=model.capabilities.idempotent,
        subject=subject,
        time_limit=patience(request.timeout),
    )


async def stop(delivery: Delivery[ActionsUnitOfWork], purchases: Purchases, model: ImageModel) -> bool:
    """Cancel what was bought and still runs, so that it costs nothing more: asking twice, or too late, changes nothing. False
    while a call that buys is under way, of which nobody knows yet what it bought. Raises what the provider raises."""
    async with delivery.step() as uow:
        _, action = await purchases.current(uow, model.name)
    if action is None or action.state is not ActionState.SUCCEEDED:
        return action is None or action.state is not ActionState.RUNNING
    if model.capabilities.cancels:
        prediction_id = str((action.result or {})["prediction_id"])
        try:
            ended = await model.cancel(prediction_id)
        except (Rejected, Unsupported) as error:
            logger.info("image model %s cancels nothing: %s", model.name, error)
        else:
            if ended.status is PredictionStatus.CANCELLED:
                logger.info("image model %s was told to stop a prediction that nobody waits for", model.name)
    return True


def _is_written_off(action: Action) -> bool:
    return action.state is ActionState.FAILED and action.failure is not None and action.failure.kind == PREDICTION_FAILED
