"""Parts that are loaded with the first call: their libraries are not small, and many processes are never asked.

At rest neither the API nor a relay holds Pillow, Jinja, the numbering plans of the world's telephones, or ReportLab.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, BinaryIO

from madang.core.billing.invoices.sheet import InvoiceSheet
from madang.core.notifications.model import Channel, Letter
from madang.core.portraits.pictures import Crop, EncodedPicture, Renditions

if TYPE_CHECKING:
    from madang.adapters.jinja.renderer import JinjaMessageRenderer
    from madang.adapters.phonenumbers.phone_numbers import E164PhoneNumbers
    from madang.adapters.pillow.photo_lab import PillowPhotoLab
    from madang.adapters.reportlab.invoice_pdf import InvoicePdf


class Printing:
    """Fulfils `InvoicePrinter`."""

    @cached_property
    def _printer(self) -> "InvoicePdf":
        from madang.adapters.reportlab.invoice_pdf import InvoicePdf

        return InvoicePdf()

    def print(self, sheet: InvoiceSheet, *, at: datetime) -> bytes:
        return self._printer.print(sheet, at=at)


class Numbering:
    """Fulfils `PhoneNumbers`."""

    def __init__(self, default_region: str) -> None:
        self._default_region = default_region

    @cached_property
    def _numbers(self) -> "E164PhoneNumbers":
        from madang.adapters.phonenumbers.phone_numbers import E164PhoneNumbers

        return E164PhoneNumbers(self._default_region)

    def to_e164(self, written: str) -> str:
        return self._numbers.to_e164(written)


class Developing:
    """Fulfils `PhotoLab` and `PictureCheck`."""

    def __init__(self, *, workers: int) -> None:
        self._workers = workers

    @cached_property
    def _lab(self) -> "PillowPhotoLab":
        from madang.adapters.pillow.photo_lab import PillowPhotoLab

        return PillowPhotoLab(workers=self._workers)

    async def prepare_photo(self, upload: bytes, crop: Crop | None) -> EncodedPicture:
        return await self._lab.prepare_photo(upload, crop)

    async def renditions(self, picture: bytes) -> Renditions:
        return await self._lab.renditions(picture)

    async def check_picture(self, picture: BinaryIO) -> None:
        await self._lab.check_picture(picture)

    def close(self) -> None:
        """Ends the threads, where there are any."""
        if "_lab" in vars(self):
            self._lab.close()


class Rendering:
    """Fulfils `MessageRenderer`."""

    def __init__(self, brand: str, timezone: str) -> None:
        self._brand = brand
        self._timezone = timezone

    @cached_property
    def _renderer(self) -> "JinjaMessageRenderer":
        from madang.adapters.jinja.renderer import JinjaMessageRenderer

        return JinjaMessageRenderer(self._brand, self._timezone)

    def render(
        self,
        kind: str,
        channel: Channel,
        locale: str,
        values: Mapping[str, str],
        *,
        at: datetime,
        unsubscribe_url: str | None = None,
    ) -> Letter:
        return self._renderer.render(kind, channel, locale, values, at=at, unsubscribe_url=unsubscribe_url)
