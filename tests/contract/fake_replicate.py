"""Replicate as its description says: what it takes, what it refuses in which words, and a model that really changes a photo.

Time is the test's: a prediction ends after `looks` looks at it, or when the test says so. Its file lies on another host, which
keeps the headers of whoever fetches it. Announcements are sent over HTTP to where `reached_at` says that an origin is.
"""

import base64
import colorsys
import email
import email.policy
import http.client
import io
import json
import re
import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from PIL import Image, ImageFilter, ImageOps
from standardwebhooks import Webhook

from madang.plugins.conformance.remote import Arrived, Fault, RemoteService, Reply, serving

API_KEY = "r8_test-key-not-secret"
SECRET = "whsec_dGVzdC1zZWNyZXQtbm90LWEtcmVhbC1vbmU="
OFFICIAL = "black-forest-labs/flux-kontext-pro"
VERSIONED = f"someone/repainter:{'5c7d5dc6' * 8}"
ASPECTS = {"match_input_image": None, "1:1": 1.0, "3:4": 0.75, "4:3": 4 / 3, "16:9": 16 / 9, "9:16": 9 / 16}
SCHEMAS: dict[str, dict[str, Any]] = {
    OFFICIAL: {
        "prompt": str, "input_image": str, "seed": int, "aspect_ratio": set(ASPECTS), "output_format": {"jpg", "png"},
        "safety_tolerance": int, "prompt_upsampling": bool,
    },
    VERSIONED: {"prompt": str, "images": list, "random_seed": int, "width": int, "height": int, "num_outputs": int},
}  # fmt: skip
RUNNING = ("starting", "processing")
MAX_DATA_URI = 256 * 1024
_FOR_EVER = 1_000_000
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")


@dataclass
class Made:
    """A prediction in Replicate's books."""

    body: dict[str, Any]
    model: str
    webhook: str | None
    looks: int
    end: dict[str, Any] = field(default_factory=dict)


class Delivery(RemoteService):
    """The host of finished files: no key is needed, and none must come."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, tuple[bytes, str]] = {}

    def answer(self, request: Arrived) -> Reply:
        found = self.files.get(request.path)
        return Reply(200, found[0], {"content-type": found[1]}) if found else Reply(404, "Not found")


class FakeReplicate(RemoteService):
    """`ends` says how the next predictions end, one each (`{"status": "failed", "error": "…"}`)."""

    def __init__(self) -> None:
        super().__init__()
        self.delivery = Delivery()
        self.looks = 1
        self.ends: deque[dict[str, Any]] = deque()
        self.made: dict[str, Made] = {}
        self.files: dict[str, bytes] = {}
        self.reached_at: dict[str, str] = {}
        self.announced: list[tuple[str, int]] = []
        self._books = threading.RLock()

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        with serving(self.delivery):
            super().serve_forever(poll_interval)

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    @property
    def delivery_host(self) -> str:
        return self.delivery.url.removeprefix("http://")

    def acts(self, request: Arrived) -> bool:
        return request.method == "POST" and request.path.endswith(("/predictions", "/cancel"))

    def refusal(self, fault: Fault) -> Reply:
        match fault:
            case Fault.WRONG_KEY:
                return problem(401, "Unauthenticated", "You did not pass a valid authentication token")
            case Fault.RATE_LIMITED:
                return Reply(429, {"detail": "Request was throttled. Your rate limit resets in ~7s.", "retry_after": 7})
            case Fault.UNAVAILABLE:
                return problem(503, "Service Unavailable", "")
            case _:
                return problem(500, "Internal server error", "")

    def answer(self, request: Arrived) -> Reply:
        if request.headers.get("authorization") != f"Bearer {API_KEY}":
            return self.refusal(Fault.WRONG_KEY)
        parts = request.path.removeprefix("/v1").split("/")[1:]
        with self._books:
            reply = self._of_account(request, parts) or self._of_predictions(request, parts)
        return reply or Reply(404, {"detail": "The requested resource could not be found.", "status": 404})

    def _of_account(self, request: Arrived, parts: list[str]) -> Reply | None:
        match request.method, parts:
            case "GET", ["account"]:
                return Reply(200, {"type": "organization", "username": "acme", "name": "Acme"})
            case "GET", ["webhooks", "default", "secret"]:
                return Reply(200, {"key": SECRET})
            case "POST", ["files"]:
                return self._upload(request)
            case "GET", ["files", identity] if identity in self.files:
                return Reply(200, self._file(identity))
        return None

    def _of_predictions(self, request: Arrived, parts: list[str]) -> Reply | None:
        match request.method, parts:
            case "POST", ["models", owner, name, "predictions"]:
                return self._create(request, f"{owner}/{name}")
            case "POST", ["predictions"]:
                return self._create(request, None)
            case "GET", ["predictions"]:
                return self._list(request)
            case "GET", ["predictions", identity] if identity in self.made:
                return self._look(identity)
            case "POST", ["predictions", identity, "cancel"] if identity in self.made:
                self.stop(identity)
                return Reply(200, self.made[identity].body)
        return None

    # What a test does in Replicate's place

    def end(self, identity: str) -> None:
        """The prediction ends now, as it was to end, and that is announced."""
        with self._books:
            made = self.made[identity]
            if made.body["status"] not in RUNNING:
                return
            now = datetime.now(UTC).isoformat()
            made.body |= {"completed_at": now, "metrics": {"predict_time": 1.5, "total_time": 2.0}}
            made.body |= {"status": "succeeded"} | made.end
            if made.body["status"] == "succeeded" and "output" not in made.end:
                made.body["output"] = self._paint(identity, made)
        self.announce(identity)

    def becomes(self, identity: str, state: str) -> None:
        with self._books:
            self.made[identity].body["status"] = state
            self.made[identity].looks = _FOR_EVER

    def stop(self, identity: str, status: str = "canceled") -> None:
        """By the caller, or by a deadline that passes."""
        with self._books:
            self.made[identity].end = {"status": status, "output": None}
        self.end(identity)

    def forget(self, identity: str) -> None:
        """An hour is over."""
        with self._books:
            self.made[identity].body |= {"input": {}, "output": None, "logs": "", "data_removed": True}
            self.delivery.files.clear()

    def announcement(self, identity: str, signed_at: datetime) -> tuple[dict[str, str], bytes]:
        """Headers and body. Sent again, it has the same id."""
        event, body = f"msg_{identity}", json.dumps(self.made[identity].body)
        headers = {
            "content-type": "application/json",
            "webhook-id": event,
            "webhook-timestamp": str(int(signed_at.timestamp())),
            "webhook-signature": Webhook(SECRET).sign(event, signed_at, body),
        }
        return headers, body.encode()

    def announce(self, identity: str) -> None:
        made = self.made[identity]
        if made.webhook is None:
            return
        split = urlsplit(made.webhook)
        headers, body = self.announcement(identity, datetime.now(UTC))
        reached = self.reached_at.get(f"{split.scheme}://{split.netloc}")
        if reached is None:
            self.announced.append((made.webhook, 0))
            return
        connection = http.client.HTTPConnection(reached.removeprefix("http://"), timeout=10)
        connection.request("POST", f"{split.path}?{split.query}", body, headers)
        self.announced.append((made.webhook, connection.getresponse().status))
        connection.close()

    # Predictions

    def _create(self, request: Arrived, official: str | None) -> Reply:
        if request.headers.get("content-type") != "application/json":
            return problem(415, "Unsupported media type", "")
        try:
            wanted = request.json
        except ValueError:
            return problem(400, "Bad request", "The body is no JSON")
        model = official or str(wanted.get("version", "") if isinstance(wanted, dict) else "")
        if refused := _refused(wanted, request, needs_version=official is None):
            return refused
        if model not in SCHEMAS:
            if official is not None:
                return problem(404, "Not found", "The requested resource could not be found.")
            return problem(422, "Invalid version or not permitted", "The specified version does not exist")
        if wrong := self._wrong_inputs(wanted["input"], SCHEMAS[model]):
            return problem(422, "Input validation failed", f"- input.{wrong}\n")
        identity = f"gm3qorzdhgbfurvj{len(self.made):010d}"
        end = self.ends.popleft() if self.ends else {}
        owner, _, version = model.partition(":")
        place = f"{self.base_url}/predictions/{identity}"
        body = {
            "id": identity, "model": owner, "version": version or "hidden", "input": wanted["input"], "logs": "",
            "output": None, "data_removed": False, "error": None, "source": "api", "status": "starting",
            "created_at": datetime.now(UTC).isoformat(),
            "urls": {"get": place, "cancel": f"{place}/cancel", "web": f"https://replicate.com/p/{identity}"},
        }  # fmt: skip
        self.made[identity] = Made(body, model, wanted.get("webhook"), self.looks, end)
        return Reply(201, body)

    def _look(self, identity: str) -> Reply:
        made = self.made[identity]
        if made.body["status"] in RUNNING:
            if made.looks == 0:
                self.end(identity)
            elif made.looks < _FOR_EVER:
                made.looks -= 1
                made.body |= {"status": "processing", "started_at": made.body["created_at"]}
        return Reply(200, made.body)

    def _list(self, request: Arrived) -> Reply:
        """The newest first, two to a page."""
        newest = [made.body for made in reversed(self.made.values())]
        start = int(base64.b64decode(request.query.get("cursor", "MA==")))
        following = base64.b64encode(str(start + 2).encode()).decode()
        more = f"{self.base_url}/predictions?cursor={following}" if start + 2 < len(newest) else None
        return Reply(200, {"previous": None, "next": more, "results": newest[start : start + 2]})

    def _wrong_inputs(self, given: dict[str, Any], schema: dict[str, Any]) -> str | None:
        for name, value in given.items():
            kind = schema.get(name)
            if kind is None:
                return f"{name}: Additional property {name} is not allowed"
            if isinstance(kind, set) and value not in kind:
                return f"{name}: must be one of the following"
            if isinstance(kind, type) and (type(value) is not kind):
                return f"{name}: Invalid type. Expected: {kind.__name__}"
        if not given.get("prompt"):
            return "prompt: prompt is required"
        places = [given["input_image"]] if "input_image" in given else given.get("images", [])
        return next((f"input_image: {place[:40]} cannot be used" for place in places if not self._usable(place)), None)

    def _usable(self, place: str) -> bool:
        if place.startswith("data:image/"):
            return len(place) <= MAX_DATA_URI * 4 // 3 + 100 and ";base64," in place
        return place.startswith("https://") or place.rpartition("/")[2] in self.files

    # Files

    def _upload(self, request: Arrived) -> Reply:
        kind = request.headers.get("content-type", "")
        if not kind.startswith("multipart/form-data"):
            return problem(415, "Unsupported media type", "")
        message = email.message_from_bytes(
            b"content-type: " + kind.encode() + b"\r\n\r\n" + request.body, policy=email.policy.HTTP
        )
        parts = {part.get_param("name", header="content-disposition"): part for part in message.iter_parts()}
        if "content" not in parts or not parts["content"].get_filename():
            return problem(422, "Validation failed", "content is required")
        identity = f"cneqzikepnug6xez{len(self.files):010d}"
        self.files[identity] = parts["content"].get_payload(decode=True)
        return Reply(201, self._file(identity))

    def _file(self, identity: str) -> dict[str, Any]:
        now = datetime.now(UTC)
        until = now + timedelta(hours=1)
        return {
            "id": identity, "name": "photo", "content_type": "image/jpeg", "size": len(self.files[identity]), "etag": identity,
            "checksums": {}, "metadata": {}, "created_at": now.isoformat(), "expires_at": until.isoformat(),
            "urls": {"get": f"{self.base_url}/files/{identity}"},
        }  # fmt: skip

    # The model

    def _paint(self, identity: str, made: Made) -> Any:
        given = made.body["input"]
        count = given.get("num_outputs", 1)
        ending = given.get("output_format", "png")
        places = [
            self._deliver(identity, number, ending, painted(self._photo(given), given, number)) for number in range(count)
        ]
        return places if made.model == VERSIONED else places[0]

    def _photo(self, given: dict[str, Any]) -> bytes | None:
        place = given.get("input_image") or next(iter(given.get("images", [])), None)
        if place is None:
            return None
        if place.startswith("data:"):
            return base64.b64decode(place.partition(",")[2])
        return self.files[place.rpartition("/")[2]]

    def _deliver(self, identity: str, number: int, ending: str, picture: Image.Image) -> str:
        out = io.BytesIO()
        picture.save(out, {"jpg": "JPEG", "png": "PNG"}[ending])
        path = f"/xezq/{identity}/out-{number}.{ending}"
        self.delivery.files[path] = out.getvalue(), {"jpg": "image/jpeg", "png": "image/png"}[ending]
        return f"{self.delivery.url}{path}"


def painted(photo: bytes | None, given: dict[str, Any], number: int) -> Image.Image:
    """The photo in other colours, those of its seed, and softer; without one a field of that colour."""
    seed = given.get("seed", given.get("random_seed", 0)) + number
    if photo is None:
        return Image.new("RGB", (given.get("width", 96), given.get("height", 128)), (seed % 256, seed // 7 % 256, 128))
    with Image.open(io.BytesIO(photo)) as opened:
        upright = ImageOps.exif_transpose(opened).convert("RGB")
    ratio = ASPECTS.get(given.get("aspect_ratio", "match_input_image"))
    if ratio is not None:
        upright = ImageOps.fit(upright, (round(upright.height * ratio), upright.height))
    hue = seed * 0.618 % 1.0
    dark, light = (_colour(hue, 0.9, 0.25), _colour(hue + 0.15, 0.45, 1.0))
    toned = ImageOps.colorize(ImageOps.autocontrast(upright.convert("L")), dark, light)
    return Image.blend(upright, toned, 0.65).filter(ImageFilter.GaussianBlur(1 + seed % 3))


def _colour(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _refused(wanted: Any, request: Arrived, *, needs_version: bool) -> Reply | None:
    fields = {"input", "webhook", "webhook_events_filter", "stream"} | ({"version"} if needs_version else set())
    if not isinstance(wanted, dict) or not isinstance(wanted.get("input"), dict):
        return problem(422, "Input validation failed", "- input is required\n")
    if unknown := set(wanted) - fields:
        return problem(422, "Validation failed", f"- Additional property {min(unknown)} is not allowed\n")
    if not wanted.get("webhook", "https://").startswith("https://"):
        return problem(422, "Validation failed", "- webhook: Does not match format 'uri'\n")
    if set(wanted.get("webhook_events_filter", [])) - {"start", "output", "logs", "completed"}:
        return problem(422, "Validation failed", "- webhook_events_filter.0: must be one of the following\n")
    lasts = _DURATION.fullmatch(request.headers.get("cancel-after", "1h"))
    if lasts is None or sum(int(part or 0) * unit for part, unit in zip(lasts.groups(), (3600, 60, 1), strict=True)) < 5:
        return problem(400, "Bad request", "Cancel-After is at least 5 seconds")
    if not re.fullmatch(r"wait(=([1-9]|[1-5][0-9]|60))?", request.headers.get("prefer", "wait")):
        return problem(400, "Bad request", "Prefer")
    return None


def problem(status: int, title: str, detail: str, **more: Any) -> Reply:
    """Problem details (RFC 7807), as Replicate words its refusals."""
    document = {"title": title, "detail": detail, "status": status, **more}
    return Reply(status, json.dumps(document), {"content-type": "application/problem+json"})
