"""Pages from templates: escaped, in the reader's language, under a policy that names every place a picture may come from."""

from collections.abc import Collection
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from madang.entrypoints.http.answers import HTML, Answer
from madang.entrypoints.http.envelope import zone
from madang.entrypoints.http.language import Language, catalogue

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES: Final = str(files(__package__).joinpath("templates"))
_USUAL: Final = {"refresh": None, "site": None, "other_language_link": None, "has_other_language": True}


@cache
def _templates() -> "Environment":
    """Loaded with the first page: many API processes never show one."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def page(template: str, language: Language, *, status: int = 200, pictures_from: Collection[str] = (), **values: Any) -> Answer:
    """A page. `pictures_from` are addresses whose origins may be shown; `site` is whose page it is, where it is none of the
    portraits', and `other_language_link` where its other language is, where that needs more than `lang`.

    Without the `same-origin` referrer policy browsers send `Origin: null` with a form.
    """
    words = catalogue("pages", language)
    html = _templates().get_template(template).render(t=words, language=language, **{**_USUAL, **values})
    headers = [
        (b"content-security-policy", _policy(pictures_from).encode("latin-1")),
        (b"content-language", language.encode()),
        (b"referrer-policy", b"same-origin"),
        (b"vary", b"accept-language, cookie"),
    ]
    return Answer(status, html.encode(), HTML, headers)


def notice(
    language: Language,
    name: str,
    mark: str,
    *,
    status: int = 200,
    lead: str | None = None,
    lines: Collection[str] = (),
    link: str | None = None,
    progress: int | None = None,
    refresh: int | None = None,
) -> Answer:
    """A page that says one thing: the texts `<name>_title` and `<name>_lead`, and what is given besides."""
    words = catalogue("pages", language)
    return page(
        "notice.html",
        language,
        status=status,
        title=words[f"{name}_title"],
        lead=lead if lead is not None else words[f"{name}_lead"],
        mark=mark,
        lines=lines,
        link=link,
        link_text=words["pay_again"],
        progress=progress,
        refresh=refresh,
    )


def clock_time(moment: datetime, timezone: str, *, now: datetime | None = None) -> str:
    """`2026-01-05 14:05 KST`; for a reader who has `now`, `01-05 14:05 KST`, and today `14:05 KST`."""
    local = moment.astimezone(zone(timezone))
    if now is None:
        return f"{local:%Y-%m-%d %H:%M} {local.tzname()}"
    is_today = now.astimezone(zone(timezone)).date() == local.date()
    return f"{local:%H:%M} {local.tzname()}" if is_today else f"{local:%m-%d %H:%M} {local.tzname()}"


def _policy(pictures_from: Collection[str]) -> str:
    origins = sorted({f"{parts.scheme}://{parts.netloc}" for parts in map(urlsplit, pictures_from) if parts.netloc})
    pictures = " ".join(["'self'", *(origin for origin in origins if not set(origin) & set(" ;,'\""))])
    return (
        f"default-src 'none'; style-src 'self'; img-src {pictures}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
