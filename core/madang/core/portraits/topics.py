"""The kinds of work of a portrait job."""

from typing import Final

PAYMENT_CHANGED: Final = "portraits.payment_changed"
MAKE_PICTURE: Final = "portraits.make_picture"
STOP_PICTURES: Final = "portraits.stop_pictures"
WRITE_REPORT: Final = "portraits.write_report"
EXPIRE: Final = "portraits.expire"
VERIFY_PURGE: Final = "portraits.verify_purge"
