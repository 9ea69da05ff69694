"""What storage on disk can do."""

from datetime import timedelta
from typing import Final

from madang.ports.storage import StorageCapabilities

STORAGE: Final = StorageCapabilities(
    presigned_get=True,
    presigned_put=True,
    presigned_post=True,
    enforces_size=True,
    max_object_bytes=5 * 1024**3,
    max_presign=timedelta(days=7),
)
