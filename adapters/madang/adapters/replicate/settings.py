"""What a deployment says about its account at Replicate, and about the model that it runs there."""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from madang.ports.addresses import require_safe
from madang.ports.secret import Secret
from madang.ports.signing_secrets import is_signing_secret

_MODEL: Final = re.compile(r"[\w.-]+/[\w.-]+(:[0-9a-f]{64})?", re.ASCII)
_ASPECT: Final = re.compile(r"[1-9]\d?:[1-9]\d?")
_MIN_CANCEL_AFTER: Final = 5

ASPECTS: Final = ("1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3", "4:5", "5:4", "21:9", "9:21", "2:1", "1:2")
"""Those of `black-forest-labs/flux-kontext-pro`."""


@dataclass(frozen=True)
class ReplicateSettings:
    """`api_key` (`r8_…`); `model` is `owner/name` of an official model, or `owner/name:version` of any other.

    Every model names its inputs itself: `…_input` is this one's name for what is asked, and empty for what it does not know.
    The photo goes in as a list where `picture_is_list`. A size goes in as `width_input` and `height_input`, or as its shape
    (`aspect_input`, one of `aspects`). `output_format` is what the model calls the format that is wanted, and `more_inputs` a
    JSON object with whatever else it takes, the same for every picture.

    `webhook_secret` (`whsec_…`) makes what Replicate announces believable; without it nothing is announced. A prediction that
    runs longer than `cancel_after` seconds is ended by Replicate. `delivery_hosts` serve the finished pictures, they and their
    subdomains. `proxy` is the address of an HTTP proxy; the environment's is not used."""

    api_key: Secret
    model: str = "black-forest-labs/flux-kontext-pro"
    prompt_input: str = "prompt"
    picture_input: str = "input_image"
    picture_is_list: bool = False
    seed_input: str = "seed"
    width_input: str = ""
    height_input: str = ""
    aspect_input: str = "aspect_ratio"
    aspects: tuple[str, ...] = ASPECTS
    format_input: str = "output_format"
    output_format: str = "jpg"
    count_input: str = ""
    max_count: int = 1
    more_inputs: str = "{}"
    webhook_secret: Secret | None = None
    cancel_after: int = 900
    base_url: str = "https://api.replicate.com/v1"
    delivery_hosts: tuple[str, ...] = ("replicate.delivery",)
    proxy: Secret | None = None

    def __post_init__(self) -> None:
        self._check_account()
        if not _MODEL.fullmatch(self.model):
            raise ValueError("model is owner/name or owner/name:version, the version with its 64 characters")
        if not self.prompt_input:
            raise ValueError("prompt_input is empty: every model of pictures takes a prompt")
        if bool(self.width_input) != bool(self.height_input):
            raise ValueError("width_input and height_input go together")
        if not all(_ASPECT.fullmatch(each) for each in self.aspects):
            raise ValueError("aspects are of the form 3:4")
        if self.max_count < 1 or (self.max_count > 1 and not self.count_input):
            raise ValueError("max_count is 1 unless count_input names the model's input for it")
        if self.cancel_after < _MIN_CANCEL_AFTER:
            raise ValueError("cancel_after is at least 5 seconds")
        self.constant_inputs()

    def constant_inputs(self) -> dict[str, Any]:
        """What `more_inputs` holds. Raises `ValueError` for what is no JSON object."""
        try:
            inputs = json.loads(self.more_inputs)
        except (ValueError, RecursionError):
            inputs = None
        if not isinstance(inputs, dict):
            raise ValueError("more_inputs is no JSON object")
        return inputs

    def _check_account(self) -> None:
        require_safe("base_url", self.base_url)
        if not re.fullmatch(r"[!-~]+", self.api_key.reveal()):
            raise ValueError("api_key holds a character that no key has, such as a line break")
        if self.webhook_secret is not None and not is_signing_secret(self.webhook_secret):
            raise ValueError("webhook_secret is whsec_ and base64")
        if not all(re.fullmatch(r"[a-z0-9.-]+(:\d{1,5})?", each) for each in self.delivery_hosts):
            raise ValueError("delivery_hosts are names of hosts, without https://")
