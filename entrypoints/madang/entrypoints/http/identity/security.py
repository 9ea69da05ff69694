"""An account's own security: its password, its address, and where it is signed in."""

from typing import Final
from uuid import UUID

from litestar.types import ASGIApp

from madang.core.kernel.paging import PageRequest
from madang.entrypoints.http.authentication import SIGNED_IN
from madang.entrypoints.http.envelope import Pagination
from madang.entrypoints.http.identity.shapes import (
    SESSION,
    TOKENS,
    EmailVerifiedShape,
    EndedShape,
    ForgotBody,
    MailedShape,
    NoFields,
    PasswordBody,
    PasswordChangedShape,
    PasswordResetShape,
    ResetBody,
    SessionShape,
    SessionsQuery,
    TokenBody,
)
from madang.entrypoints.http.operation import Call, JsonBody, Operation, route

TAG: Final = "Identity"
_TOKEN: Final = "the-token-of-the-mailed-link"  # noqa: S105 - an example's words
_PASSWORD: Final = "a long sentence of your own"  # noqa: S105 - as above


@route(
    Operation(
        "POST",
        "/auth/password",
        "changePassword",
        TAG,
        "Change my password",
        "Ends all other sessions, and tells the user by mail.",
        PasswordChangedShape,
        {"sessionsEnded": 2},
        access=SIGNED_IN,
        body=JsonBody(PasswordBody, {"currentPassword": _PASSWORD, "newPassword": f"{_PASSWORD}, and newer"}),
        errors=("PASSWORD_DOES_NOT_MATCH", "TOO_MANY_ATTEMPTS"),
        limit="sign_in",
        idempotent=True,
    )
)
async def change_password(call: Call) -> ASGIApp:
    body: PasswordBody = call.body
    ended = await call.container.passwords.change(call.caller, body.current_password, body.new_password)
    return call.succeed(PasswordChangedShape(ended))


@route(
    Operation(
        "POST",
        "/auth/password/forgot",
        "forgotPassword",
        TAG,
        "Ask for a link to a new password",
        "Mails a link that is good once and for 30 minutes. The answer is the same whether there is such an account.",
        MailedShape,
        {"accepted": True},
        status=202,
        body=JsonBody(ForgotBody, {"email": "name@example.com"}),
        limit="mailed_link",
        idempotent=True,
    )
)
async def forgot_password(call: Call) -> ASGIApp:
    body: ForgotBody = call.body
    await call.container.passwords.forgot(body.email)
    return call.succeed(MailedShape(True))


@route(
    Operation(
        "POST",
        "/auth/password/reset",
        "resetPassword",
        TAG,
        "Set a new password by the mailed link",
        "Ends all sessions, and lets an account that wrong tries had shut in again. A refused password leaves the link good. "
        "The first link that reaches an unverified address verifies it, and takes away keys, external identities and webhook "
        "endpoints that the account had until then.",
        PasswordResetShape,
        {"passwordReset": True},
        body=JsonBody(ResetBody, {"token": _TOKEN, "password": _PASSWORD}),
        errors=("LINK_NOT_VALID",),
        limit="sign_in",
        idempotent=True,
    )
)
async def reset_password(call: Call) -> ASGIApp:
    body: ResetBody = call.body
    await call.container.passwords.reset(body.token, body.password, call.caller)
    return call.succeed(PasswordResetShape(True))


@route(
    Operation(
        "POST",
        "/auth/email/verify",
        "verifyEmail",
        TAG,
        "Verify my address by the mailed link",
        "A link is good once and for 24 hours.",
        EmailVerifiedShape,
        {"emailVerified": True},
        body=JsonBody(TokenBody, {"token": _TOKEN}),
        errors=("LINK_NOT_VALID",),
        limit="sign_in",
        idempotent=True,
    )
)
async def verify_email(call: Call) -> ASGIApp:
    body: TokenBody = call.body
    await call.container.email_verification.verify(body.token, call.caller)
    return call.succeed(EmailVerifiedShape(True))


@route(
    Operation(
        "POST",
        "/auth/email/verification",
        "sendVerificationAgain",
        TAG,
        "Have the link to verify my address mailed again",
        "Earlier links stay good until theirs is over.",
        MailedShape,
        {"accepted": True},
        status=202,
        access=SIGNED_IN,
        body=JsonBody(NoFields, {}, optional=True),
        errors=("EMAIL_ALREADY_VERIFIED",),
        limit="mailed_link",
        idempotent=True,
    )
)
async def send_verification_again(call: Call) -> ASGIApp:
    await call.container.email_verification.send_again(call.caller)
    return call.succeed(MailedShape(True))


@route(
    Operation(
        "GET",
        "/auth/sessions",
        "listSessions",
        TAG,
        "List where I am signed in",
        "The session used last first. Only the user's own.",
        list[SessionShape],
        [SESSION],
        access=SIGNED_IN,
        query=SessionsQuery,
        paginated=True,
        errors=("VALIDATION_ERROR",),
    )
)
async def list_sessions(call: Call) -> ASGIApp:
    query: SessionsQuery = call.query
    page = await call.container.sessions.page(call.caller, PageRequest(query.page, query.limit))
    return call.succeed([SessionShape.of(session, call.zone) for session in page.items], pagination=Pagination.of(page))


@route(
    Operation(
        "DELETE",
        "/auth/sessions/{session_id:uuid}",
        "endSession",
        TAG,
        "Sign out elsewhere",
        "Ends one of the user's own sessions.",
        EndedShape,
        {"id": TOKENS["sessionId"]},
        access=SIGNED_IN,
        errors=("SESSION_NOT_FOUND", "NOT_FOUND"),
    )
)
async def end_session(call: Call) -> ASGIApp:
    session_id: UUID = call.request.path_params["session_id"]
    await call.container.sessions.end(call.caller, session_id)
    return call.succeed(EndedShape(session_id))


ROUTES: Final = (
    change_password,
    forgot_password,
    reset_password,
    verify_email,
    send_verification_again,
    list_sessions,
    end_session,
)
