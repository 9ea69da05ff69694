"""Reading and sending the forms of a web page, as a browser would."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx

from madang.entrypoints.cli.deployment import CliError


@dataclass(slots=True)
class WebForm:
    """`fields` as the page fills them; `buttons` are (name, value) of what submits it."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[WebForm] = []
        self._open: WebForm | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = WebForm(given.get("action", ""), given.get("method", "get").upper())
            self.forms.append(self._open)
        elif self._open is not None and tag in ("input", "button", "select", "textarea"):
            _add(self._open, tag, given)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None


def _add(form: WebForm, tag: str, given: Mapping[str, str]) -> None:
    kind = given.get("type", "submit" if tag == "button" else "text").lower()
    name, value = given.get("name", ""), given.get("value", "")
    if kind in ("submit", "image"):
        form.buttons.append((name, value))
    elif name and (kind not in ("checkbox", "radio") or "checked" in given):
        form.fields[name] = value


def forms_of(page: str) -> Sequence[WebForm]:
    """The forms of an HTML page, in order."""
    parser = _Forms()
    parser.feed(page)
    return parser.forms


async def submit(
    client: httpx.AsyncClient,
    page: httpx.Response,
    *,
    wanted: Callable[[WebForm], bool],
    filled: Mapping[str, str] | None = None,
    button: tuple[str, str] | None = None,
) -> httpx.Response:
    """Send the first form that is `wanted`, with some fields filled in. Raises `CliError` where there is none."""
    form = next((form for form in forms_of(page.text) if wanted(form)), None)
    if form is None:
        raise CliError(f"the page {page.url} has no such form")
    data = {**form.fields, **(filled or {})}
    if button is not None and button[0]:
        data[button[0]] = button[1]
    address = urljoin(str(page.url), form.action)
    origin = {"Origin": f"{page.url.scheme}://{page.url.netloc.decode()}", "Referer": str(page.url)}
    if form.method == "GET":
        return await client.get(address, params=data, headers=origin)
    return await client.post(address, data=data, headers=origin)
