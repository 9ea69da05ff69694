"""`ImageModel` through a model that runs at Replicate."""

import io
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

from replicate.client import Client

from madang.adapters.provider_http.answers import Answer
from madang.adapters.replicate.capabilities import as_configured
from madang.adapters.replicate.client import ReplicateClient
from madang.adapters.replicate.delivery import PictureDelivery
from madang.adapters.replicate.mapping import error_of, file_url_of, prediction_of
from madang.adapters.replicate.payload import (
    MAX_DATA_URI_BYTES,
    NAME,
    check_photo,
    data_uri,
    inputs_of,
    webhook_of,
    with_photo,
)
from madang.adapters.replicate.settings import ReplicateSettings
from madang.adapters.standard_webhooks.verification import WebhookVerification
from madang.ports.context import ProviderContext
from madang.ports.errors import OutcomeUnknown, Rejected, SignatureInvalid, Unavailable, Unsupported
from madang.ports.image_model import ImageModelCapabilities, PictureRequest, Prediction, RemotePicture
from madang.ports.provider import ProviderHealth
from madang.ports.text_model import Picture
from madang.ports.webhook import WebhookRequest

API_SECONDS: Final = 20.0
ID: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
FILE_NAMES: Final = {"image/png": "photo.png", "image/webp": "photo.webp", "image/gif": "photo.gif"}


class ReplicateImageModel:
    """Fulfils `ImageModel`. The same key buys twice, and what was bought is not found by it (`capabilities` says why): a lost
    answer stays unknown until the prediction is announced."""

    def __init__(self, settings: ReplicateSettings, context: ProviderContext) -> None:
        self._settings = settings
        self._capabilities = as_configured(settings)
        self._client = ReplicateClient(settings)
        self._delivery = PictureDelivery(settings)

    @property
    def name(self) -> str:
        return NAME

    @property
    def capabilities(self) -> ImageModelCapabilities:
        return self._capabilities

    async def check(self) -> ProviderHealth:
        """Whether Replicate takes the key."""
        started = time.perf_counter()
        await self._answered("check", API_SECONDS, lambda sdk: sdk.accounts.async_current())
        return ProviderHealth(True, "the key is taken", (time.perf_counter() - started) * 1000)

    async def close(self) -> None:
        await self._client.close()
        await self._delivery.close()

    async def start(self, request: PictureRequest) -> Prediction:
        """A larger photo is uploaded first (`POST /files`, kept there until it expires); nothing is bought before."""
        until = time.monotonic() + request.timeout
        inputs, webhook = inputs_of(request, self._settings), webhook_of(request, self._settings)
        check_photo(request.picture, self._settings)
        place = await self._place(request.picture, request.timeout) if request.picture else None
        left = until - time.monotonic()
        if left <= 0:
            raise Unavailable("the time was over before anything was bought", provider=NAME, operation="start")
        wanted = {"input": with_photo(inputs, place, self._settings), **webhook}
        answer = await self._answered("start", left, partial(self._create, wanted), acts=True)
        return self._read(answer, "start", acts=True)

    async def fetch(self, prediction_id: str) -> Prediction:
        _check(prediction_id, "fetch")
        answer = await self._answered("fetch", API_SECONDS, lambda sdk: sdk.predictions.async_get(prediction_id))
        return self._read(answer, "fetch")

    async def find(self, idempotency_key: str) -> Prediction | None:
        raise Unsupported("Replicate cannot be asked by key", provider=NAME, operation="find")

    async def cancel(self, prediction_id: str) -> Prediction:
        """Not verified: what Replicate answers for a prediction that has ended. If it refuses, the prediction is fetched."""
        _check(prediction_id, "cancel")
        try:
            answer = await self._answered(
                "cancel", API_SECONDS, lambda sdk: sdk.predictions.async_cancel(prediction_id), acts=True
            )
        except Rejected as rejected:
            if rejected.reason == "not_found":
                raise
            return await self.fetch(prediction_id)
        return self._read(answer, "cancel", acts=True)

    async def download(self, picture: RemotePicture) -> Picture:
        return await self._delivery.fetch(picture)

    def read_webhook(self, request: WebhookRequest) -> Prediction:
        if self._settings.webhook_secret is None:
            raise Unsupported("needs plugins.replicate.webhook_secret", provider=NAME, operation="read_webhook")
        event = WebhookVerification(NAME, self._settings.webhook_secret).read(request)
        try:
            return prediction_of(event.document)
        except ValueError:
            raise SignatureInvalid("the body is no prediction", provider=NAME, operation="read_webhook") from None

    async def _create(self, wanted: Mapping[str, Any], sdk: Client) -> object:
        """An official model has an address of its own; any other is named by its version."""
        model = self._settings.model
        if ":" in model:
            return await sdk.predictions.async_create(version=model, **wanted)
        return await sdk.models.predictions.async_create(model=model, **wanted)

    async def _place(self, photo: Picture, timeout: float) -> str:
        """A data URI, or the address of a file uploaded for it. Whatever becomes of the upload, nothing was bought."""
        if len(photo.data) <= MAX_DATA_URI_BYTES:
            return data_uri(photo)
        name = FILE_NAMES.get(photo.media_type, "photo.jpg")
        answer = await self._answered(
            "start",
            timeout,
            lambda sdk: sdk.files.async_create(io.BytesIO(photo.data), filename=name, content_type=photo.media_type),
        )
        try:
            return file_url_of(answer.fields)
        except ValueError:
            raise Unavailable("the upload was answered without an address", provider=NAME, operation="start") from None

    async def _answered(
        self, operation: str, timeout: float, ask: Callable[[Client], Awaitable[object]], *, acts: bool = False
    ) -> Answer:
        answer = await self._client.call(operation, timeout, ask, acts=acts)
        if not answer.is_success:
            raise error_of(answer.status, answer.headers, answer.fields, operation, acts=acts)
        return answer

    def _read(self, answer: Answer, operation: str, *, acts: bool = False) -> Prediction:
        try:
            return prediction_of(answer.fields)
        except ValueError:
            lost = OutcomeUnknown if acts else Unavailable
            raise lost("the answer is no prediction", provider=NAME, operation=operation) from None


def _check(prediction_id: str, operation: str) -> None:
    if not ID.fullmatch(prediction_id):
        raise Rejected("Replicate gives no such id", reason="not_found", provider=NAME, operation=operation)
