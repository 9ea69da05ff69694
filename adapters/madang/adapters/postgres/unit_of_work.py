"""One PostgreSQL transaction: repositories, outgoing messages, and what must be checked last."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from types import TracebackType
from typing import Self

import asyncpg

from madang.adapters.postgres.billing.amount_mismatches import PostgresAmountMismatches
from madang.adapters.postgres.billing.credits import PostgresCredits
from madang.adapters.postgres.billing.disputes import PostgresDisputes
from madang.adapters.postgres.billing.invoices import PostgresInvoices
from madang.adapters.postgres.billing.payment_attempts import PostgresPaymentAttempts
from madang.adapters.postgres.billing.payment_books import PostgresPaymentBooks
from madang.adapters.postgres.billing.payment_methods import PostgresPaymentMethods
from madang.adapters.postgres.billing.payment_notices import PostgresPaymentNotices
from madang.adapters.postgres.billing.payment_plans import PostgresPaymentPlans
from madang.adapters.postgres.billing.payments import PostgresPayments
from madang.adapters.postgres.billing.subscriptions import PostgresSubscriptions
from madang.adapters.postgres.database import Connection, Database
from madang.adapters.postgres.erasures import PostgresErasures, PostgresKeptAnswers
from madang.adapters.postgres.failures import (
    CommitOutcomeUnknown,
    is_already_gone,
    is_connection_failure,
    of_transaction,
    unavailable,
    unstorable,
)
from madang.adapters.postgres.files import PostgresFiles
from madang.adapters.postgres.identity.api_keys import PostgresApiKeys
from madang.adapters.postgres.identity.external_identities import PostgresExternalIdentities
from madang.adapters.postgres.identity.one_time_tokens import PostgresOneTimeTokens
from madang.adapters.postgres.identity.records import PostgresIdentityRecords
from madang.adapters.postgres.identity.recovery_codes import PostgresRecoveryCodes
from madang.adapters.postgres.identity.sessions import PostgresSessions
from madang.adapters.postgres.identity.sign_in_attempts import PostgresSignInAttempts
from madang.adapters.postgres.identity.user_limits import PostgresUserLimits
from madang.adapters.postgres.identity.users import PostgresUsers
from madang.adapters.postgres.messages.actions import PostgresActions
from madang.adapters.postgres.messages.inbox import PostgresInbox
from madang.adapters.postgres.messages.jobs import PostgresJobs
from madang.adapters.postgres.messages.outgoing import Outgoing, write_messages
from madang.adapters.postgres.messages.work import PostgresWork
from madang.adapters.postgres.notification_preferences import PostgresPreferences, PostgresSuppressions
from madang.adapters.postgres.notifications import PostgresNotifications
from madang.adapters.postgres.operations.alerts import PostgresAlerts
from madang.adapters.postgres.operations.audit import PostgresAudit, PostgresPersonalKeys
from madang.adapters.postgres.operations.measurements import PostgresMeasurements
from madang.adapters.postgres.operations.metering import PostgresMetering
from madang.adapters.postgres.portraits.jobs import PostgresPortraits
from madang.adapters.postgres.portraits.knowledge_base import PostgresKnowledgeBase
from madang.adapters.postgres.portraits.receipts import PostgresReceipts
from madang.adapters.postgres.webhooks import PostgresWebhookDeliveries, PostgresWebhookEndpoints
from madang.core.kernel.events import Event, Subscriptions, telling_of
from madang.core.kernel.messages import NewMessage, Topic
from madang.core.kernel.unit_of_work import UnitOfWorkFactory

BeforeCommit = Callable[[Connection], Awaitable[None]]


class PostgresUnitOfWork:
    """Fulfils the unit of work of every context; opened by `async with`, once.

    What happens on leaving without an exception, all in the one transaction:

    1. the buffered messages are written in one statement, which notifies `madang_messages` once when it wrote any;
    2. each of `before_commit` is called with the connection, in order: whatever one raises rolls everything back. This is
       where the outbox puts its fence and its "done": it is the last thing before
    3. `COMMIT`;
    4. `revoked` is told what this commit revoked: the others hear it from the database, this process need not wait for that.

    `PostgresUnitOfWork(database, topics=…, subscriptions=…, request_id=…, before_commit=[fence])` is what the outbox builds for
    `step`, `finish` and `bury`, with the message's own request id; the list can also be appended to while the unit is open.
    `connection` is the open connection, for statements of the adapter's own.

    Raises, on leaving: `Unavailable` when the connection was lost, or the database chose to roll back (a deadlock), before the
    commit; `CommitOutcomeUnknown` when it was lost during the commit; `ValidationFailed` for a value that no row can hold. On
    entering: `Unavailable`.
    """

    def __init__(
        self,
        database: Database,
        *,
        topics: Mapping[str, Topic],
        subscriptions: Subscriptions,
        request_id: str = "",
        before_commit: Sequence[BeforeCommit] = (),
        revoked: Callable[[str], None] | None = None,
    ) -> None:
        self.before_commit: list[BeforeCommit] = list(before_commit)
        self._database = database
        self._topics = topics
        self._subscriptions = subscriptions
        self._request_id = request_id
        self._outgoing: list[Outgoing] = []
        self._revoked = revoked
        self._revocations: list[str] = []
        self._connection: Connection | None = None
        self._opened = False

    async def __aenter__(self) -> Self:
        if self._opened:
            raise RuntimeError("a unit of work is opened once: ask the factory for another")
        self._opened = True
        self._connection = await self._database.begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                await self._finish()
            else:
                await _roll_back(self.connection)
                _raise_translated(error)
        finally:
            connection, self._connection = self._connection, None
            if connection is not None:
                await self._database.release(connection)

    @property
    def connection(self) -> Connection:
        """The connection with the open transaction. Raises `RuntimeError` outside `async with`."""
        if self._connection is None:
            raise RuntimeError("this unit of work is not open: use it inside `async with`")
        return self._connection

    def send(self, message: NewMessage) -> None:
        """Buffered until the commit. Raises `LookupError` for a topic that nobody handles, `TypeError` for a payload that is no
        JSON."""
        self._outgoing.append(Outgoing.of(message, self._topics))

    def announce(self, event: Event) -> None:
        for topic in self._subscriptions.topics(event.name):
            self.send(NewMessage(topic, event.payload, subject=event.subject))
        if event.owner is not None:
            self.send(telling_of(event, event.owner, datetime.now(UTC)))

    @cached_property
    def actions(self) -> PostgresActions:
        return PostgresActions(self.connection)

    @cached_property
    def audit(self) -> PostgresAudit:
        return PostgresAudit(self.connection)

    @cached_property
    def personal_keys(self) -> PostgresPersonalKeys:
        return PostgresPersonalKeys(self.connection)

    @cached_property
    def users(self) -> PostgresUsers:
        return PostgresUsers(self.connection)

    @cached_property
    def sessions(self) -> PostgresSessions:
        return PostgresSessions(self.connection, self._revocations.append)

    @cached_property
    def one_time_tokens(self) -> PostgresOneTimeTokens:
        return PostgresOneTimeTokens(self.connection)

    @cached_property
    def files(self) -> PostgresFiles:
        return PostgresFiles(self.connection)

    @cached_property
    def recovery_codes(self) -> PostgresRecoveryCodes:
        return PostgresRecoveryCodes(self.connection)

    @cached_property
    def api_keys(self) -> PostgresApiKeys:
        return PostgresApiKeys(self.connection, self._revocations.append)

    @cached_property
    def external_identities(self) -> PostgresExternalIdentities:
        return PostgresExternalIdentities(self.connection)

    @cached_property
    def sign_in_attempts(self) -> PostgresSignInAttempts:
        return PostgresSignInAttempts(self.connection)

    @cached_property
    def identity_records(self) -> PostgresIdentityRecords:
        return PostgresIdentityRecords(self.connection, self._revocations.append)

    @cached_property
    def amount_mismatches(self) -> PostgresAmountMismatches:
        return PostgresAmountMismatches(self.connection)

    @cached_property
    def disputes(self) -> PostgresDisputes:
        return PostgresDisputes(self.connection)

    @cached_property
    def payment_attempts(self) -> PostgresPaymentAttempts:
        return PostgresPaymentAttempts(self.connection)

    @cached_property
    def payment_notices(self) -> PostgresPaymentNotices:
        return PostgresPaymentNotices(self.connection)

    @cached_property
    def payments(self) -> PostgresPayments:
        return PostgresPayments(self.connection)

    @cached_property
    def payment_books(self) -> PostgresPaymentBooks:
        return PostgresPaymentBooks(self.connection)

    @cached_property
    def payment_plans(self) -> PostgresPaymentPlans:
        return PostgresPaymentPlans(self.connection)

    @cached_property
    def credits(self) -> PostgresCredits:
        return PostgresCredits(self.connection)

    @cached_property
    def subscriptions(self) -> PostgresSubscriptions:
        return PostgresSubscriptions(self.connection)

    @cached_property
    def payment_methods(self) -> PostgresPaymentMethods:
        return PostgresPaymentMethods(self.connection)

    @cached_property
    def invoices(self) -> PostgresInvoices:
        return PostgresInvoices(self.connection)

    @cached_property
    def inbox(self) -> PostgresInbox:
        return PostgresInbox(self.connection)

    @cached_property
    def notifications(self) -> PostgresNotifications:
        return PostgresNotifications(self.connection)

    @cached_property
    def notification_preferences(self) -> PostgresPreferences:
        return PostgresPreferences(self.connection)

    @cached_property
    def email_suppressions(self) -> PostgresSuppressions:
        return PostgresSuppressions(self.connection)

    @cached_property
    def portraits(self) -> PostgresPortraits:
        return PostgresPortraits(self.connection)

    @cached_property
    def knowledge_base(self) -> PostgresKnowledgeBase:
        return PostgresKnowledgeBase(self.connection)

    @cached_property
    def erasures(self) -> PostgresErasures:
        return PostgresErasures(self.connection)

    @cached_property
    def kept_answers(self) -> PostgresKeptAnswers:
        return PostgresKeptAnswers(self.connection)

    @cached_property
    def receipts(self) -> PostgresReceipts:
        return PostgresReceipts(self.connection)

    @cached_property
    def jobs(self) -> PostgresJobs:
        return PostgresJobs(self.connection)

    @cached_property
    def alerts(self) -> PostgresAlerts:
        return PostgresAlerts(self.connection)

    @cached_property
    def measurements(self) -> PostgresMeasurements:
        return PostgresMeasurements(self.connection)

    @cached_property
    def metering(self) -> PostgresMetering:
        return PostgresMetering(self.connection)

    @cached_property
    def user_limits(self) -> PostgresUserLimits:
        return PostgresUserLimits(self.connection)

    @cached_property
    def webhook_endpoints(self) -> PostgresWebhookEndpoints:
        return PostgresWebhookEndpoints(self.connection)

    @cached_property
    def webhook_deliveries(self) -> PostgresWebhookDeliveries:
        return PostgresWebhookDeliveries(self.connection)

    @cached_property
    def work(self) -> PostgresWork:
        return PostgresWork(self.connection)

    async def _finish(self) -> None:
        try:
            await write_messages(self.connection, self._outgoing, self._request_id)
            for last_check in self.before_commit:
                await last_check(self.connection)
        except BaseException as error:
            await _roll_back(self.connection)
            _raise_translated(error)
            raise
        await _commit(self.connection)
        if self._revoked is not None:
            for told in self._revocations:
                self._revoked(told)


def unit_of_work_factory(
    database: Database,
    subscriptions: Subscriptions,
    request_id: Callable[[], str],
    topics: Mapping[str, Topic],
    revoked: Callable[[str], None] | None = None,
) -> UnitOfWorkFactory[PostgresUnitOfWork]:
    """Units of work whose messages carry what `request_id()` answers when the unit is opened. `topics` may be filled later."""

    def open_unit() -> PostgresUnitOfWork:
        return PostgresUnitOfWork(
            database, topics=topics, subscriptions=subscriptions, request_id=request_id(), revoked=revoked
        )

    return open_unit


async def _commit(connection: Connection) -> None:
    try:
        outcome = await connection.execute("COMMIT")
    except Exception as error:
        if is_already_gone(error):
            raise unavailable(error, "commit") from error
        if is_connection_failure(error) or isinstance(error, TimeoutError):
            raise CommitOutcomeUnknown(
                "the connection was lost during the commit", provider="postgresql", operation="commit"
            ) from error
        raise
    if outcome != "COMMIT":
        raise RuntimeError("nothing was committed: an earlier statement had failed, and its error was swallowed")


async def _roll_back(connection: Connection) -> None:
    """A connection that cannot roll back any more is closed by the pool, and the server rolls back by itself."""
    with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        await connection.execute("ROLLBACK")


def _raise_translated(error: BaseException) -> None:
    translated = of_transaction(error) or unstorable(error)
    if translated is not None:
        raise translated from error
