"""What storage behind the S3 API can do.

`enforces_size` is not said of either: a form (POST) carries its largest size in its policy and the storage holds to it, but an
address to PUT to cannot.

Sources: the S3 user guide (a PUT takes 5 GiB, an address lives 7 days); Cloudflare's R2 pages "Presigned URLs" (no POST), and
"Limits" (an upload takes 5 MiB less than 5 GiB).
"""

from datetime import timedelta
from typing import Final

from madang.ports.storage import StorageCapabilities

GIB: Final = 1024**3
MIB: Final = 1024**2
WEEK: Final = timedelta(days=7)

S3: Final = StorageCapabilities(presigned_post=True, max_object_bytes=5 * GIB, max_presign=WEEK)
R2: Final = StorageCapabilities(presigned_post=False, max_object_bytes=5 * GIB - 5 * MIB, max_presign=WEEK)
