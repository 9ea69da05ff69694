"""The second factor: set up, turned off, and asked for at a sign-in."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from litestar.types import ASGIApp
from msgspec import Meta

from madang.core.kernel.errors import Problem, ValidationFailed
from madang.entrypoints.http.authentication import SIGNED_IN
from madang.entrypoints.http.envelope import Shape
from madang.entrypoints.http.identity.shapes import TOKENS, USER, Password, Secret, SignedInShape, UserShape, tokens_of
from madang.entrypoints.http.operation import Call, JsonBody, Operation, route
from madang.entrypoints.http.portraits.shapes import Input

TAG: Final = "Identity"
TimeCode = Annotated[str, Meta(pattern=r"^[0-9]{6}\Z", description="Six digits of an authenticator")]
AnyCode = Annotated[
    str, Meta(pattern=r"^[0-9A-Za-z -]{6,40}\Z", description="Six digits of an authenticator, or a recovery code")
]
_PROOF: Final = ("PASSWORD_DOES_NOT_MATCH", "RECENT_SIGN_IN_NEEDED", "TOO_MANY_ATTEMPTS")


class EnrolBody(Input, frozen=True):
    """`password` is needed of who has one; who signs in by an external identity must have signed in lately."""

    password: Password | None = None


class ConfirmBody(Input, frozen=True):
    code: TimeCode


class TurnOffBody(Input, frozen=True):
    """One of the two; neither for who has no password and signed in lately."""

    password: Password | None = None
    code: AnyCode | None = None


class SecondStepBody(Input, frozen=True):
    challenge: Secret
    code: AnyCode


class EnrolmentShape(Shape, frozen=True):
    """`secret` is base32, for typing it; `qrCode` is an SVG document of `otpauthUrl`."""

    secret: str
    otpauth_url: str
    qr_code: str


class RecoveryCodesShape(Shape, frozen=True):
    """Each is good once. They are shown this once."""

    two_factor: Literal[True]
    recovery_codes: Sequence[str]


class TwoFactorOffShape(Shape, frozen=True):
    two_factor: Literal[False]


_ENROLMENT: Final[dict[str, Any]] = {
    "secret": "(32 characters)",
    "otpauthUrl": "otpauth://totp/Madang:name%40example.com?secret=…&issuer=Madang",
    "qrCode": '<svg xmlns="http://www.w3.org/2000/svg" …',
}
_CODES: Final = {"twoFactor": True, "recoveryCodes": ["ABCD-EFGH-JKLM-NPQR", "STUV-WXYZ-2345-6789"]}


@route(
    Operation(
        "POST",
        "/auth/two-factor",
        "beginTwoFactor",
        TAG,
        "Set up an authenticator",
        "Answers a new secret, which is in use only once it is confirmed by a code. Asked again, a secret that was not "
        "confirmed is replaced.",
        EnrolmentShape,
        _ENROLMENT,
        status=201,
        access=SIGNED_IN,
        body=JsonBody(EnrolBody, {"password": "a long sentence of your own"}, optional=True),
        errors=(*_PROOF, "TWO_FACTOR_ALREADY_ON"),
        limit="two_factor",
    )
)
async def begin(call: Call) -> ASGIApp:
    body: EnrolBody = call.body
    enrolment = await call.container.two_factor.enrol(call.caller, body.password)
    return call.succeed(EnrolmentShape(enrolment.secret, enrolment.address, enrolment.picture))


@route(
    Operation(
        "POST",
        "/auth/two-factor/confirm",
        "confirmTwoFactor",
        TAG,
        "Turn two-factor sign-in on",
        "By a code of the authenticator. Answers ten recovery codes for who loses it.",
        RecoveryCodesShape,
        _CODES,
        access=SIGNED_IN,
        body=JsonBody(ConfirmBody, {"code": "123456"}),
        errors=("CODE_DOES_NOT_MATCH", "TWO_FACTOR_ALREADY_ON", "TWO_FACTOR_NOT_BEGUN", "TOO_MANY_ATTEMPTS"),
        limit="two_factor",
        idempotent=True,
    )
)
async def confirm(call: Call) -> ASGIApp:
    body: ConfirmBody = call.body
    return call.succeed(RecoveryCodesShape(True, await call.container.two_factor.confirm(call.caller, body.code)))


@route(
    Operation(
        "DELETE",
        "/auth/two-factor",
        "turnOffTwoFactor",
        TAG,
        "Turn two-factor sign-in off",
        "By the password, or by a code. The recovery codes are gone with it.",
        TwoFactorOffShape,
        {"twoFactor": False},
        access=SIGNED_IN,
        body=JsonBody(TurnOffBody, {"code": "123456"}, optional=True),
        errors=(*_PROOF, "CODE_DOES_NOT_MATCH", "TWO_FACTOR_NOT_ON"),
        limit="two_factor",
    )
)
async def turn_off(call: Call) -> ASGIApp:
    body: TurnOffBody = call.body
    if body.password is not None and body.code is not None:
        raise ValidationFailed(Problem("code", "give the password or a code, not both"))
    await call.container.two_factor.turn_off(call.caller, password=body.password, code=body.code)
    return call.succeed(TwoFactorOffShape(False))


@route(
    Operation(
        "POST",
        "/auth/login/two-factor",
        "loginTwoFactor",
        TAG,
        "Answer the challenge of a sign-in",
        "By a code, which is good once. A wrong one counts like a wrong password; the fifth voids the challenge.",
        SignedInShape,
        {**TOKENS, "user": USER},
        body=JsonBody(SecondStepBody, {"challenge": "0Zc4-43-characters-of-a-challenge-9f8e7d6c5b4", "code": "123456"}),
        errors=("CHALLENGE_NOT_VALID", "INVALID_CODE", "ACCOUNT_SUSPENDED", "TOO_MANY_ATTEMPTS"),
        limit="sign_in",
    )
)
async def second_step(call: Call) -> ASGIApp:
    body: SecondStepBody = call.body
    signed_in = await call.container.second_step.answer(body.challenge, body.code, call.caller)
    user = UserShape.of(call.container.profiles.of(signed_in.user), call.zone)
    return call.succeed(SignedInShape(**tokens_of(signed_in, call.container.clock.now(), call.zone), user=user))


ROUTES: Final = (begin, confirm, turn_off, second_step)
