"""`ImageModel` through Gemini's models that answer in pictures."""

import asyncio
import time
from typing import Final

from madang.adapters.gemini.capabilities import IMAGE
from madang.adapters.gemini.genai_speaker import GenaiSpeaker
from madang.adapters.gemini.http import port_errors
from madang.adapters.gemini.kept import KeptPredictions, id_of
from madang.adapters.gemini.mapping import Reading
from madang.adapters.gemini.names import NAME
from madang.adapters.gemini.payload import picture_payload
from madang.adapters.gemini.settings import GeminiSettings
from madang.ports.context import ProviderContext
from madang.ports.errors import Misconfigured, OutcomeUnknown, Rejected, Unsupported
from madang.ports.image_model import ImageModelCapabilities, PictureRequest, Prediction, RemotePicture
from madang.ports.provider import ProviderHealth
from madang.ports.text_model import FinishReason, Picture
from madang.ports.webhook import WebhookRequest

CHECK_SECONDS: Final = 10.0


class GeminiImageModel:
    """Fulfils `ImageModel`, always through `google-genai`. Gemini gives the picture with the answer and keeps nothing, so it is
    kept here.

    An answer that was lost is lost: there is nobody to ask, and its outcome stays unknown. Once an answer has arrived it
    outlives the process, and the same key never buys again on this machine.
    """

    def __init__(self, settings: GeminiSettings, context: ProviderContext) -> None:
        self._model = settings.image_model
        self._kept = KeptPredictions(context.data_dir, settings.keep_pictures)
        self._speaker = GenaiSpeaker(settings, pictures=True)

    @property
    def name(self) -> str:
        return NAME

    @property
    def capabilities(self) -> ImageModelCapabilities:
        return IMAGE

    async def check(self) -> ProviderHealth:
        """Whether our key is shown the model, and pictures can be kept."""
        started = time.perf_counter()
        await self._make_ready("check")
        with port_errors("check"):
            await self._speaker.look_at(self._model, CHECK_SECONDS)
        return ProviderHealth(True, f"{self._model} is there", (time.perf_counter() - started) * 1000)

    async def close(self) -> None:
        await self._speaker.close()

    async def start(self, request: PictureRequest) -> Prediction:
        payload = picture_payload(request)
        prediction_id = id_of(request.idempotency_key)
        await self._make_ready("start")
        if bought := await asyncio.to_thread(self._kept.find, prediction_id):
            return bought
        with port_errors("start"):
            answer = await self._speaker.generate(self._model, payload, request.timeout)
            # Paid for: it is kept, whoever stops waiting.
            return await asyncio.shield(asyncio.to_thread(self._keep, prediction_id, answer))

    async def fetch(self, prediction_id: str) -> Prediction:
        kept = await asyncio.to_thread(self._kept.find, prediction_id)
        if kept is None:
            raise _not_kept("fetch")
        return kept

    async def find(self, idempotency_key: str) -> Prediction | None:
        raise Unsupported("Gemini cannot be asked by key", provider=NAME, operation="find")

    async def cancel(self, prediction_id: str) -> Prediction:
        raise Unsupported("a prediction that has an id has ended", provider=NAME, operation="cancel")

    async def download(self, picture: RemotePicture) -> Picture:
        kept = await asyncio.to_thread(self._kept.read, picture.reference)
        if kept is None:
            raise _not_kept("download")
        return kept

    def read_webhook(self, request: WebhookRequest) -> Prediction:
        raise Unsupported("Gemini announces no pictures", provider=NAME, operation="read_webhook")

    async def _make_ready(self, operation: str) -> None:
        try:
            await asyncio.to_thread(self._kept.make_ready)
        except OSError as error:
            message = f"pictures cannot be kept in data_dir: {error.strerror}"
            raise Misconfigured(message, provider=NAME, operation=operation) from None

    def _keep(self, prediction_id: str, answer: object) -> Prediction:
        """Decodes and writes: call it in a thread. An answer without a picture is a prediction that failed, and that another
        try may mend; one that was withheld is `Rejected`."""
        reading = Reading(self._model, "start")
        reading.read(answer)
        result = None if reading.pictures else reading.result()
        if result is not None and result.finish is FinishReason.CONTENT_POLICY:
            raise reading.withheld()
        error = None if reading.pictures else f"Gemini made no picture: {reading.reason}"
        try:
            return self._kept.keep(prediction_id, reading.model, reading.pictures, error)
        except OSError as failed:
            message = f"the picture is bought and could not be kept: {failed.strerror}"
            raise OutcomeUnknown(message, provider=NAME, operation="start") from None


def _not_kept(operation: str) -> Rejected:
    return Rejected("this machine keeps no such picture", reason="not_found", provider=NAME, operation=operation)
