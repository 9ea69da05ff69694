"""Pictures that were paid for, kept on this machine until they are fetched: OpenAI keeps none.

A made picture is on the disk before `start` answers, under a name that follows from the idempotency key; another process of
this machine fetches it as well, also after a crash. It shows a person, so it goes after a while, whether fetched or not.
Everything here waits for the disk: call it in a thread.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import uuid4

from madang.ports.image_model import Prediction, PredictionStatus, RemotePicture
from madang.ports.text_model import Picture

FOLDER: Final = "openai"
ID: Final = re.compile(r"img_[0-9a-f]{48}")
REFERENCE: Final = re.compile(r"(?P<id>img_[0-9a-f]{48})/(?P<index>[0-9]{1,2})")


def id_of(idempotency_key: str) -> str:
    """The prediction's id: no secret, and a name that every disk can bear."""
    return f"img_{hashlib.sha256(idempotency_key.encode()).hexdigest()[:48]}"


class KeptPictures:
    """The folder: a file for each picture, and then one that lists them, without which they are nothing."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self._folder = folder
        self._seconds = seconds

    def make_ready(self) -> None:
        """Before anything is bought: what is kept can be kept. Raises `OSError`."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.forget_old()
        self._write(f"{uuid4().hex}.try", b"").unlink()

    def keep(self, prediction_id: str, model: str, pictures: Sequence[Picture]) -> Prediction:
        """The finished prediction, on the disk for good. Raises `OSError`."""
        for index, picture in enumerate(pictures):
            self._write(f"{prediction_id}.{index}", picture.data)
        media_types = [picture.media_type for picture in pictures]
        self._write(f"{prediction_id}.json", json.dumps({"model": model, "media_types": media_types}).encode())
        self._settle()
        kept = self.find(prediction_id)
        if kept is None:
            raise FileNotFoundError(errno.ENOENT, "it is gone at once")
        return kept

    def find(self, prediction_id: str) -> Prediction | None:
        """The prediction, None when it is not kept here (any more)."""
        listing = self._folder / f"{prediction_id}.json"
        if not ID.fullmatch(prediction_id) or (ends_at := self._end_of(listing)) is None:
            return None
        try:
            listed = json.loads(listing.read_bytes())
        except FileNotFoundError:
            return None
        return _finished(prediction_id, listed["model"], listed["media_types"], ends_at)

    def read(self, reference: str) -> Picture | None:
        """The picture's file, None when it is not kept here (any more)."""
        place = REFERENCE.fullmatch(reference)
        prediction = self.find(place["id"]) if place else None
        kept = {each.reference: each for each in prediction.pictures} if prediction else {}
        if place is None or reference not in kept:
            return None
        try:
            data = (self._folder / f"{place['id']}.{place['index']}").read_bytes()
        except FileNotFoundError:
            return None
        return Picture(data, kept[reference].media_type)

    def forget_old(self) -> None:
        """Delete what has waited long enough, and what a process left half written."""
        for file in self._files():
            if self._end_of(file) is None:
                file.unlink(missing_ok=True)

    def _files(self) -> Iterator[Path]:
        with contextlib.suppress(FileNotFoundError):
            yield from self._folder.iterdir()

    def _end_of(self, file: Path) -> datetime | None:
        """When it goes; None when it is gone, or should be."""
        try:
            ends_at = file.stat().st_mtime + self._seconds
        except FileNotFoundError:
            return None
        return datetime.fromtimestamp(ends_at, UTC) if ends_at > time.time() else None

    def _write(self, name: str, data: bytes) -> Path:
        """The file, whole or not at all, for this user alone."""
        half = self._folder / f"{uuid4().hex}.half"
        descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        return half.replace(self._folder / name)

    def _settle(self) -> None:
        """The names, too, survive a loss of power."""
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _finished(prediction_id: str, model: str, media_types: Sequence[str], ends_at: datetime) -> Prediction:
    pictures = [RemotePicture(f"{prediction_id}/{index}", media_type, ends_at) for index, media_type in enumerate(media_types)]
    return Prediction(prediction_id, PredictionStatus.SUCCEEDED, pictures, model)
