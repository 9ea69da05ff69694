"""OpenAI's image models through the conformance kit."""

import io
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from multipart import MultipartParser, parse_options_header

from contract.fake_openai import API_KEY, FakeOpenAI, refusal
from madang.plugins.conformance.image_model import AskedOfPainter, ImageModelConformance
from madang.plugins.conformance.remote import Arrived, Reply

REFUSALS = {
    "content_policy": refusal(400, "rejected by the safety system", "moderation_blocked", kind="image_generation_user_error"),
    "invalid_request": refusal(400, "Invalid type for 'prompt'", "invalid_type", "prompt"),
}


class TestOpenAI(ImageModelConformance):
    plugin = "madang.plugins.builtin.openai"
    name = "openai"
    at_once = True
    fetches = False
    """OpenAI cannot be asked: `fetch` looks on this machine, where OpenAI's bad days do not reach."""
    unknown_id = "img_" + 48 * "0"
    extra: ClassVar = {"background": "opaque"}

    def remote(self) -> FakeOpenAI:
        return FakeOpenAI()

    def settings(self, url: str) -> Mapping[str, Any]:
        return {"base_url": f"{url}/v1", "api_key": API_KEY}

    def made(self, remote: FakeOpenAI) -> Sequence[bytes]:
        return remote.drawn[-1]

    def asked_of(self, request: Arrived) -> AskedOfPainter:
        asked, picture = form_in(request) if request.path.endswith("/edits") else (request.json, None)
        return AskedOfPainter(asked["prompt"], asked.get("seed"), picture, int(asked["n"]), asked.get("webhook_url"), asked)

    def refusal(self, reason: str) -> Reply:
        return REFUSALS[reason]


def form_in(request: Arrived) -> tuple[Mapping[str, str], bytes]:
    """The fields of a form, and the picture in it."""
    _, options = parse_options_header(request.headers["content-type"])
    parts = {part.name: part for part in MultipartParser(io.BytesIO(request.body), options["boundary"], strict=True)}
    return {name: part.value for name, part in parts.items() if name != "image"}, parts["image"].raw
