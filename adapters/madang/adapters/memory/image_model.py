"""`ImageModel` in memory: pictures of one colour, made at once."""

import colorsys
import io
import re
from typing import Final

from PIL import Image

from madang.adapters.memory import capabilities
from madang.adapters.memory.provider import MemoryProvider, rejected, unsupported
from madang.ports.image_model import ImageModelCapabilities, PictureRequest, Prediction, PredictionStatus, RemotePicture
from madang.ports.text_model import Picture
from madang.ports.webhook import WebhookRequest

MODEL: Final = "memory-1"
SIZE: Final = (96, 128)
MAX_SIDE: Final = 4096
FILE: Final = re.compile(r"memory://(?P<id>image_model-[0-9]+)/(?P<index>[0-9]+)")


class MemoryImageModel(MemoryProvider):
    """Fulfils `ImageModel`. Each seed has its colour; the photo is looked at by nobody."""

    @property
    def capabilities(self) -> ImageModelCapabilities:
        return capabilities.IMAGE_MODEL

    @property
    def bought(self) -> list[PictureRequest]:
        """Every prediction that was paid for, in that order."""
        return self.world.requests("image_model")

    async def start(self, request: PictureRequest) -> Prediction:
        if not 1 <= request.count <= capabilities.IMAGE_MODEL.max_count:
            raise rejected("too few or too many pictures at once", "invalid_request", "start")
        if not all(side is None or 0 < side <= MAX_SIDE for side in (request.width, request.height)):
            raise rejected("no picture has this size", "invalid_request", "start")

        def make(identity: str) -> Prediction:
            files = [RemotePicture(f"memory://{identity}/{index}", "image/png") for index in range(request.count)]
            made = Prediction(identity, PredictionStatus.SUCCEEDED, files, MODEL)
            self.world.shelf("image_model")[identity] = (request, made)
            return made

        def act() -> Prediction:
            return self.world.once("image_model", request, make)

        return await self.world.effect("image_model.start", act, request.timeout)

    async def fetch(self, prediction_id: str) -> Prediction:
        return await self.world.look("image_model.fetch", lambda: self._made(prediction_id, "fetch"))

    async def find(self, idempotency_key: str) -> Prediction | None:
        def look() -> Prediction | None:
            identity = self.world.identity_of("image_model", idempotency_key)
            return self._made(identity, "find") if identity else None

        return await self.world.look("image_model.find", look)

    async def cancel(self, prediction_id: str) -> Prediction:
        return await self.world.look("image_model.cancel", lambda: self._made(prediction_id, "cancel"))

    async def download(self, picture: RemotePicture) -> Picture:
        place = FILE.fullmatch(picture.reference)
        found = self.world.shelf("image_model").get(place["id"]) if place else None
        if place is None or found is None:
            raise rejected("there is no such file", "not_found", "download")
        request: PictureRequest = found[0]
        return await self.world.look("image_model.download", lambda: _painted(request, int(place["index"])))

    def read_webhook(self, request: WebhookRequest) -> Prediction:
        raise unsupported("read_webhook")

    def _made(self, identity: str, operation: str) -> Prediction:
        if identity not in self.world.shelf("image_model"):
            raise rejected("there is no such prediction", "not_found", operation)
        made: Prediction = self.world.shelf("image_model")[identity][1]
        return made


def _painted(request: PictureRequest, index: int) -> Picture:
    red, green, blue = colorsys.hsv_to_rgb((request.seed + index) * 0.618 % 1, 0.5, 0.8)
    size = (request.width or SIZE[0], request.height or SIZE[1])
    out = io.BytesIO()
    Image.new("RGB", size, (round(red * 255), round(green * 255), round(blue * 255))).save(out, "PNG")
    return Picture(out.getvalue(), "image/png")
