"""The end of a job that failed: what runs for it at an image model is stopped, so that it costs nothing more."""

from typing import Final
from uuid import UUID

from madang.core.kernel.messages import Delivery, Failure, Handler, Message, NewMessage, RetryPolicy, Topic
from madang.core.kernel.providers import Providers
from madang.core.portraits.model import PictureStatus, Portrait
from madang.core.portraits.purchases import Purchases, stop
from madang.core.portraits.repository import PortraitsUnitOfWork
from madang.core.portraits.topics import STOP_PICTURES
from madang.ports.errors import Unavailable

RETRY: Final = RetryPolicy((5, 30, 120))
"""Longer than a call that buys may take. What still runs after that is left to end by itself."""


class PictureStopping:
    def __init__(self, providers: Providers) -> None:
        self._providers = providers

    def handler(self) -> Handler[PortraitsUnitOfWork]:
        return Handler(Topic(STOP_PICTURES, retry=RETRY, time_limit=120), run=self.run, give_up=self.give_up)

    async def run(self, delivery: Delivery[PortraitsUnitOfWork]) -> None:
        portrait_id = UUID(delivery.message.payload["portrait_id"])
        async with delivery.step() as uow:
            pictures = await uow.portraits.pictures(portrait_id)
        told = [
            await stop(delivery, Purchases.of(portrait_id, picture.index), model)
            for picture in pictures
            if picture.status is not PictureStatus.MADE
            for model in self._providers.image_models()
        ]
        if not all(told):
            raise Unavailable("a picture of the job is just being bought", operation=STOP_PICTURES)

    async def give_up(self, uow: PortraitsUnitOfWork, message: Message, failure: Failure) -> None:
        """Nothing is owed to anybody: the job ended before."""


def stopping_of(portrait: Portrait) -> NewMessage:
    return NewMessage(
        STOP_PICTURES,
        {"portrait_id": str(portrait.id)},
        key=f"portrait:{portrait.id}:stop-pictures",
        subject=portrait.subject,
    )
