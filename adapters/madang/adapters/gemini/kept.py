"""Pictures that were paid for, kept on this machine until they are fetched: they come with Gemini's answer, and Google keeps
none.

A prediction is on the disk before `start` answers, under a name that follows from the idempotency key: another process of this
machine finds it as well, also after a crash. It shows a person, so it goes after a while, fetched or not. Everything here waits
for the disk: call it in a thread.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from madang.adapters.gemini.names import NAME
from madang.ports.image_model import Prediction, PredictionStatus, RemotePicture
from madang.ports.text_model import Picture

ID: Final = re.compile(r"gem_[0-9a-f]{48}")
REFERENCE: Final = re.compile(r"(?P<id>gem_[0-9a-f]{48})/(?P<index>[0-9]{1,2})")
_LISTING: Final = "prediction.json"
_HALF: Final = ".half"


def id_of(idempotency_key: str) -> str:
    """The prediction's id: no secret, and a name that every disk can bear."""
    return f"gem_{hashlib.sha256(idempotency_key.encode()).hexdigest()[:48]}"


class KeptPredictions:
    """A folder for each prediction, written beside and then renamed: it is there as a whole or not at all."""

    def __init__(self, data_dir: Path, seconds: float) -> None:
        self._root = data_dir / NAME
        self._seconds = seconds

    def make_ready(self) -> None:
        """Before anything is bought: what is bought can be kept. Raises `OSError`."""
        self.forget_old()
        shutil.rmtree(self._half_written({"try": b""}))

    def keep(self, prediction_id: str, model: str, pictures: Sequence[Picture], error: str | None = None) -> Prediction:
        """The ended prediction, on the disk for good; `error` for one without pictures. Raises `OSError`."""
        listing = {"model": model, "media_types": [each.media_type for each in pictures], "error": error}
        files = {str(index): picture.data for index, picture in enumerate(pictures)}
        half = self._half_written({**files, _LISTING: json.dumps(listing).encode()})
        try:
            half.rename(self._root / prediction_id)
        except OSError:
            shutil.rmtree(half, ignore_errors=True)
            if self.find(prediction_id) is None:
                raise
        _settle(self._root)
        kept = self.find(prediction_id)
        if kept is None:
            raise FileNotFoundError(errno.ENOENT, "it is gone at once")
        return kept

    def find(self, prediction_id: str) -> Prediction | None:
        """The prediction; None when it is not kept here (any more)."""
        folder = self._root / prediction_id
        if not ID.fullmatch(prediction_id) or (ends_at := self._end_of(folder)) is None:
            return None
        try:
            return _ended(prediction_id, json.loads((folder / _LISTING).read_bytes()), ends_at)
        except FileNotFoundError:
            return None

    def read(self, reference: str) -> Picture | None:
        """The picture; None when it is not kept here (any more)."""
        place = REFERENCE.fullmatch(reference)
        prediction = self.find(place["id"]) if place else None
        kept = {each.reference: each.media_type for each in prediction.pictures} if prediction else {}
        if place is None or reference not in kept:
            return None
        try:
            return Picture((self._root / place["id"] / place["index"]).read_bytes(), kept[reference])
        except FileNotFoundError:
            return None

    def forget_old(self) -> None:
        """Delete what has waited long enough, and what a process left half written."""
        folders = list(self._root.iterdir()) if self._root.is_dir() else []
        for folder in folders:
            if self._end_of(folder) is None:
                shutil.rmtree(folder, ignore_errors=True)

    def _end_of(self, folder: Path) -> datetime | None:
        """When it goes; None when it is gone, or should be."""
        try:
            ends_at = folder.stat().st_mtime + self._seconds
        except FileNotFoundError:
            return None
        return datetime.fromtimestamp(ends_at, UTC) if ends_at > time.time() else None

    def _half_written(self, files: Mapping[str, bytes]) -> Path:
        """A folder that is not to be found yet, for this user alone. Raises `OSError`."""
        half = self._root / f"{uuid4().hex}{_HALF}"
        half.mkdir(mode=0o700, parents=True)
        try:
            for name, data in files.items():
                _write(half / name, data)
            _settle(half)
        except OSError:
            shutil.rmtree(half, ignore_errors=True)
            raise
        return half


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _settle(folder: Path) -> None:
    """The names, too, survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _ended(prediction_id: str, listing: Mapping[str, Any], ends_at: datetime) -> Prediction:
    if listing["error"] is not None:
        return Prediction(
            prediction_id, PredictionStatus.FAILED, model=listing["model"], error=listing["error"], retryable=True
        )
    pictures = [
        RemotePicture(f"{prediction_id}/{index}", media_type, ends_at)
        for index, media_type in enumerate(listing["media_types"])
    ]
    return Prediction(prediction_id, PredictionStatus.SUCCEEDED, pictures, listing["model"])
