"""Looks for a secret wherever a log, an error tracker, a debugger or a scrape of metrics would show it."""

import logging
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from logging import Formatter, LogRecord
from typing import Final
from urllib.parse import urlsplit

import pytest

_FORMAT: Final = Formatter("%(name)s %(message)s")
_SHORTEST: Final = 8


def listen_to_everything(caplog: pytest.LogCaptureFixture) -> None:
    """Records of every level, also of the loggers that were given one of their own."""
    caplog.set_level(logging.DEBUG)
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and logger.level > logging.DEBUG:
            caplog.set_level(logging.DEBUG, name)


def parts_of(secrets: Iterable[str]) -> set[str]:
    """What may show nowhere: the secrets, and of one that is an address its path, which is where its secret is."""
    found = set(secrets)
    for secret in secrets:
        if "://" in secret:
            found.add(urlsplit(secret).path.strip("/"))
    assert all(len(each) >= _SHORTEST for each in found), f"give secrets of at least {_SHORTEST} characters in settings()"
    return found


def texts_of_error(error: BaseException) -> Iterator[str]:
    """Everything that could be made of it, its causes and its traceback included."""
    yield "".join(traceback.format_exception(error))
    seen: BaseException | None = error
    while seen is not None:
        yield from (repr(seen), str(seen), repr(vars(seen)))
        if context := getattr(seen, "context", None):
            yield repr(context())
        seen = seen.__cause__ or seen.__context__


def texts_of_record(record: LogRecord) -> Iterator[str]:
    """The line, and what it was made of: structured handlers store the parts."""
    yield _FORMAT.format(record)
    yield repr(vars(record))


def texts_of_metrics() -> Iterator[str]:
    """What a scrape of this process would tell: names, help texts and labels.

    Whoever counts something has loaded the library. It is not loaded for this: the kit works without it.
    """
    library = sys.modules.get("prometheus_client")
    for metric in library.REGISTRY.collect() if library is not None else ():
        yield f"{metric.name} {metric.documentation}"
        for sample in metric.samples:
            labels = {**sample.labels, **(sample.exemplar.labels if sample.exemplar else {})}
            yield " ".join([sample.name, *labels, *labels.values()])


def texts_of_object(root: object, packages: tuple[str, ...]) -> Iterator[str]:
    """The `repr` of an object and of what it holds, as far as these are objects of `packages`, with the plain texts in them."""
    waiting, known = [root], set[int]()
    while waiting:
        each = waiting.pop()
        if id(each) in known:
            continue
        known.add(id(each))
        if isinstance(each, str | bytes):
            yield repr(each)
        elif isinstance(each, Mapping):
            waiting += [*each.keys(), *each.values()]
        elif isinstance(each, list | tuple | set | frozenset):
            waiting += each
        elif type(each).__module__.startswith(packages):
            yield repr(each)
            waiting += _held_by(each)


def _held_by(owner: object) -> list[object]:
    held = list(getattr(owner, "__dict__", {}).values())
    slots = [slot for each in type(owner).__mro__ for slot in _slots(each)]
    return held + [getattr(owner, slot) for slot in slots if hasattr(owner, slot)]


def _slots(kind: type) -> tuple[str, ...]:
    if kind.__module__ == "madang.ports.secret":
        return ()
    slots = vars(kind).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)
