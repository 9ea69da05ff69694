"""What processes measured, which rules fire, and limits of single users."""

from sqlalchemy import ARRAY, BigInteger, Column, Float, Index, PrimaryKeyConstraint, Table, Text, Uuid, text

from madang.adapters.postgres.tables.schema import count, document, instant, key_column, metadata, one_of, person, words
from madang.core.operations.alert_states import AlertState

measurements = Table(
    "measurements",
    metadata,
    key_column(),
    instant("at", now=True),
    words("process_id"),
    words("kind", "api, worker, relay"),
    count("requests"),
    count("errors", "answers of 500 and above"),
    Column("seconds", Float(53), nullable=False, comment="of all requests together"),
    Column("buckets", ARRAY(BigInteger), nullable=False, comment="requests by their duration"),
    Column("memory", Float(53), comment="per cent"),
    Column("cpu", Float(53), comment="per cent"),
    Column("disk", Float(53), comment="per cent"),
    document("calls", "of providers: [{kind, provider, outcome, count, seconds, buckets}]"),
    Index("ix_measurements_at", "at"),
    comment="What each process counted in an interval; kept for a day",
)

provider_calls = Table(
    "provider_calls",
    metadata,
    words("kind"),
    words("provider"),
    words("outcome", "done, failed, or the kind of error"),
    Column("calls", BigInteger, nullable=False),
    Column("seconds", Float(53), nullable=False),
    Column("buckets", ARRAY(BigInteger), nullable=False),
    PrimaryKeyConstraint("kind", "provider", "outcome"),
    comment="Calls of providers by all processes, ever",
)

alerts = Table(
    "alerts",
    metadata,
    Column("rule", Text, primary_key=True),
    words("state"),
    instant("since"),
    Column("value", Float(53), comment="the last one; null where there was too little to tell"),
    Column("episode_id", Uuid, comment="what it fires about"),
    one_of("state", AlertState),
    comment="Where each alert rule stands",
)

alert_episodes = Table(
    "alert_episodes",
    metadata,
    key_column(),
    words("rule"),
    Column("threshold", Float(53), nullable=False),
    Column("value", Float(53), nullable=False, comment="that raised it"),
    instant("raised_at"),
    instant("cleared_at", null=True),
    Index("uq_alert_episodes_running", "rule", unique=True, postgresql_where=text("cleared_at IS NULL")),
    comment="Each time that a rule fired, from raised to cleared",
)

user_limits = Table(
    "user_limits",
    metadata,
    person(),
    words("policy"),
    words("written", "like 5000/day: instead of the policy's own"),
    instant("set_at"),
    PrimaryKeyConstraint("user_id", "policy"),
    comment="Rate limits of single users",
)
