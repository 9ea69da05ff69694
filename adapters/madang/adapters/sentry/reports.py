"""Unexpected errors for Sentry: their types and where in our code they came up, and nothing of what was being worked on.

None of the SDK's integrations is on, so it sees no request, no log line and no variable. The text of an exception may hold what
somebody sent to us, and stays here, with the rest that an event could carry: only what is named in `_KEPT` goes out.
"""

from collections.abc import Mapping
from typing import Any, Final

import sentry_sdk
from sentry_sdk.types import Event, Hint
from sentry_sdk.utils import BadDsn, event_from_exception

from madang.ports.errors import Misconfigured

_LAST_WORDS_SECONDS: Final = 3.0
_KEPT: Final = frozenset(
    {
        "event_id",
        "timestamp",
        "platform",
        "level",
        "exception",
        "logger",
        "tags",
        "release",
        "environment",
        "server_name",
        "sdk",
    }
)
_KEPT_OF_A_FRAME: Final = frozenset(
    {"filename", "abs_path", "function", "module", "lineno", "pre_context", "context_line", "post_context", "in_app"}
)


class SentryReports:
    """`dsn` names the project. Raises `Misconfigured` for one that cannot be read, without repeating it."""

    def __init__(self, dsn: str, *, environment: str, release: str) -> None:
        try:
            self._client = sentry_sdk.Client(
                dsn=dsn,
                environment=environment,
                release=release,
                before_send=_without_what_is_private,
                default_integrations=False,
                auto_enabling_integrations=False,
                auto_session_tracking=False,
                send_client_reports=False,
                include_local_variables=False,
                max_request_body_size="never",
                max_breadcrumbs=0,
                in_app_include=["madang"],
            )
        except BadDsn:
            raise Misconfigured("sentry_dsn cannot be read: write it as Sentry shows it", operation="sentry") from None

    def report(self, error: BaseException, *, level: str, where: str, tags: Mapping[str, str]) -> None:
        """Never waits: a thread of the SDK sends it. `where` is the logger's name, `tags` are ids and words."""
        event, hint = event_from_exception(error, client_options=self._client.options)
        event.update({"level": level, "logger": where, "tags": dict(tags)})  # type: ignore[typeddict-item]
        self._client.capture_event(event, hint)

    def close(self) -> None:
        """Waits a moment for what was not sent yet."""
        self._client.close(timeout=_LAST_WORDS_SECONDS)


def _without_what_is_private(event: Event, hint: Hint) -> Event:
    kept: dict[str, Any] = {name: value for name, value in event.items() if name in _KEPT}
    for exception in kept.get("exception", {}).get("values", ()):
        exception["value"] = ""
        frames = (exception.get("stacktrace") or {}).get("frames", ())
        for frame in frames:
            for name in [name for name in frame if name not in _KEPT_OF_A_FRAME]:
                del frame[name]
    return kept  # type: ignore[return-value]
