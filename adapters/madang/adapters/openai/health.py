"""Whether OpenAI can be reached with our key."""

import time
from typing import Final

from madang.adapters.openai.client import OpenAIClient
from madang.adapters.openai.mapping import NAME, mapping_in
from madang.adapters.provider_http.answers import object_in
from madang.ports.errors import Unavailable
from madang.ports.provider import ProviderHealth

API_SECONDS: Final = 10.0


async def reach(client: OpenAIClient, model: str) -> ProviderHealth:
    """Whether the key is taken, and whether the model is among those that it may use."""
    started = time.perf_counter()
    answer = await client.get("check", "/models", API_SECONDS)
    listed = object_in(answer.body).get("data")
    if not isinstance(listed, list):
        raise Unavailable("the answer is no list of models", provider=NAME, operation="check", request_id=answer.request_id)
    offered = {mapping_in(each).get("id") for each in listed}
    detail = f"{model} is offered" if model in offered else f"{model} is not in the list of models"
    return ProviderHealth(True, detail, (time.perf_counter() - started) * 1000)
