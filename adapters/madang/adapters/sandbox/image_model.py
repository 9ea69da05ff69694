"""A picture model that asks no model: it develops the photo that it was given, in a look that follows the seed."""

import asyncio
import dataclasses
import re
from typing import Final

from madang.adapters.sandbox import capabilities, predictions, webhooks
from madang.adapters.sandbox.darkroom import MEDIA_TYPE, check_picture, develop, output_size
from madang.adapters.sandbox.gate import NAME
from madang.adapters.sandbox.provider import FORBIDDEN, SandboxProvider
from madang.ports.errors import Rejected, SignatureInvalid, Unavailable
from madang.ports.image_model import ImageModelCapabilities, PictureRequest, Prediction, PredictionStatus, RemotePicture
from madang.ports.text_model import Picture
from madang.ports.webhook import WebhookRequest

FILE: Final = re.compile(r".*/sandbox/files/(?P<id>prd_[0-9a-f]+)/(?P<index>[0-9]{1,2})\.jpg")


class SandboxImageModel(SandboxProvider):
    """Fulfils `ImageModel`: runs for `image_seconds`, is idempotent by key, and is found by it."""

    @property
    def capabilities(self) -> ImageModelCapabilities:
        return capabilities.IMAGE_MODEL

    async def start(self, request: PictureRequest) -> Prediction:
        await asyncio.to_thread(_check, request)
        size = output_size(request.width, request.height)
        sized = dataclasses.replace(request, width=size[0], height=size[1]) if size else request
        started = await self._gate.effect(
            "image_model.start", request.idempotency_key, lambda c, knobs: predictions.start(c, knobs, sized), request.timeout
        )
        return started.answer(self._context.base_url)

    async def fetch(self, prediction_id: str) -> Prediction:
        found = await self._gate.query("image_model.fetch", prediction_id, lambda c, _: predictions.get(c, prediction_id))
        return found.answer(self._context.base_url)

    async def find(self, idempotency_key: str) -> Prediction | None:
        found = await self._gate.query("image_model.find", idempotency_key, lambda c, _: predictions.find(c, idempotency_key))
        return found.answer(self._context.base_url) if found else None

    async def cancel(self, prediction_id: str) -> Prediction:
        ended = await self._gate.effect(
            "image_model.cancel", prediction_id, lambda c, _: predictions.cancel(c, prediction_id), timeout=30.0
        )
        return ended.answer(self._context.base_url)

    async def download(self, picture: RemotePicture) -> Picture:
        place = FILE.fullmatch(picture.reference)
        if place is None:
            raise Rejected(
                "this is no file of the sandbox", reason="not_found", provider=NAME, operation="image_model.download"
            )
        passage = await self._gate.enter("image_model.download", picture.reference)
        await self._gate.travel(passage, passage.latency, 60.0)
        if passage.is_garbled:
            return Picture(b"this is not a picture", MEDIA_TYPE)
        if passage.fault and passage.fault.kind == "answer_lost":
            raise Unavailable("the connection broke in the middle of the file", provider=NAME, operation="image_model.download")
        identity, index = place["id"], int(place["index"])
        await self._gate.world.run(predictions.forget_old)
        prediction, data = await self._gate.world.run(lambda c: predictions.negative(c, identity, index))
        return Picture(
            await asyncio.to_thread(develop, data, prediction.prompt, prediction.seed, prediction.size, index), MEDIA_TYPE
        )

    def read_webhook(self, request: WebhookRequest) -> Prediction:
        body = webhooks.verified(webhooks.signing_secret(self._settings, self._context), request).document
        identity = body["data"].get("id")
        if not str(body.get("type", "")).startswith("prediction.") or not isinstance(identity, str):
            raise SignatureInvalid(
                "this is no announcement of a prediction", provider=NAME, operation="image_model.read_webhook"
            )
        known = {status.value for status in PredictionStatus}
        status = body["data"].get("status")
        return Prediction(
            identity, PredictionStatus(status) if status in known else PredictionStatus.PENDING, model=predictions.MODEL
        )


def _check(request: PictureRequest) -> None:
    refused = FORBIDDEN.search(request.prompt)
    if refused:
        raise Rejected("the prompt asked to be refused", reason=refused[1], provider=NAME, operation="image_model.start")
    if not 1 <= request.count <= capabilities.IMAGE_MODEL.max_count:
        raise Rejected("too many pictures at once", reason="invalid_request", provider=NAME, operation="image_model.start")
    if request.picture is not None:
        check_picture(request.picture.data)
