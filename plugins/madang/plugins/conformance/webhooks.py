"""What somebody else could send in the place of a genuine webhook."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

from madang.ports.errors import SignatureInvalid
from madang.ports.webhook import WebhookRequest

Sign: TypeAlias = Callable[[datetime], WebhookRequest]
"""Makes the genuine webhook, signed at this time and received now."""

FAR: Final = timedelta(hours=12)


def forgeries(sign: Sign, headers: Sequence[str], *, timed: bool = True) -> Mapping[str, WebhookRequest]:
    """By what is wrong with each. `headers` are those that the signature needs; `timed` says whether it covers the time."""
    now = datetime.now(UTC)
    genuine = sign(now)
    found = {
        "another body": replace(genuine, body=genuine.body + b" "),
        "half a body": replace(genuine, body=genuine.body[: len(genuine.body) // 2]),
        "no body": replace(genuine, body=b""),
        "a body that is no text": replace(genuine, body=b"\xff\xfe" + genuine.body),
        "nothing but the body": replace(genuine, headers={}),
    }
    if timed:
        found |= {"one of long ago": sign(now - FAR), "one from the future": sign(now + FAR)}
    for name in headers:
        value = genuine.headers[name]
        rest = {each: said for each, said in genuine.headers.items() if each != name}
        found[f"no {name}"] = replace(genuine, headers=rest)
        others = {"an empty": "", "a garbled": "v1,%%%", "another": altered(value), "beyond all calendars, a": "9" * 12}
        for words, other in others.items():
            found[f"{words} {name}"] = replace(genuine, headers={**rest, name: other})
    return found


def altered(value: str) -> str:
    """One letter or digit in the middle is another."""
    places = [place for place, each in enumerate(value) if each.isalnum()]
    place = places[len(places) // 2]
    return f"{value[:place]}{'5' if value[place] != '5' else '6'}{value[place + 1 :]}"


def believed(read: Callable[[WebhookRequest], Any], name: str, forged: Mapping[str, WebhookRequest]) -> list[str]:
    """Those that are not refused with `SignatureInvalid` in this provider's name."""
    found = []
    for what, request in forged.items():
        try:
            read(request)
        except SignatureInvalid as error:
            if error.provider == name:
                continue
        found.append(what)
    return found


async def believed_later(
    read: Callable[[WebhookRequest], Awaitable[Any]], name: str, forged: Mapping[str, WebhookRequest]
) -> list[str]:
    """The same of a reader that has to ask somebody."""
    found = []
    for what, request in forged.items():
        try:
            await read(request)
        except SignatureInvalid as error:
            if error.provider == name:
                continue
        found.append(what)
    return found
