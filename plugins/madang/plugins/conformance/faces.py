"""Conformance of a face detector."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Final

import pytest

from madang.plugins.conformance.pictures import JPEG, PNG
from madang.plugins.conformance.remote import Fault
from madang.plugins.conformance.repairs import must
from madang.plugins.conformance.stage import ENDLESS, READ_ERRORS, Errors, Stage, raised
from madang.plugins.conformance.suite import ProviderConformance
from madang.ports.errors import Rejected, Unavailable
from madang.ports.faces import Face, FaceDetector
from madang.ports.provider import ProviderKind
from madang.ports.text_model import Picture

NO_PICTURES: Final[Mapping[str, bytes]] = {
    "nothing": b"",
    "text": b"this is no picture",
    "a page": b"<html><body>404</body></html>",
    "a picture's first bytes": JPEG[:20],
    "noise": bytes(range(256)) * 8,
}


class FacesConformance(ProviderConformance):
    """An author gives `pictures` of people; the suite has those of nobody."""

    kind = ProviderKind.FACES
    operation = "detect"
    errors: ClassVar[Mapping[Fault, Errors]] = {**READ_ERRORS, **dict.fromkeys(ENDLESS, (Unavailable,))}
    unmet: ClassVar[Mapping[Fault, str]] = dict.fromkeys(ENDLESS, "a request for faces carries no time limit")

    def pictures(self) -> Mapping[int, Picture]:
        """At least two pictures by the number of faces in them, and the sizes that `size_of` tells."""
        raise NotImplementedError(f"{type(self).__name__} has no pictures(): answer pictures by their number of faces")

    def size_of(self, picture: Picture) -> tuple[int, int]:
        """Width and height of one of `pictures`, in pixels."""
        raise NotImplementedError(f"{type(self).__name__} has no size_of(picture): answer its width and height")

    def most(self) -> Picture:
        return self.pictures()[max(self.pictures())]

    async def act(self, provider: FaceDetector, key: str, timeout: float = 20.0) -> Sequence[Face]:
        return await provider.detect(self.most())

    @must("Answer one Face for each face, and none for what is none.")
    async def test_as_many_faces_are_found_as_there_are(self, provider: FaceDetector) -> None:
        pictures = self.pictures()
        assert max(pictures, default=0) > 0, "give a picture with a face"
        counted = {number: len(await provider.detect(picture)) for number, picture in pictures.items()}
        assert counted == {number: number for number in pictures}

    @must("A box is in pixels of the picture as it is stored, its origin at the top left, and lies within it.")
    async def test_a_face_lies_within_the_picture(self, provider: FaceDetector) -> None:
        width, height = self.size_of(self.most())
        for face in await provider.detect(self.most()):
            assert face.width > 0
            assert face.height > 0
            assert 0 <= face.x <= face.x + face.width <= width
            assert 0 <= face.y <= face.y + face.height <= height

    @must("Confidence is from 0 to 1, and the most confident face comes first.")
    async def test_the_most_confident_face_comes_first(self, provider: FaceDetector) -> None:
        told = [face.confidence for face in await provider.detect(self.most())]
        assert told == sorted(told, reverse=True)
        assert all(0 <= each <= 1 for each in told)

    @must("A picture without faces is an empty answer, not an error.")
    @pytest.mark.parametrize("picture", [Picture(JPEG), Picture(PNG, "image/png")], ids=["jpeg", "png"])
    async def test_nobody_is_an_empty_answer(self, provider: FaceDetector, picture: Picture) -> None:
        assert list(await provider.detect(picture)) == []

    @must('What cannot be decoded is Rejected(reason="invalid_picture"), whatever its media type says.')
    @pytest.mark.parametrize("what", NO_PICTURES)
    async def test_what_is_no_picture_is_refused(self, provider: FaceDetector, what: str) -> None:
        await self._invalid(provider, Picture(NO_PICTURES[what]))

    @must('Read the size before you decode: more than max_pixels is Rejected(reason="invalid_picture").')
    async def test_a_picture_that_is_too_large_is_refused_before_it_is_decoded(self, provider: FaceDetector) -> None:
        width = 65_000
        await self._invalid(provider, Picture(png_of(width, provider.capabilities.max_pixels // width + 1), "image/png"))

    @must("Trust the bytes, not the media type that came with them.")
    async def test_the_bytes_say_what_it_is(self, provider: FaceDetector) -> None:
        told = await provider.detect(self.most())
        assert list(await provider.detect(replace(self.most(), media_type="image/webp"))) == list(told)

    @must("The same picture has the same faces, whoever asks.")
    async def test_the_same_picture_has_the_same_faces(self, stage: Stage, provider: FaceDetector) -> None:
        first, second = await provider.detect(self.most()), await stage.build().detect(self.most())
        assert list(first) == list(second)

    async def _invalid(self, provider: FaceDetector, picture: Picture) -> None:
        error = await raised(self.name, "detect", provider.detect(picture), (Rejected,))
        assert getattr(error, "reason", "") == "invalid_picture"


def png_of(width: int, height: int) -> bytes:
    """A PNG that says to be so large, and holds almost nothing."""
    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    parts = [(b"IHDR", size + b"\x08\x00\x00\x00\x00"), (b"IDAT", zlib.compress(bytes(64))), (b"IEND", b"")]
    chunks = [len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big") for kind, data in parts]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
