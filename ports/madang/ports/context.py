"""What a provider's factory is told about the deployment it runs in."""

from dataclasses import dataclass
from pathlib import Path

from madang.ports.secret import Secret


@dataclass(frozen=True, slots=True)
class ProviderContext:
    """The surroundings of one plugin; the same values in every process of the deployment.

    `base_url` is where clients and providers reach the API, without a trailing slash (`"http://127.0.0.1:8000"`).
    `data_dir` is an existing folder, shared by the processes of one machine: use a sub-folder named like the plugin.
    `signing_key` is derived from the deployment's master key for this plugin alone: two plugins never hold the same one, and
    it signs what the plugin itself must later believe (an upload address, a webhook of its own).
    `environment` is the deployment's name for itself: `"development"`, `"production"`.
    """

    base_url: str
    data_dir: Path
    signing_key: Secret
    environment: str
