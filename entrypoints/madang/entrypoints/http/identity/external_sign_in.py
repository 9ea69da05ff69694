"""Signing in by a token of an external identity provider."""

from typing import Annotated, Final

from litestar.types import ASGIApp
from msgspec import Meta

from madang.core.identity.external import ExternalSignIn
from madang.core.identity.sign_in import Challenge
from madang.entrypoints.http.identity.shapes import TOKENS, USER, Language, LoginShape, UserShape, login_of
from madang.entrypoints.http.language import preferred
from madang.entrypoints.http.operation import Call, JsonBody, Operation, route
from madang.entrypoints.http.portraits.shapes import Input

ProviderName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,49}\Z", description="A plugin of the route `identity`: clerk")]
ForeignToken = Annotated[str, Meta(min_length=1, max_length=16_384, pattern=r"^[\u0021-\u007e]*\Z")]


class ExternalBody(Input, frozen=True):
    """`locale` is the language of what is written to a new user; without it, that of `Accept-Language`."""

    provider: ProviderName
    token: ForeignToken
    locale: Language | None = None


@route(
    Operation(
        "POST",
        "/auth/external",
        "loginExternal",
        "Identity",
        "Sign in by an external identity",
        "A token of an identity provider of this deployment, exchanged for ours. Who comes for the first time gets an account "
        "(role `client`, no password), or is joined to the account with the same e-mail address where both sides have "
        "verified it. Two-factor sign-in is asked for where it is on.",
        LoginShape,
        {"twoFactorRequired": False, **TOKENS, "user": USER},
        body=JsonBody(ExternalBody, {"provider": "clerk", "token": "a.json-web-token.of-the-issuer"}),
        errors=(
            "EXTERNAL_TOKEN_NOT_VALID",
            "ACCOUNT_SUSPENDED",
            "PROVIDER_NOT_FOUND",
            "EMAIL_TAKEN",
            "CONFLICT",
            "PROVIDER_API_ERROR",
            "PROVIDER_NOT_CONFIGURED",
        ),
        limit="sign_in",
        idempotent=True,
    )
)
async def login_external(call: Call) -> ASGIApp:
    body: ExternalBody = call.body
    locale = body.locale or preferred(call.request.headers.get("accept-language", ""), "ko")
    command = ExternalSignIn(call.subject_id, body.provider, body.token, locale)
    outcome = await call.container.external_sign_in.sign_in(command, call.caller)
    user = None if isinstance(outcome, Challenge) else UserShape.of(call.container.profiles.of(outcome.user), call.zone)
    return call.succeed(login_of(outcome, user, call.container.clock.now(), call.zone))


ROUTES: Final = (login_external,)
