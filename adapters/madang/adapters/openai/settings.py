"""What a deployment says about its account at OpenAI, or about a server that speaks OpenAI's API."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from madang.ports.addresses import LOOPBACK, is_safe
from madang.ports.secret import Secret

_OPENAI: Final = "api.openai.com"
_EFFORTS: Final = ("default", "none", "minimal", "low", "medium", "high", "xhigh", "max")
_NAME: Final = re.compile(r"[!-~]{1,200}")


@dataclass(frozen=True)
class OpenAISettings:
    """`api_key` may be left out for a server that wants none. `api` is `responses`, or `chat_completions` for servers that
    speak only that. `model` writes, `image_model` makes pictures. `store` lets OpenAI keep answers for 30 days.
    `reasoning_effort` goes to models that reason (`default`: left to the model). `json_schema`, `vision`, `temperature`,
    `seed` and `max_input_tokens` say what `model` can where its name does not. `keep_pictures` is how many seconds a made
    picture waits on this machine to be fetched. `proxy` is the address of an HTTP proxy; the environment's is not used."""

    api_key: Secret | None = None
    model: str = "gpt-5.6-luna"
    image_model: str = "gpt-image-2.5-flare"
    api: str = "responses"
    base_url: str = f"https://{_OPENAI}/v1"
    organization: str | None = None
    project: str | None = None
    reasoning_effort: str = "low"
    store: bool = False
    json_schema: bool | None = None
    vision: bool | None = None
    temperature: bool | None = None
    seed: bool | None = None
    max_input_tokens: int | None = None
    image_format: str = "jpeg"
    image_quality: str | None = None
    keep_pictures: float = 3600.0
    proxy: Secret | None = None

    def __post_init__(self) -> None:
        self._check_address()
        if self.api not in ("responses", "chat_completions"):
            raise ValueError("api is responses or chat_completions")
        if self.reasoning_effort not in _EFFORTS:
            raise ValueError(f"reasoning_effort is one of {', '.join(_EFFORTS)}")
        if self.image_format not in ("jpeg", "png", "webp"):
            raise ValueError("image_format is jpeg, png or webp")
        for name in ("model", "image_model", "organization", "project"):
            if not _NAME.fullmatch(getattr(self, name) or "-"):
                raise ValueError(f"{name} holds a space, a line break or another character that no name has")
        if not 60 <= self.keep_pictures <= 86_400:
            raise ValueError("keep_pictures is 60 to 86400 seconds")

    def _check_address(self) -> None:
        if not is_safe(self.base_url, plain_http=True):
            raise ValueError("base_url is not an address such as https://api.openai.com/v1")
        parts = urlsplit(self.base_url)
        if self.api_key is None:
            if parts.hostname == _OPENAI:
                raise ValueError(f"api_key is required for {_OPENAI}")
            return
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise ValueError("base_url is without TLS, and api_key would be read on the way")
        if not re.fullmatch(r"[!-~]+", self.api_key.reveal()):
            raise ValueError("api_key holds a character that no key has, such as a line break")
