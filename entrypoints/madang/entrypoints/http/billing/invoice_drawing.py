"""An invoice as a page and as a PDF, with what lets a reader keep it: it never changes."""

import hashlib
from typing import Final

from madang.core.billing.invoices.reading import InvoiceView, file_name
from madang.entrypoints.http.answers import HTML, Answer
from madang.entrypoints.http.composition import HttpSettings
from madang.entrypoints.http.envelope import api_version
from madang.entrypoints.http.exchange import RawHeaders
from madang.entrypoints.http.language import Language
from madang.entrypoints.http.media_types import PDF
from madang.entrypoints.http.pages.rendering import page

_VARY: Final = (b"vary", b"accept, accept-language, authorization, x-api-key")
_KEEP: Final = (b"cache-control", b"private, max-age=31536000, immutable")


def unchanged(if_none_match: str | None, view: InvoiceView, language: Language, media_type: str) -> Answer | None:
    """`304 Not Modified` for a reader who has it already."""
    tags = {part.strip().removeprefix("W/") for part in (if_none_match or "").split(",")[:20]}
    if "*" not in tags and _tag(view, language, media_type) not in tags:
        return None
    return Answer(304, b"", HTML, _kept(view, language, media_type))


def pdf_answer(view: InvoiceView, language: Language, body: bytes) -> Answer:
    """Shown by a browser, and saved under the document's number."""
    named = f'inline; filename="{file_name(view.invoice)}"'.encode("ascii")
    return Answer(200, body, PDF, [(b"content-disposition", named), *_kept(view, language, PDF)])


def html_answer(view: InvoiceView, language: Language, settings: HttpSettings, *, other: str | None, pdf: str | None) -> Answer:
    """`other` is the address of the page in the other language, `pdf` that of the printed document."""
    answer = page(
        "invoice.html",
        language,
        sheet=view.sheet(language, settings.timezone),
        site=settings.brand,
        other_language_link=other,
        has_other_language=other is not None,
        pdf=pdf,
    )
    usual = [header for header in answer.headers or () if header[0] != b"vary"]
    answer.headers = [*usual, *_kept(view, language, "text/html")]
    return answer


def _kept(view: InvoiceView, language: Language, media_type: str) -> RawHeaders:
    return [(b"etag", _tag(view, language, media_type).encode("ascii")), _KEEP, _VARY]


def _tag(view: InvoiceView, language: Language, media_type: str) -> str:
    """Of these very bytes: another release may draw otherwise, and a buyer may have been forgotten."""
    drawn = (view.invoice.content_hash, language, media_type, api_version(), view.buyer.name, view.buyer.email)
    return f'"{hashlib.sha256(repr(drawn).encode()).hexdigest()[:32]}"'
