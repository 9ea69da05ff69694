"""What calls of providers used and cost, and how each process stands with each provider."""

from sqlalchemy import (
    CHAR,
    BigInteger,
    Boolean,
    Column,
    Date,
    Float,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    text,
)

from madang.adapters.postgres.tables.schema import count, instant, key_column, metadata, one_of, words
from madang.core.operations.breaker import BreakerState
from madang.core.operations.metering import Charge


def _sum(name: str, comment: str | None = None) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=text("0"), comment=comment)


metered_calls = Table(
    "metered_calls",
    metadata,
    key_column(),
    instant("at"),
    words("kind"),
    words("provider"),
    words("model", "as the provider names it; empty where it names none"),
    words("operation"),
    words("outcome", "done, failed, or the kind of error"),
    Column("seconds", Float(53), nullable=False),
    _sum("input_tokens", "with the cached ones"),
    _sum("output_tokens"),
    _sum("cached_input_tokens"),
    count("pictures"),
    count("messages"),
    words("charge"),
    Column("cost_micros", BigInteger, comment="millionths of the currency; null where nobody knows, and while it is pending"),
    Column("currency", CHAR(3)),
    words("reference", "a hash of a prediction's id, while it is pending", null=True),
    words("product", null=True),
    words("subject", "what it was for: portrait:<id>; never a person", null=True),
    one_of("charge", Charge),
    Index("ix_metered_calls_at", "at"),
    Index("ix_metered_calls_subject", "subject", postgresql_where=text("subject IS NOT NULL")),
    Index("ix_metered_calls_pending", "kind", "provider", "reference", postgresql_where=text("charge = 'pending'")),
    comment="Calls of providers that may cost something, one by one",
)

metered_days = Table(
    "metered_days",
    metadata,
    Column("day", Date, nullable=False, comment="UTC"),
    words("kind"),
    words("provider"),
    words("model"),
    words("product", "empty for none"),
    words("currency", "empty for calls without a cost that is known"),
    _sum("calls"),
    _sum("failed"),
    Column("seconds", Float(53), nullable=False),
    _sum("input_tokens"),
    _sum("output_tokens"),
    _sum("cached_input_tokens"),
    _sum("pictures"),
    _sum("messages"),
    _sum("unpriced", "calls whose cost nobody knows"),
    _sum("cost_micros"),
    PrimaryKeyConstraint("day", "kind", "provider", "model", "product", "currency"),
    comment="Sums of the calls that are too old to be kept one by one",
)

metered_totals = Table(
    "metered_totals",
    metadata,
    words("kind"),
    words("provider"),
    words("model"),
    words("currency", "empty for calls without a cost that is known"),
    _sum("input_tokens"),
    _sum("output_tokens"),
    _sum("cached_input_tokens"),
    _sum("unpriced"),
    _sum("cost_micros"),
    PrimaryKeyConstraint("kind", "provider", "model", "currency"),
    comment="All of it ever, for the metrics",
)

provider_standings = Table(
    "provider_standings",
    metadata,
    words("process_id"),
    words("process_kind", "api, worker; empty until it has measured itself"),
    words("kind"),
    words("provider"),
    words("breaker"),
    count("failures", "different causes in a row"),
    Column("paused_seconds", Float(53), nullable=False),
    count("busy"),
    count("waiting"),
    count("places"),
    count("turned_away", "since the process began"),
    instant("at", now=True),
    PrimaryKeyConstraint("process_id", "kind", "provider"),
    one_of("breaker", BreakerState),
    comment="How each process stands with each provider; gone with the process",
)

breaker_changes = Table(
    "breaker_changes",
    metadata,
    key_column(),
    instant("at"),
    words("process_id"),
    words("kind"),
    words("provider"),
    words("state"),
    words("why", "it opened: the kind of the last failure"),
    one_of("state", BreakerState),
    Index("ix_breaker_changes_at", "at"),
    comment="When circuit breakers opened and closed; kept for a week",
)

provider_checks = Table(
    "provider_checks",
    metadata,
    words("kind"),
    words("provider"),
    instant("at"),
    Column("reachable", Boolean, nullable=False),
    words("detail", "for an operator"),
    Column("latency_ms", Integer, nullable=False),
    PrimaryKeyConstraint("kind", "provider"),
    comment="What each provider answered when it was last checked on request",
)
