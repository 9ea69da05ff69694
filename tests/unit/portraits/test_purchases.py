"""Buying a picture: what one purchase may take, and what it leaves behind."""

import asyncio
from types import SimpleNamespace
from typing import Any

from madang.core.kernel.actions import ActionState, perform
from madang.core.portraits.purchases import purchase
from madang.ports.image_model import ImageModelCapabilities, PictureRequest, Prediction, PredictionStatus
from unit.core.core_in_memory import DatabaseInMemory, DeliveryInMemory, StandingClock


async def test_a_purchase_that_waited_its_turn_is_not_cut_off_while_its_picture_is_being_made() -> None:
    """The time that it asks the provider for begins when the provider is asked."""

    async def start(request: PictureRequest) -> Prediction:
        for _ in range(5):
            await asyncio.sleep(0)  # for its turn, and then for the answer
        return Prediction("p-1", PredictionStatus.SUCCEEDED)

    model: Any = SimpleNamespace(name="painter", capabilities=ImageModelCapabilities(), start=start)
    database, request = DatabaseInMemory(), PictureRequest("a portrait", "picture:1", seed=1, timeout=0.0)
    bought = await perform(DeliveryInMemory(database), purchase(model, request, "portrait:1"), StandingClock())
    assert bought == {"prediction_id": "p-1"}
    assert database.action("picture:1").state is ActionState.SUCCEEDED
