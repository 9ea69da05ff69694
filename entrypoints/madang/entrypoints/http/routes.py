"""Which routes a deployment has: those of the products that it runs, and what all of them need."""

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any, Final

import msgspec

from madang.entrypoints.http import health, privacy
from madang.entrypoints.http.billing import credits as credit_accounts
from madang.entrypoints.http.billing import invoices, payment_plans, payments, subscriptions
from madang.entrypoints.http.files import routes as files
from madang.entrypoints.http.identity import accounts as identity
from madang.entrypoints.http.identity import api_keys, external_sign_in, key_set, two_factor, users
from madang.entrypoints.http.identity import security as identity_security
from madang.entrypoints.http.live import events
from madang.entrypoints.http.notifications import routes as notifications
from madang.entrypoints.http.openapi import document_of
from madang.entrypoints.http.operation import Route
from madang.entrypoints.http.operations import alerts as admin_alerts
from madang.entrypoints.http.operations import audit_events
from madang.entrypoints.http.operations import jobs as admin_jobs
from madang.entrypoints.http.operations import limits as admin_limits
from madang.entrypoints.http.operations import providers as admin_providers
from madang.entrypoints.http.operations import received_webhooks as admin_webhooks
from madang.entrypoints.http.portraits import knowledge_base
from madang.entrypoints.http.portraits import routes as portraits
from madang.entrypoints.http.webhooks import endpoints as webhook_endpoints
from madang.entrypoints.http.webhooks import receiving as webhooks

PRODUCTS: Final = {"portraits": (*portraits.ROUTES, *invoices.OF_PORTRAITS, *knowledge_base.ROUTES)}
SHARED: Final = (
    *webhooks.ROUTES,
    *identity.ROUTES,
    *identity_security.ROUTES,
    *files.ROUTES,
    *invoices.ROUTES,
    *notifications.ROUTES,
    *admin_jobs.ROUTES,
    *audit_events.ROUTES,
    *privacy.ROUTES,
    *api_keys.ROUTES,
    *events.ROUTES,
    *webhook_endpoints.ROUTES,
    *admin_alerts.ROUTES,
    *admin_limits.ROUTES,
    *admin_providers.ROUTES,
    *payments.ROUTES,
    *payment_plans.ROUTES,
    *admin_webhooks.ROUTES,
    *two_factor.ROUTES,
    *external_sign_in.ROUTES,
    *users.ROUTES,
    *credit_accounts.ROUTES,
    *subscriptions.ROUTES,
)


def routes_for(products: Collection[str]) -> Sequence[Route]:
    """A product that is not named has no route."""
    return [*(route for name, routes in PRODUCTS.items() if name in products for route in routes), *SHARED]


def openapi_document(products: Collection[str] = tuple(PRODUCTS), *, base_url: str = "http://127.0.0.1:8000") -> dict[str, Any]:
    """What `/openapi.json` serves; needs neither a connection nor settings."""
    operations = [*(route.operation for route in routes_for(products)), *health.OPERATIONS, *key_set.OPERATIONS]
    return document_of(operations, base_url=base_url)


@cache
def written_document(products: tuple[str, ...], base_url: str) -> bytes:
    """The same as JSON; written once in a process, however many applications it makes."""
    return msgspec.json.encode(openapi_document(products, base_url=base_url))
