"""The picture company's own books: predictions by key, the photographs sent in, and when both are thrown away."""

import hashlib
import sqlite3
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from madang.adapters.sandbox import webhooks
from madang.adapters.sandbox.chance import digest, identifier
from madang.adapters.sandbox.darkroom import MEDIA_TYPE
from madang.adapters.sandbox.gate import NAME
from madang.adapters.sandbox.settings import SandboxSettings
from madang.ports.errors import Rejected
from madang.ports.image_model import PictureRequest, Prediction, PredictionStatus, RemotePicture
from madang.ports.money import Cost

FILES_LIVE: Final = 3600.0
"""Seconds that a finished file can be fetched, as at the real providers."""
PRICE_MICROS: Final = 40_000
"""0.04 dollars a picture."""
MODEL: Final = "sandbox-darkroom-1"


@dataclass(frozen=True, slots=True)
class RemotePrediction:
    """One row of the books; `state` is what it is at the moment of reading. `input` names a photograph, not a path."""

    id: str
    key: str
    prompt: str
    seed: int
    count: int
    size: tuple[int, int] | None
    input: str | None
    status: str
    created_at: float
    ready_at: float

    @property
    def files_until(self) -> float:
        return self.ready_at + FILES_LIVE

    @property
    def state(self) -> PredictionStatus:
        if self.status != "started":
            return PredictionStatus(self.status)
        now = time.time()
        if now >= self.ready_at:
            return PredictionStatus.SUCCEEDED
        return PredictionStatus.RUNNING

    def answer(self, base_url: str) -> Prediction:
        status = self.state  # asked once: it may be ready a moment later
        finished = status is PredictionStatus.SUCCEEDED
        until = datetime.fromtimestamp(self.files_until, UTC)
        pictures = [
            RemotePicture(f"{base_url}/sandbox/files/{self.id}/{index}.jpg", MEDIA_TYPE, until) for index in range(self.count)
        ]
        return Prediction(
            id=self.id,
            status=status,
            pictures=tuple(pictures) if finished else (),
            model=MODEL,
            error="cancelled on request" if status is PredictionStatus.CANCELLED else None,
            cost=Cost(PRICE_MICROS * self.count) if finished else None,
        )


def start(connection: sqlite3.Connection, knobs: SandboxSettings, request: PictureRequest) -> RemotePrediction:
    """Buy one, once for each key. Raises `Rejected(reason="invalid_request")` for a key that bought something else."""
    data = request.picture.data if request.picture else None
    name = hashlib.sha256(data).hexdigest() if data else None
    fingerprint = digest(request.prompt, request.seed, request.count, request.width, request.height, name)
    row = connection.execute("SELECT * FROM predictions WHERE key = ?", (request.idempotency_key,)).fetchone()
    if row is not None:
        if row["fingerprint"] != fingerprint:
            raise _rejected("this idempotency key bought another picture", "invalid_request", "start", "idempotency_key_reused")
        return _read(row)
    identity = identifier("prd", knobs.seed, request.idempotency_key)
    now = time.time()
    ready_at = now + knobs.image_seconds
    if data and name:
        kept = (name, data, ready_at + FILES_LIVE)
        connection.execute("INSERT OR REPLACE INTO inputs (sha256, data, expires_at) VALUES (?, ?, ?)", kept)
    connection.execute(
        "INSERT INTO predictions (id, key, fingerprint, prompt, seed, count, width, height, input, status, created_at,"
        " ready_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'started', ?, ?)",
        (
            identity,
            request.idempotency_key,
            fingerprint,
            request.prompt,
            request.seed,
            request.count,
            request.width,
            request.height,
            name,
            now,
            ready_at,
        ),
    )
    _announce(connection, knobs, request.webhook_url, identity, "succeeded", ready_at)
    return get(connection, identity, "start")


def get(connection: sqlite3.Connection, identity: str, operation: str = "fetch") -> RemotePrediction:
    row = connection.execute("SELECT * FROM predictions WHERE id = ?", (identity,)).fetchone()
    if row is None:
        raise _rejected("no prediction has this id", "not_found", operation)
    return _read(row)


def find(connection: sqlite3.Connection, key: str) -> RemotePrediction | None:
    row = connection.execute("SELECT * FROM predictions WHERE key = ?", (key,)).fetchone()
    return _read(row) if row else None


def cancel(connection: sqlite3.Connection, identity: str) -> RemotePrediction:
    """Stop what still runs; what has ended stays as it ended."""
    if get(connection, identity, "cancel").state is PredictionStatus.RUNNING:
        connection.execute("UPDATE predictions SET status = 'cancelled' WHERE id = ?", (identity,))
        webhooks.withdraw(connection, identity, "prediction.succeeded")
    return get(connection, identity, "cancel")


def negative(connection: sqlite3.Connection, identity: str, index: int) -> tuple[RemotePrediction, bytes | None]:
    """What a file is developed from. Raises `Rejected(reason="not_found")` once it was thrown away."""
    prediction = get(connection, identity, "download")
    data = None
    if prediction.input:
        row = connection.execute("SELECT data FROM inputs WHERE sha256 = ?", (prediction.input,)).fetchone()
        data = bytes(row["data"]) if row else None
    gone = time.time() >= prediction.files_until or (prediction.input is not None and data is None)
    if gone or prediction.state is not PredictionStatus.SUCCEEDED or not 0 <= index < prediction.count:
        raise _rejected("there is no such file, or not any more", "not_found", "download")
    return prediction, data


def forget_old(connection: sqlite3.Connection) -> None:
    """Throw away photographs whose hour is over; predictions stay, without them."""
    connection.execute("DELETE FROM inputs WHERE expires_at <= ?", (time.time(),))


def _announce(
    connection: sqlite3.Connection, knobs: SandboxSettings, url: str | None, identity: str, status: str, due_at: float
) -> None:
    webhooks.schedule(
        connection,
        knobs,
        url=url,
        event_id=identifier("evt", identity, status),
        kind=f"prediction.{status}",
        subject=identity,
        data={"id": identity, "status": status},
        due_at=due_at,
    )


def _read(row: sqlite3.Row) -> RemotePrediction:
    size = (row["width"], row["height"]) if row["width"] and row["height"] else None
    return RemotePrediction(
        row["id"],
        row["key"],
        row["prompt"],
        row["seed"],
        row["count"],
        size,
        row["input"],
        row["status"],
        row["created_at"],
        row["ready_at"],
    )


def _rejected(message: str, reason: str, operation: str, code: str | None = None) -> Rejected:
    return Rejected(message, reason=reason, provider=NAME, operation=f"image_model.{operation}", code=code)
