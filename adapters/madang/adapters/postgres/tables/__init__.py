"""Every table, declared once: what the migrations must lead to, and where a column's meaning is written down.

Only migrations, the rotation of keys and tests import this package. The statements at run time are plain SQL on asyncpg,
so that an API or worker process carries neither the memory nor the start-up time of SQLAlchemy; the round-trip tests hold
the two together.
"""

from madang.adapters.postgres.tables import (
    audit,
    billing,
    credit_ledger,
    files,
    identity,
    invoices,
    kernel,
    metering,
    notifications,
    operations,
    payment_plans,
    portraits,
    privacy,
    subscriptions,
    webhooks,
)
from madang.adapters.postgres.tables.schema import metadata

__all__ = [
    "audit",
    "billing",
    "credit_ledger",
    "files",
    "identity",
    "invoices",
    "kernel",
    "metadata",
    "metering",
    "notifications",
    "operations",
    "payment_plans",
    "portraits",
    "privacy",
    "subscriptions",
    "webhooks",
]
