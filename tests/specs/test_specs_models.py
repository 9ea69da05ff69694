"""What the text and picture models send, against their providers' own descriptions."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from madang.adapters.gemini.image_model import GeminiImageModel
from madang.adapters.gemini.settings import GENAI, LEGACY, GeminiSettings
from madang.adapters.gemini.text_model import GeminiTextModel
from madang.adapters.openai.image_model import OpenAIImageModel
from madang.adapters.openai.settings import OpenAISettings
from madang.adapters.openai.text_model import OpenAITextModel
from madang.adapters.replicate.image_model import ReplicateImageModel
from madang.adapters.replicate.settings import ReplicateSettings
from madang.ports.context import ProviderContext
from madang.ports.image_model import PictureRequest
from madang.ports.secret import Secret
from madang.ports.text_model import Picture, PromptMessage, Role, TextModel, TextRequest
from specs.prism import Recorder
from specs.saying import said

KEY = Secret("test-key-not-secret")
PHOTO = Picture(b"\xff\xd8\xff\xe0 a photo \xff\xd9")
TALK = [
    PromptMessage(Role.SYSTEM, "You describe portraits."),
    PromptMessage(Role.USER, "Who is this?"),
    PromptMessage(Role.ASSISTANT, "Show me."),
    PromptMessage(Role.USER, "Here: <&>\n둘째 줄", [PHOTO, replace(PHOTO, media_type="image/png")]),
]
SCHEMA = {
    "type": "object",
    "properties": {"faces": {"type": "integer", "minimum": 0}, "words": {"type": "array", "items": {"type": "string"}}},
    "required": ["faces"],
}
TEXT = TextRequest([PromptMessage(Role.USER, "hello")], "text-1")
PICTURE = PictureRequest("a portrait in the courtyard", "picture-1", 7)


def either_kind_of_message(description: dict[str, Any]) -> None:
    """A user's message with pictures fits two kinds of `InputItem` at once, and the description wants exactly one."""
    for name in ("InputItem", "Item"):
        kind = description["components"]["schemas"][name]
        kind["anyOf"] = kind.pop("oneOf")


@pytest.fixture(scope="module")
def openai(mocked: Any) -> Iterator[Recorder]:
    with mocked("openai", "/v1", either_kind_of_message) as recorder:
        yield recorder


def as_google_takes_it(description: dict[str, Any]) -> None:
    """The older SDK sends an enum's number, as Protocol Buffers allow in JSON (`enum-encoding=int`), and streams without `alt`,
    as a JSON list; the description only knows names and `alt=sse`."""
    kind = description["components"]["schemas"]["ApiSchema"]["properties"]["type"]
    kind |= {"type": ["string", "integer"]}
    for parameter in description["paths"]["/v1beta/models/{model}:streamGenerateContent"]["post"]["parameters"]:
        parameter["required"] = parameter["in"] == "path"


@pytest.fixture(scope="module")
def gemini(mocked: Any) -> Iterator[Recorder]:
    with mocked("gemini", mend=as_google_takes_it) as recorder:
        yield recorder


@pytest.fixture(scope="module")
def replicate(mocked: Any) -> Iterator[Recorder]:
    with mocked("replicate", "/v1") as recorder:
        yield recorder


async def streamed(provider: TextModel, request: TextRequest) -> None:
    async for _ in provider.stream(request):
        pass


@pytest.mark.parametrize("api", ["responses", "chat_completions"])
@pytest.mark.parametrize("model", ["gpt-5.6-luna", "gpt-4o"])
async def test_openai_gets_texts_as_it_describes(openai: Recorder, context: ProviderContext, api: str, model: str) -> None:
    settings = OpenAISettings(KEY, model=model, api=api, base_url=openai.base_url, organization="org-1", project="proj_1")
    provider = OpenAITextModel(settings, context)
    wishes = replace(TEXT, temperature=0.5, seed=7, max_output_tokens=100)
    await said(
        provider,
        openai,
        {
            "a question": partial(provider.generate, TEXT),
            "a talk with pictures": partial(provider.generate, replace(TEXT, messages=TALK)),
            "wishes": partial(provider.generate, wishes),
            "a schema": partial(provider.generate, replace(TEXT, schema=SCHEMA, schema_name="looks")),
            "something extra": partial(provider.generate, replace(TEXT, extra={"metadata": {"product": "portraits"}})),
            "a stream": partial(streamed, provider, replace(TEXT, messages=TALK, schema=SCHEMA)),
            "a check": provider.check,
        },
    )


@pytest.mark.parametrize("model", ["gpt-image-2.5-sunburst", "gpt-image-1", "dall-e-2"])
async def test_openai_gets_pictures_as_it_describes(openai: Recorder, context: ProviderContext, model: str) -> None:
    provider = OpenAIImageModel(OpenAISettings(KEY, image_model=model, base_url=openai.base_url), context)
    sized = replace(PICTURE, width=1024, height=1024)
    await said(
        provider,
        openai,
        {
            "a picture": partial(provider.start, PICTURE),
            "a size": partial(provider.start, replace(sized, idempotency_key="picture-2")),
            "more than one": partial(provider.start, replace(PICTURE, count=2, idempotency_key="picture-3")),
            "a photo": partial(provider.start, replace(sized, picture=PHOTO, idempotency_key="picture-4")),
            "something extra": partial(provider.start, replace(PICTURE, extra={"user": "u-1"}, idempotency_key="picture-5")),
            "a check": provider.check,
        },
    )


@pytest.mark.parametrize("sdk", [GENAI, LEGACY])
async def test_gemini_gets_texts_as_it_is_described(gemini: Recorder, context: ProviderContext, sdk: str) -> None:
    """By a description of others: Google publishes none of this API."""
    provider = GeminiTextModel(GeminiSettings(KEY, sdk=sdk, base_url=gemini.base_url), context)
    extra = {"generationConfig": {"topP": 0.9}}
    await said(
        provider,
        gemini,
        {
            "a question": partial(provider.generate, TEXT),
            "a talk with pictures": partial(provider.generate, replace(TEXT, messages=TALK)),
            "wishes": partial(provider.generate, replace(TEXT, temperature=0.5, seed=7, max_output_tokens=100)),
            "a schema": partial(provider.generate, replace(TEXT, schema=SCHEMA, schema_name="looks")),
            "something extra": partial(provider.generate, replace(TEXT, extra=extra)),
            "a stream": partial(streamed, provider, replace(TEXT, messages=TALK, schema=SCHEMA)),
            "a check": provider.check,
        },
    )


async def test_gemini_gets_pictures_as_it_is_described(gemini: Recorder, context: ProviderContext) -> None:
    provider = GeminiImageModel(GeminiSettings(KEY, sdk=GENAI, base_url=gemini.base_url), context)
    sized = replace(PICTURE, width=768, height=1024)
    await said(
        provider,
        gemini,
        {
            "a picture": partial(provider.start, PICTURE),
            "a size": partial(provider.start, replace(sized, idempotency_key="picture-2")),
            "a photo": partial(provider.start, replace(PICTURE, picture=PHOTO, idempotency_key="picture-3")),
            "a check": provider.check,
        },
    )


async def test_replicate_gets_what_it_describes(replicate: Recorder, context: ProviderContext) -> None:
    official = ReplicateSettings(
        KEY, base_url=replicate.base_url, webhook_secret=Secret("whsec_dGVzdC1zZWNyZXQtbm90LWEtcmVhbC1vbmU=")
    )
    version = replace(official, model=f"owner/name:{'0' * 64}", picture_is_list=True, count_input="num_outputs", max_count=4)
    for settings in (official, version):
        provider = ReplicateImageModel(settings, context)
        announced = replace(PICTURE, webhook_url="https://madang.example/api/v1/webhooks/image/replicate")
        large = replace(PHOTO, data=PHOTO.data + bytes(300_000))
        await said(
            provider,
            replicate,
            {
                "a picture": partial(provider.start, PICTURE),
                "a photo": partial(provider.start, replace(PICTURE, picture=PHOTO)),
                "a large photo": partial(provider.start, replace(PICTURE, picture=large)),
                "a size": partial(provider.start, replace(PICTURE, width=768, height=1024)),
                "as many as it makes": partial(provider.start, replace(PICTURE, count=settings.max_count)),
                "an announcement": partial(provider.start, announced),
                "something extra": partial(provider.start, replace(PICTURE, extra={"safety_tolerance": 2})),
                "a look-up": partial(provider.fetch, "ufawqhfynnddngldkgtslldrkq"),
                "an end": partial(provider.cancel, "ufawqhfynnddngldkgtslldrkq"),
                "a check": provider.check,
            },
        )


async def test_prism_would_notice_a_wrong_request(
    openai: Recorder, gemini: Recorder, replicate: Recorder, context: ProviderContext
) -> None:
    """A description that Prism cannot compile accepts everything and says nothing."""
    bad_input = {"input": [{"role": "user", "content": [{"type": "input_picture"}]}]}
    for api, wrong in (("responses", bad_input), ("chat_completions", {"messages": "hello"})):
        text = OpenAITextModel(OpenAISettings(KEY, api=api, base_url=openai.base_url), context)
        await said(text, openai, {api: partial(text.generate, replace(TEXT, extra=wrong))}, wrong=True)
    pictures = OpenAIImageModel(OpenAISettings(KEY, base_url=openai.base_url), context)
    several = replace(PICTURE, extra={"n": "two"})
    await said(pictures, openai, {"two in words": partial(pictures.start, several)}, wrong=True)
    google = GeminiTextModel(GeminiSettings(KEY, sdk=GENAI, base_url=gemini.base_url), context)
    seeds = replace(TEXT, extra={"generationConfig": {"seed": "seven"}})
    await said(google, gemini, {"a seed in words": partial(google.generate, seeds)}, wrong=True)
    settings = ReplicateSettings(KEY, model=f"owner/name:{'0' * 64}", base_url=replicate.base_url)
    other = ReplicateImageModel(settings, context)
    await said(other, replicate, {"events that are none": partial(_announced_wrongly, other)}, wrong=True)


async def _announced_wrongly(model: ReplicateImageModel) -> None:
    wanted = {"input": {"prompt": "x"}, "webhook_events_filter": ["sometimes"]}
    await model._client.call("start", 10.0, partial(model._create, wanted), acts=True)
