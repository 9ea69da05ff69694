"""The zip of a finished job, made while it is sent: pictures are stored as they are, for they are compressed already."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Final
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from madang.core.portraits.model import CareEntry, Locale, Report, StoredFile
from madang.core.portraits.results import PortraitResult
from madang.entrypoints.http.language import catalogue
from madang.ports.storage import StoredObject

MEDIA_TYPE: Final = "application/zip"
OpenFile = Callable[[str], Awaitable[StoredObject]]


class _Sink:
    """A file that cannot seek: what is written waits here until it is sent."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def write(self, data: bytes, /) -> int:
        self._waiting += data
        return len(data)

    def flush(self) -> None:
        """Nothing is held back: `take` hands out all of it."""

    def close(self) -> None:
        """Nothing to close."""

    def take(self) -> bytes:
        taken = bytes(self._waiting)
        self._waiting.clear()
        return taken


async def zip_of(
    result: PortraitResult, files: Sequence[tuple[str, StoredFile]], open_file: OpenFile, made_at: datetime
) -> AsyncIterator[bytes]:
    """The archive piece by piece; never more of it in memory than one piece of one picture."""
    sink = _Sink()
    with ZipFile(sink, "w", ZIP_STORED) as archive:
        for name, text in _documents(result).items():
            archive.writestr(_entry(name, made_at), text.encode())
        for name, file in files:
            stored = await open_file(file.key)
            with archive.open(_entry(name, made_at), "w") as target:
                async for chunk in stored.chunks:
                    target.write(chunk)
                    yield sink.take()
    yield sink.take()


def _entry(name: str, made_at: datetime) -> ZipInfo:
    entry = ZipInfo(name, made_at.timetuple()[:6])
    entry.external_attr = 0o644 << 16
    return entry


def _documents(result: PortraitResult) -> Mapping[str, str]:
    return {
        "report.json": json.dumps(_as_data(result.report, result.care), ensure_ascii=False, indent=2),
        "report.txt": report_text(result.report, result.care, result.portrait.locale),
    }


def _as_data(report: Report, care: Mapping[str, CareEntry]) -> Mapping[str, object]:
    improvements = [
        {
            "area": item.area,
            "description": item.description,
            "recommendations": [_care_data(care[code]) for code in item.recommendations if code in care],
        }
        for item in report.improvements
    ]
    return {
        "summary": report.summary,
        "improvements": improvements,
        "timeline": report.timeline,
        "estimatedCost": report.estimated_cost,
    }


def _care_data(entry: CareEntry) -> Mapping[str, object]:
    return {
        "code": entry.code,
        "title": {"ko": entry.title_ko, "en": entry.title_en},
        "description": {"ko": entry.description_ko, "en": entry.description_en},
        "weeks": [entry.weeks_min, entry.weeks_max],
        "costInWon": [entry.cost_min, entry.cost_max],
    }


def report_text(report: Report, care: Mapping[str, CareEntry], locale: Locale) -> str:
    """The report for reading, in the buyer's language."""
    words = catalogue("pages", locale)
    lines = [words["report"], "", report.summary, ""]
    for item in report.improvements:
        lines += [f"■ {item.area}", item.description]
        lines += [_care_line(care[code], locale) for code in item.recommendations if code in care]
        lines.append("")
    lines += [f"{words['timeline']}: {report.timeline}", f"{words['cost']}: {report.estimated_cost}", ""]
    return "\n".join(lines)


def _care_line(entry: CareEntry, locale: Locale) -> str:
    title = entry.title_ko if locale == "ko" else entry.title_en
    weeks, cost = weeks_of(entry, locale), cost_of(entry, locale)
    return f"  - {title} ({weeks}, {cost})"


def weeks_of(entry: CareEntry, locale: Locale) -> str:
    span = f"{entry.weeks_min}" if entry.weeks_min == entry.weeks_max else f"{entry.weeks_min}–{entry.weeks_max}"
    return catalogue("pages", locale)["week" if span == "1" else "weeks"].format(span=span)


def cost_of(entry: CareEntry, locale: Locale) -> str:
    low, high = f"{entry.cost_min:,}", f"{entry.cost_max:,}"
    return catalogue("pages", locale)["won"].format(span=low if low == high else f"{low}–{high}")
