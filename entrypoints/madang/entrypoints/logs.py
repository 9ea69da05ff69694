"""One way to log for a whole process: structlog in front and the standard library's loggers (granian, arq, alembic) behind it.

A line is a JSON object, or console style when a person looks. Each names its process and the request that it serves. Values
that could be secret or personal do not get through, whoever logs them.
"""

import logging
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Literal, TextIO

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor, WrappedLogger

from madang.core.kernel.request_context import request_id
from madang.ports.secret import Secret

LogFormat = Literal["auto", "json", "console"]

HIDDEN: Final = "[hidden]"
_TELLING_KEYS: Final = re.compile(
    r"(?i)(secret|password|passwd|token|authorization|cookie|api_?key|signature|phone|recipient|e?mail|photo|dsn)$"
)
# Strangers write what is searched here (paths, messages), so each pattern reads a text once: none begins with a repetition,
# and what is found is taken whole and judged afterwards.
_ADDRESS: Final = re.compile(r"://[^\s\"'<>]+")
_USER: Final = re.compile(r"://[^\s/@:]*:")
_CREDENTIALS_IN_QUERY: Final = re.compile(
    r"(?P<name>(?:secret|password|passwd|token|signature|api_?key)=)[\"']?[^\s&\"'<>]+", re.IGNORECASE
)
_TOKENS_IN_TEXT: Final = re.compile(r"eyJ[\w.-]*|(?i:\bbearer )\S+")
_QUIET: Final = ("httpx", "httpcore", "asyncio", "PIL", "multipart", "arq", "alembic.runtime.plugins", "alembic.ddl")


def configure_logs(
    *, level: str = "info", log_format: LogFormat = "auto", process: str = "", stream: TextIO | None = None
) -> None:
    """Set up this process, once at its start. `process` (`"api"`) is on every line; `stream` is standard error by default."""
    stream = stream or sys.stderr
    console = log_format == "console" or (log_format == "auto" and stream.isatty())
    shared = _shared_processors(process)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(console, stream)],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    _route_everything_to(handler, level.upper())


def standard_logging_untouched() -> dict[str, Any]:
    """A `logging.config` dictionary for a server that insists on configuring logging itself: it changes no handler."""
    return {
        "version": 1,
        "incremental": True,
        "disable_existing_loggers": False,
        "formatters": {},
        "handlers": {},
        "loggers": {},
    }


def _shared_processors(process: str) -> list[Processor]:
    def name_the_process(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        if process:
            event.setdefault("process", process)
        return event

    return [
        structlog.contextvars.merge_contextvars,
        name_the_request,
        name_the_process,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
        hide_what_is_not_for_logs,
    ]


def _renderers(console: bool, stream: TextIO) -> list[Processor]:
    if console:
        return [
            _hide_in_exception,
            structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback),
        ]
    transformer = ExceptionDictTransformer(show_locals=False, max_frames=20)
    return [
        structlog.processors.ExceptionRenderer(transformer),
        hide_what_is_not_for_logs,
        structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
    ]


def _route_everything_to(handler: logging.Handler, level: str) -> None:
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(True)


def name_the_request(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """The request's id, also in a worker that acts because of it."""
    if identifier := request_id.get():
        event.setdefault("request_id", identifier)
    return event


def hide_what_is_not_for_logs(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Secrets, raw bytes and anything under a telling key become a mark; credentials inside text are cut out."""
    return {
        key: value if key in ("exc_info", "_record", "_from_structlog") else _shown(key, value) for key, value in event.items()
    }


def _shown(key: str, value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if _is_telling(key) or isinstance(value, Secret | bytes | bytearray | memoryview) or hasattr(value, "get_secret_value"):
        return HIDDEN
    if isinstance(value, str):
        return without_credentials(value)
    if isinstance(value, Mapping):
        return {str(name): _shown(str(name), item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_shown("", item) for item in value]
    return without_credentials(str(value))


@lru_cache(maxsize=1024)
def _is_telling(key: str) -> bool:
    return _TELLING_KEYS.search(key) is not None


def without_credentials(text: str) -> str:
    """The text without passwords in addresses, without signatures of presigned ones, and without tokens."""
    if "://" in text:
        text = _ADDRESS.sub(_without_password, text)
    if "=" in text:
        text = _CREDENTIALS_IN_QUERY.sub(rf"\g<name>{HIDDEN}", text)
    return _TOKENS_IN_TEXT.sub(_without_token, text) if " " in text or "eyJ" in text else text


def _without_password(address: re.Match[str]) -> str:
    """Up to the last at-sign: people forget to escape one, or a slash, in a password."""
    written = address[0]
    end = written.rfind("@")
    user = _USER.search(written, 0, end) if end > 0 else None
    return written if user is None else f"{written[: user.start()]}://{HIDDEN}{written[end:]}"


def _without_token(found: re.Match[str]) -> str:
    """Three parts make a token; other words begin like one."""
    written = found[0]
    return written if written.startswith("eyJ") and written.count(".") < 2 else HIDDEN


def _hide_in_exception(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """Render the traceback as text early, so that it passes the same gate as everything else."""
    rendered = structlog.processors.format_exc_info(logger, name, event)
    if isinstance(text := rendered.get("exception"), str):
        rendered["exception"] = without_credentials(text)
    return rendered
