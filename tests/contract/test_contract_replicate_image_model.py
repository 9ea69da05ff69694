"""Pictures through Replicate: the conformance kit, then what is Replicate's own."""

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from contract.fake_replicate import API_KEY, SECRET, FakeReplicate, problem
from madang.plugins.conformance.image_model import AskedOfPainter, ImageModelConformance
from madang.plugins.conformance.remote import Arrived, Reply
from madang.ports.image_model import PredictionStatus
from madang.ports.webhook import WebhookRequest


class TestReplicate(ImageModelConformance):
    plugin = "madang.plugins.builtin.replicate"
    name = "replicate"
    states: ClassVar = {
        "starting": PredictionStatus.PENDING,
        "processing": PredictionStatus.RUNNING,
        "succeeded": PredictionStatus.SUCCEEDED,
        "failed": PredictionStatus.FAILED,
        "canceled": PredictionStatus.CANCELLED,
        "aborted": PredictionStatus.CANCELLED,
    }
    extra: ClassVar = {"safety_tolerance": 1}

    def remote(self) -> FakeReplicate:
        return FakeReplicate()

    def settings(self, url: str) -> Mapping[str, Any]:
        return {
            "base_url": f"{url}/v1",
            "api_key": API_KEY,
            "webhook_secret": SECRET,
            "delivery_hosts": ["127.0.0.1"],
        }

    def asked_of(self, request: Arrived) -> AskedOfPainter:
        given = request.json["input"]
        photo = given.get("input_image")
        data = base64.b64decode(photo.partition(",")[2]) if photo else None
        return AskedOfPainter(given["prompt"], given.get("seed"), data, None, request.json.get("webhook"), given)

    def refusal(self, reason: str) -> Reply:
        words = {
            "content_policy": "The prompt was flagged as sensitive (E005)",
            "invalid_request": "- input.prompt is too long",
        }
        return problem(422, "Input validation failed", words[reason])

    def finish(self, remote: FakeReplicate, prediction_id: str, addresses: Sequence[str]) -> None:
        remote.made[prediction_id].end = {"output": list(addresses)}
        remote.end(prediction_id)

    def announcement(self, remote: FakeReplicate, prediction_id: str, signed_at: datetime) -> WebhookRequest:
        headers, body = remote.announcement(prediction_id, signed_at)
        return WebhookRequest(headers, body, datetime.now(UTC))
