"""What is asked of Clerk's Backend API, against its own description. Tokens and keys are the issuer's and not in it."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from contract.fake_clerk import FakeIssuer
from madang.adapters.clerk.identity import ClerkIdentity
from madang.adapters.clerk.settings import ClerkSettings
from madang.plugins.conformance.remote import serving
from madang.ports.context import ProviderContext
from madang.ports.secret import Secret
from specs.prism import Recorder
from specs.saying import said

PERSON = "user_29w83sxmDNGwOuEthce5gg56FcC"


@pytest.fixture(scope="module")
def clerk(mocked: Any) -> Iterator[Recorder]:
    with mocked("clerk", "/v1") as recorder:
        yield recorder


@pytest.fixture
def issuer() -> Iterator[FakeIssuer]:
    with serving(FakeIssuer()) as server:
        yield server


def identity(issuer: FakeIssuer, api_url: str, context: ProviderContext) -> ClerkIdentity:
    settings = ClerkSettings((issuer.url,), secret_key=Secret("sk_test_not-a-secret"), api_url=api_url)
    return ClerkIdentity(settings, context)


async def test_clerk_gets_what_it_describes(clerk: Recorder, issuer: FakeIssuer, context: ProviderContext) -> None:
    provider = identity(issuer, clerk.base_url, context)
    await said(
        provider,
        clerk,
        {
            "a person": partial(provider.fetch_person, PERSON),
            "an erasure": partial(provider.delete_person, PERSON, idempotency_key="erase-1"),
            "a check": provider.check,
        },
    )


async def test_prism_would_notice_a_path_that_clerk_has_not(
    clerk: Recorder, issuer: FakeIssuer, context: ProviderContext
) -> None:
    provider = identity(issuer, f"{clerk.base_url}/v2", context)
    await said(provider, clerk, {"another version": partial(provider.fetch_person, PERSON)}, wrong=True)
