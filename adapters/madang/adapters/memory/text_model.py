"""`TextModel` in memory: it says what a test told it to say, or the least that a schema allows."""

import json
import math
from collections.abc import AsyncIterator, Mapping
from typing import Any

from madang.adapters.memory import capabilities
from madang.adapters.memory.provider import MemoryProvider, rejected
from madang.ports.money import Cost
from madang.ports.text_model import FinishReason, TextChunk, TextModelCapabilities, TextRequest, TextResult, TokenUsage

MODEL = "memory-1"


class MemoryTextModel(MemoryProvider):
    """Fulfils `TextModel`. Without a schema it repeats the last message."""

    @property
    def capabilities(self) -> TextModelCapabilities:
        return capabilities.TEXT_MODEL

    @property
    def asked(self) -> list[TextRequest]:
        """Every request that was answered, in that order."""
        found: list[TextRequest] = self.world.shelf("text_model").setdefault("asked", [])
        return found

    def say(self, *answers: str) -> None:
        """The next requests are answered like this, one by one."""
        self.world.shelf("text_model").setdefault("answers", []).extend(answers)

    async def generate(self, request: TextRequest) -> TextResult:
        return await self._answer(request, "generate")

    async def stream(self, request: TextRequest) -> AsyncIterator[TextChunk]:
        result = await self._answer(request, "stream")
        half = len(result.text) // 2
        yield TextChunk(result.text[:half])
        yield TextChunk(result.text[half:], result)

    async def _answer(self, request: TextRequest, operation: str) -> TextResult:
        if not request.messages:
            raise rejected("there is no message to answer", "invalid_request", operation)

        def act() -> TextResult:
            self.asked.append(request)
            waiting = self.world.shelf("text_model").get("answers")
            return _result(request, waiting.pop(0) if waiting else _usual(request))

        return await self.world.effect(f"text_model.{operation}", act, request.timeout)


def least(schema: Mapping[str, Any]) -> Any:
    """The least that a schema without references and combinations allows: required properties and smallest numbers."""
    if "const" in schema or "enum" in schema:
        return schema["const"] if "const" in schema else schema["enum"][0]
    kind = schema.get("type", "object")
    match kind if isinstance(kind, str) else kind[0]:
        case "object":
            properties = schema.get("properties", {})
            return {name: least(properties.get(name, {"type": "string"})) for name in schema.get("required", ())}
        case "array":
            return [least(schema.get("items", {"type": "string"})) for _ in range(schema.get("minItems", 0))]
        case "string":
            return "memory".ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength")]
        case "integer" | "number":
            return math.ceil(schema.get("minimum", 0))
        case "boolean":
            return False
    return None


def _usual(request: TextRequest) -> str:
    if request.schema is not None:
        return json.dumps(least(request.schema), ensure_ascii=False)
    return request.messages[-1].text or "memory"


def _result(request: TextRequest, text: str) -> TextResult:
    """A token is four characters, as a rule of thumb has it."""
    cut = text[: request.max_output_tokens * 4]
    finish = FinishReason.STOP if cut == text else FinishReason.LENGTH
    usage = TokenUsage(sum(len(each.text) for each in request.messages) // 4 + 1, len(cut) // 4 + 1)
    return TextResult(cut, MODEL, finish, usage, Cost(0))
