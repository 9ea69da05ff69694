"""The payment company's drawer: cards that people left there, and what is charged with nobody at the keyboard.

A window is `open` until the person agrees (`agreed`: the browser carries a key) or cancels; the key is spent for a token once
(`kept`), and the token charges until it is `forgotten`.
"""

import sqlite3
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from madang.adapters.sandbox import payments
from madang.adapters.sandbox.chance import digest, identifier
from madang.adapters.sandbox.gate import NAME
from madang.adapters.sandbox.payments import RemotePayment
from madang.adapters.sandbox.settings import SandboxSettings
from madang.ports.errors import Rejected
from madang.ports.payment import ChargeRequest, KeepMethodRequest, StoredMethod, StoreMethodRequest
from madang.ports.secret import Secret

AGREED: Final = frozenset({"agreed", "kept", "forgotten"})


@dataclass(frozen=True, slots=True)
class Window:
    """One row of the drawer, as its page shows it."""

    reference: str
    customer: str
    success_url: str
    cancel_url: str
    locale: str
    status: str
    client_key: str | None

    @property
    def way_on(self) -> str:
        """Where the browser goes: with the key and the customer's id in the query once the person agreed."""
        if self.status not in AGREED:
            return self.cancel_url
        query = urlencode({"clientKey": self.client_key or "", "customerId": self.customer})
        return f"{self.success_url}{'&' if '?' in self.success_url else '?'}{query}"


def open_window(connection: sqlite3.Connection, knobs: SandboxSettings, request: StoreMethodRequest) -> Window:
    """Open it, or find it again by its key. Raises `Rejected` for a key of another window."""
    reference = identifier("wnd", knobs.seed, request.idempotency_key)
    connection.execute(
        "INSERT INTO stored_methods (reference, key, customer, success_url, cancel_url, locale, status)"
        " VALUES (?, ?, ?, ?, ?, ?, 'open') ON CONFLICT DO NOTHING",
        (reference, request.idempotency_key, request.customer_id, request.success_url, request.cancel_url, request.locale),
    )
    window = get(connection, reference)
    if (window.customer, window.success_url) != (request.customer_id, request.success_url):
        raise _rejected("this key was used for another window", "invalid_request", "open_method_window")
    return window


def get(connection: sqlite3.Connection, reference: str) -> Window:
    """Raises `Rejected(reason="not_found")`."""
    row = connection.execute(
        "SELECT reference, customer, success_url, cancel_url, locale, status, client_key FROM stored_methods"
        " WHERE reference = ?",
        (reference,),
    ).fetchone()
    if row is None:
        raise _rejected("no window has this reference", "not_found", "open_method_window")
    return Window(*row)


def agree(connection: sqlite3.Connection, knobs: SandboxSettings, reference: str) -> Window:
    """The person leaves a card. Agreeing twice gives no second key."""
    connection.execute(
        "UPDATE stored_methods SET status = 'agreed', client_key = ? WHERE reference = ? AND status = 'open'",
        (identifier("key", knobs.seed, reference), reference),
    )
    return get(connection, reference)


def cancel(connection: sqlite3.Connection, reference: str) -> Window:
    """The person leaves nothing."""
    connection.execute("UPDATE stored_methods SET status = 'cancelled' WHERE reference = ? AND status = 'open'", (reference,))
    return get(connection, reference)


def keep(connection: sqlite3.Connection, knobs: SandboxSettings, request: KeepMethodRequest) -> StoredMethod:
    """Spend a key, once; the same idempotency key is answered with the same token. Raises `Rejected`: `not_found`."""
    row = connection.execute(
        "SELECT reference, status, keep_key FROM stored_methods WHERE client_key = ? AND customer = ?",
        (request.client_key, request.customer_id),
    ).fetchone()
    spent = row is not None and (row["status"], row["keep_key"]) == ("kept", request.idempotency_key)
    if row is None or not (spent or row["status"] == "agreed"):
        raise _rejected("this key means nothing for this customer", "not_found", "keep_method")
    token = identifier("mtd", knobs.seed, row["reference"])
    connection.execute(
        "UPDATE stored_methods SET status = 'kept', keep_key = ?, token = ? WHERE reference = ?",
        (request.idempotency_key, token, row["reference"]),
    )
    return StoredMethod(Secret(token), request.customer_id, f"card **** {int(digest(token)[:8], 16) % 10_000:04}")


def forget(connection: sqlite3.Connection, customer_id: str, token: str) -> None:
    """It charges nothing any more."""
    connection.execute("UPDATE stored_methods SET status = 'forgotten' WHERE token = ? AND customer = ?", (token, customer_id))


def charge(connection: sqlite3.Connection, knobs: SandboxSettings, request: ChargeRequest) -> RemotePayment:
    """Charge once for each payment id, or answer what was made of it: `paid`, or `failed` where the card is declined. Another
    key tries a failed one again. Raises `Rejected`: `not_found`, `invalid_request`."""
    fingerprint = digest(request.payment_id, request.amount, request.customer_id)
    made = connection.execute(
        "SELECT reference, key, fingerprint, status FROM payments WHERE key = ? OR payment_id = ?",
        (request.idempotency_key, request.payment_id),
    ).fetchone()
    if made is not None:
        if made["fingerprint"] != fingerprint:
            raise _rejected("this key or payment id was used for another payment", "invalid_request", "charge")
        if made["key"] == request.idempotency_key or made["status"] != "failed":
            return payments.get(connection, knobs, made["reference"], "charge")
    _require_kept(connection, request.customer_id, request.token.reveal())
    reference = identifier("pay", knobs.seed, request.payment_id)
    _write(connection, reference, fingerprint, request, declined=knobs.decline)
    return payments.announce(connection, knobs, reference)


def _require_kept(connection: sqlite3.Connection, customer_id: str, token: str) -> None:
    sql = "SELECT 1 FROM stored_methods WHERE token = ? AND customer = ? AND status = 'kept'"
    if connection.execute(sql, (token, customer_id)).fetchone() is None:
        raise _rejected("this customer has no such means of payment", "not_found", "charge")


def _write(connection: sqlite3.Connection, reference: str, fingerprint: str, request: ChargeRequest, *, declined: bool) -> None:
    status, failure, paid_at = ("failed", "declined", None) if declined else ("paid", None, time.time())
    connection.execute(
        "INSERT INTO payments (reference, key, payment_id, fingerprint, amount, currency, description, success_url, cancel_url,"
        " webhook_url, locale, status, method, failure, created_at, paid_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, '', '', ?, 'ko', ?, 'card', ?, ?, ?)"
        " ON CONFLICT (reference) DO UPDATE SET key = excluded.key, status = excluded.status, failure = excluded.failure,"
        " paid_at = excluded.paid_at",
        (
            reference,
            request.idempotency_key,
            request.payment_id,
            fingerprint,
            request.amount.amount,
            request.amount.currency,
            request.description,
            request.webhook_url,
            status,
            failure,
            time.time(),
            paid_at,
        ),
    )


def _rejected(message: str, reason: str, operation: str) -> Rejected:
    return Rejected(message, reason=reason, provider=NAME, operation=f"payment.{operation}")
