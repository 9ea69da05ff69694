"""The Gemini API through `google-genai`.

Its client is given our HTTP clients and every setting that it would otherwise take from the environment (`GOOGLE_API_KEY`,
`GOOGLE_GENAI_USE_VERTEXAI`, `GOOGLE_GEMINI_BASE_URL`, `GOOGLE_GENAI_API_VERSION`, `GOOGLE_GENAI_CLIENT_MODE`). It retries
nothing unless `retry_options` are given. It sends follow-up requests of its own, for functions and for answers in several hops,
unless both are turned off.

Source: google-genai 3.4 (`_api_client.py`, `models.py`, `_extra_utils.py`).
"""

import asyncio
import json
import math
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Final

import httpx
from google.genai import errors, types
from google.genai.client import Client, DebugConfig

from madang.adapters.gemini.http import Refused, answers_closed, noting, open_client, server_deadline
from madang.adapters.gemini.mapping import STUMBLES, Unreadable
from madang.adapters.gemini.schema import JSON_SCHEMA, Dialect
from madang.adapters.gemini.settings import GeminiSettings
from madang.adapters.provider_http.certificates import trust

API_VERSION: Final = "v1beta"
_REPLACED: Final = "."
"""The SDK wants contents of its own types, and writes them with `mime_type`, where the API's description says `mimeType`:
`extra_body` replaces them with ours."""


class GenaiSpeaker:
    """Fulfils `Speaker`."""

    def __init__(self, settings: GeminiSettings, *, pictures: bool = False) -> None:
        self._http = open_client(settings, pictures=pictures)
        self._unused = httpx.Client(verify=trust(), trust_env=False)
        self._client = Client(
            vertexai=False,
            api_key=settings.api_key.reveal(),
            debug_config=DebugConfig(client_mode=""),
            http_options=types.HttpOptions(
                base_url=settings.base_url,
                api_version=API_VERSION,
                httpx_async_client=self._http,
                httpx_client=self._unused,
                async_client_args={"ssl": trust()},  # else it reads all certificates again, for its websockets
            ),
        )

    @property
    def dialect(self) -> Dialect:
        return JSON_SCHEMA

    async def generate(self, model: str, document: Mapping[str, Any], timeout: float) -> object:
        config = _config(document, timeout)
        config.should_return_http_response = True
        try:
            async with asyncio.timeout(timeout):
                answer = await self._client.aio.models.generate_content(model=model, contents=_REPLACED, config=config)
        except errors.APIError as error:
            raise _refused(error) from None
        body = answer.sdk_http_response.body if answer.sdk_http_response else None
        return json.loads(body or "")

    async def stream(self, model: str, document: Mapping[str, Any], timeout: float) -> AsyncGenerator[object, None]:
        """The SDK forgets to close an answer that is not read to its end: it is closed here."""
        deadline = asyncio.get_running_loop().time() + timeout
        pieces: Any = await self._client.aio.models.generate_content_stream(
            model=model, contents=_REPLACED, config=_config(document, timeout)
        )
        try:
            async with answers_closed() as answers, aclosing(pieces):
                while True:
                    with noting(answers):
                        async with asyncio.timeout_at(deadline):
                            piece = await anext(pieces, None)
                    if piece is None:
                        return
                    yield piece.model_dump(mode="json", by_alias=True)
        except errors.APIError as error:
            raise _refused(error) from None
        except STUMBLES as error:
            raise Unreadable(type(error).__name__) from None

    async def look_at(self, model: str, timeout: float) -> None:
        options = types.HttpOptions(timeout=_milliseconds(timeout), headers={"X-Server-Timeout": server_deadline(timeout)})
        try:
            async with asyncio.timeout(timeout):
                await self._client.aio.models.get(model=model, config=types.GetModelConfig(http_options=options))
        except errors.APIError as error:
            raise _refused(error) from None
        except STUMBLES as error:
            raise Unreadable(type(error).__name__) from None

    async def close(self) -> None:
        self._unused.close()
        await self._http.aclose()


def _config(document: Mapping[str, Any], timeout: float) -> types.GenerateContentConfig:
    return types.GenerateContentConfig(
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        automatic_continuation=False,
        http_options=types.HttpOptions(
            timeout=_milliseconds(timeout),
            headers={"X-Server-Timeout": server_deadline(timeout)},
            extra_body=dict(document),
        ),
    )


def _milliseconds(timeout: float) -> int:
    return math.ceil(timeout * 1000)


def _refused(error: errors.APIError) -> Refused:
    """Also for an error in the middle of a stream, whose response was a success."""
    headers = httpx.Headers(getattr(error.response, "headers", None))
    return Refused(error.code, headers, json.dumps(error.details).encode())
