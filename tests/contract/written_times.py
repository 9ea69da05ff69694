"""Times and pauses as providers of payments write them, and what is none."""

from datetime import UTC, datetime

AT, LATER, END = (datetime(2026, 11, day, 9, 30, tzinfo=UTC) for day in (20, 21, 30))
WRITTEN, WRITTEN_LATER, WRITTEN_END = (f"2026-11-{day}T09:30:00Z" for day in (20, 21, 30))
MOMENTS: list[tuple[object, datetime | None]] = [
    (WRITTEN, AT), ("2026-11-20T18:30:00+09:00", AT), ("2026-11-20T09:30:00.000000Z", AT),
    ("2026-11-20T09:30:00", None), ("soon", None), (None, None), (7, None),
]  # fmt: skip
"""What is written, and which moment that is: without its zone it is none."""
PAUSES = [("7", 7.0), ("1.5", 1.5), ("999999", 86_400.0), ("", None), ("soon", None), ("-1", None)]
"""The header `retry-after`, and the seconds that are waited: at most a day."""
