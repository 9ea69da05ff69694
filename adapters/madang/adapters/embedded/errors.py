"""What may go wrong with a server that we run ourselves."""

from pathlib import Path


class EmbeddedServerError(Exception):
    """An embedded server cannot be started. The message is one sentence for a person; `log` says where to read on."""

    def __init__(self, message: str, *, log: Path | None = None) -> None:
        super().__init__(f"{message} (its log: {log})" if log else message)
        self.log = log
