"""The sandbox's picture model through the conformance kit."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from contract.sandbox_faults import SandboxFaults
from madang.adapters.sandbox.webhooks import signed_headers
from madang.plugins.conformance.image_model import ImageModelConformance
from madang.ports.secret import Secret
from madang.ports.webhook import WebhookRequest

SECRET = "whsec_bm90LWEtc2VjcmV0LW5vdC1hLXNlY3JldA=="


class TestSandbox(SandboxFaults, ImageModelConformance):
    port = "image_model"
    at_once = True
    unknown_id = "prd_0"

    def settings(self, url: str) -> Mapping[str, Any]:
        return {"image_seconds": 0, "webhook_secret": SECRET}

    def announcement(self, remote: None, prediction_id: str, signed_at: datetime) -> WebhookRequest:
        text = json.dumps({"type": "prediction.succeeded", "data": {"id": prediction_id, "status": "succeeded"}})
        return WebhookRequest(signed_headers(Secret(SECRET), "evt_1", text, signed_at), text.encode(), datetime.now(UTC))
