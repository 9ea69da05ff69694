"""Accounts: sign-up, sign-in, the next tokens, and what somebody has said about themself."""

from typing import Any, Final

from litestar.types import ASGIApp
from msgspec import UNSET

from madang.core.identity.registration import Register
from madang.core.identity.sign_in import Challenge
from madang.entrypoints.http.authentication import SIGNED_IN
from madang.entrypoints.http.identity.shapes import (
    TOKENS,
    USER,
    EndedShape,
    LoginBody,
    LoginShape,
    ProfilePatch,
    RefreshBody,
    RegisterBody,
    SignedInShape,
    TokensShape,
    UserShape,
    login_of,
    tokens_of,
)
from madang.entrypoints.http.language import preferred
from madang.entrypoints.http.operation import Call, JsonBody, Operation, route

TAG: Final = "Identity"
_CREDENTIALS: Final = {"email": "name@example.com", "password": "a long sentence of your own"}


@route(
    Operation(
        "POST",
        "/auth/register",
        "register",
        TAG,
        "Open an account",
        "Answers the user with the first tokens, and mails a link to verify the address. The password has at least 10 "
        "characters, is not among the most common ones, and is not the address. The role is always `client`.",
        SignedInShape,
        {**TOKENS, "user": USER},
        status=201,
        body=JsonBody(RegisterBody, {**_CREDENTIALS, "name": "홍길동", "locale": "ko"}),
        errors=("EMAIL_TAKEN",),
        limit="register",
        idempotent=True,
    )
)
async def register(call: Call) -> ASGIApp:
    body: RegisterBody = call.body
    locale = body.locale or preferred(call.request.headers.get("accept-language", ""), "ko")
    command = Register(call.subject_id, body.email, body.password, locale, body.name)
    signed_in = await call.container.registration.register(command, call.caller)
    user = UserShape.of(call.container.profiles.of(signed_in.user), call.zone)
    return call.succeed(SignedInShape(**tokens_of(signed_in, call.container.clock.now(), call.zone), user=user))


@route(
    Operation(
        "POST",
        "/auth/login",
        "login",
        TAG,
        "Sign in",
        "Answers tokens, or a challenge for the second factor. Five wrong tries shut the account and the network address for "
        "15 minutes. Neither the answer nor its time tells whether there is such an account.",
        LoginShape,
        {"twoFactorRequired": False, **TOKENS, "user": USER},
        body=JsonBody(LoginBody, _CREDENTIALS),
        errors=("INVALID_CREDENTIALS", "ACCOUNT_SUSPENDED", "TOO_MANY_ATTEMPTS"),
        limit="sign_in",
    )
)
async def login(call: Call) -> ASGIApp:
    body: LoginBody = call.body
    outcome = await call.container.sign_in.sign_in(body.email, body.password, call.caller)
    user = None if isinstance(outcome, Challenge) else UserShape.of(call.container.profiles.of(outcome.user), call.zone)
    return call.succeed(login_of(outcome, user, call.container.clock.now(), call.zone))


@route(
    Operation(
        "POST",
        "/auth/refresh",
        "refreshTokens",
        TAG,
        "Get the next tokens",
        "A refresh token is good once and for 7 days. One that is used again is in two hands: its session ends. With an "
        "`Idempotency-Key` an answer that was lost is answered again.",
        TokensShape,
        TOKENS,
        body=JsonBody(RefreshBody, {"refreshToken": TOKENS["refreshToken"]}),
        errors=("UNAUTHORIZED", "REFRESH_TOKEN_REUSED"),
        idempotent=True,
    )
)
async def refresh(call: Call) -> ASGIApp:
    body: RefreshBody = call.body
    signed_in = await call.container.sessions.refresh(body.refresh_token, call.caller)
    return call.succeed(TokensShape(**tokens_of(signed_in, call.container.clock.now(), call.zone)))


@route(
    Operation(
        "POST",
        "/auth/logout",
        "logout",
        TAG,
        "Sign out",
        "Ends the session of this token; its tokens are good for nothing from now on.",
        EndedShape,
        {"id": TOKENS["sessionId"]},
        access=SIGNED_IN,
    )
)
async def logout(call: Call) -> ASGIApp:
    await call.container.sessions.log_out(call.caller)
    return call.succeed(EndedShape(call.caller.session))


@route(
    Operation(
        "GET",
        "/auth/me",
        "getMe",
        TAG,
        "Read my account",
        "The signed-in user. The `ETag` is for the `If-Match` of a change.",
        UserShape,
        USER,
        access=SIGNED_IN,
        etag=True,
    )
)
async def get_me(call: Call) -> ASGIApp:
    profile = await call.container.profiles.get(call.caller.person)
    return call.succeed(UserShape.of(profile, call.zone), version=profile.version)


@route(
    Operation(
        "PATCH",
        "/auth/me",
        "changeMe",
        TAG,
        "Change my account",
        "A JSON merge patch (RFC 7396): what is left out stays as it is, `null` empties.",
        UserShape,
        USER,
        access=SIGNED_IN,
        body=JsonBody(ProfilePatch, {"name": "홍길동", "phone": "010-1234-5678", "locale": "ko"}, merge_patch=True),
        etag=True,
    )
)
async def change_me(call: Call) -> ASGIApp:
    body: ProfilePatch = call.body
    written: dict[str, Any] = {"name": body.name, "phone": body.phone, "locale": body.locale}
    changes = {name: value for name, value in written.items() if value is not UNSET}
    profile = await call.container.profiles.change(call.caller, changes, call.versions)
    return call.succeed(UserShape.of(profile, call.zone), version=profile.version)


ROUTES: Final = (register, login, refresh, logout, get_me, change_me)
