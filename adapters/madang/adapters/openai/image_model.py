"""`ImageModel` through OpenAI's SDK."""

import asyncio
from typing import Final

from madang.adapters.openai import images
from madang.adapters.openai.capabilities import IMAGE
from madang.adapters.openai.client import MEGABYTE, Answer, OpenAIClient
from madang.adapters.openai.health import reach
from madang.adapters.openai.kept import FOLDER, KeptPictures, id_of
from madang.adapters.openai.mapping import NAME
from madang.adapters.openai.settings import OpenAISettings
from madang.ports.context import ProviderContext
from madang.ports.errors import Misconfigured, OutcomeUnknown, Rejected, Unsupported
from madang.ports.image_model import ImageModelCapabilities, PictureRequest, Prediction, RemotePicture
from madang.ports.provider import ProviderHealth
from madang.ports.text_model import Picture
from madang.ports.webhook import WebhookRequest

MAX_ANSWER_BYTES: Final = 256 * MEGABYTE
"""Ten pictures of the largest size, in base64."""


class OpenAIImageModel:
    """Fulfils `ImageModel`. OpenAI gives the pictures with the answer and keeps nothing, so they are kept here.

    An answer that was lost is lost: there is nobody to ask, and its outcome stays unknown. Once an answer has arrived its
    pictures outlive the process, and the same key never buys them again on this machine.
    """

    def __init__(self, settings: OpenAISettings, context: ProviderContext) -> None:
        self._settings = settings
        self._kept = KeptPictures(context.data_dir / FOLDER, settings.keep_pictures)
        self._client = OpenAIClient(settings, MAX_ANSWER_BYTES, fresh=True)

    @property
    def name(self) -> str:
        return NAME

    @property
    def capabilities(self) -> ImageModelCapabilities:
        return IMAGE

    async def check(self) -> ProviderHealth:
        """Whether the key is taken and pictures can be kept."""
        await self._make_ready("check")
        return await reach(self._client, self._settings.image_model)

    async def close(self) -> None:
        await self._client.close()

    async def start(self, request: PictureRequest) -> Prediction:
        payload = images.payload_of(request, self._settings)
        prediction_id = id_of(request.idempotency_key)
        await self._make_ready("start")
        if bought := await asyncio.to_thread(self._kept.find, prediction_id):
            return bought
        answer = await self._client.post(
            "start", images.path_of(request), payload, request.timeout, files=images.files_of(request)
        )
        # Paid for: it is kept, whoever stops waiting.
        return await asyncio.shield(asyncio.to_thread(self._keep, prediction_id, answer))

    async def fetch(self, prediction_id: str) -> Prediction:
        kept = await asyncio.to_thread(self._kept.find, prediction_id)
        if kept is None:
            raise _not_kept("fetch")
        return kept

    async def find(self, idempotency_key: str) -> Prediction | None:
        raise Unsupported("OpenAI cannot be asked by key", provider=NAME, operation="find")

    async def cancel(self, prediction_id: str) -> Prediction:
        raise Unsupported("a picture is made before it has an id", provider=NAME, operation="cancel")

    async def download(self, picture: RemotePicture) -> Picture:
        kept = await asyncio.to_thread(self._kept.read, picture.reference)
        if kept is None:
            raise _not_kept("download")
        return kept

    def read_webhook(self, request: WebhookRequest) -> Prediction:
        raise Unsupported("OpenAI announces no pictures", provider=NAME, operation="read_webhook")

    async def _make_ready(self, operation: str) -> None:
        try:
            await asyncio.to_thread(self._kept.make_ready)
        except OSError as error:
            message = f"pictures cannot be kept in data_dir: {error.strerror}"
            raise Misconfigured(message, provider=NAME, operation=operation) from None

    def _keep(self, prediction_id: str, answer: Answer) -> Prediction:
        """Decodes and writes: call it in a thread."""
        try:
            pictures = images.pictures_in(answer.body)
            return self._kept.keep(prediction_id, self._settings.image_model, pictures)
        except ValueError as error:
            why = f"the answer has no picture: {error}"
        except OSError as error:
            why = f"the pictures are bought and could not be kept: {error.strerror}"
        raise OutcomeUnknown(why, provider=NAME, operation="start", request_id=answer.request_id) from None


def _not_kept(operation: str) -> Rejected:
    return Rejected("this machine keeps no such picture", reason="not_found", provider=NAME, operation=operation)
