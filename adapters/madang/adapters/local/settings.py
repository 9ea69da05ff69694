"""What a deployment may say about storage on its own disk."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LocalSettings:
    """`root` is the folder of the objects; None keeps them in `storage` under the deployment's data folder.

    `max_object_bytes` bounds one object, whoever writes it.
    """

    root: str | None = None
    max_object_bytes: int = 5 * 1024**3
