"""The Portraits calls: what each takes, answers and refuses, and the use case behind it."""

from datetime import timedelta, tzinfo
from typing import Final
from uuid import UUID

from litestar.types import ASGIApp

from madang.core.portraits.ordering import OrderPortrait
from madang.entrypoints.http.answers import StreamedAnswer
from madang.entrypoints.http.authentication import Access, Audience
from madang.entrypoints.http.composition import HttpContainer
from madang.entrypoints.http.envelope import zone
from madang.entrypoints.http.operation import Call, FormBody, JsonBody, Operation, route
from madang.entrypoints.http.portraits import answers, examples, shapes
from madang.entrypoints.http.portraits.downloads import MEDIA_TYPE, zip_of
from madang.entrypoints.http.portraits.photo_form import read_photo_form

TAG: Final = "Portraits"
JOB_TOKEN_FOR: Final = timedelta(days=30)
"""As long as the deletion receipt is worth asking for."""
RESULT_TOKEN_FOR: Final = timedelta(hours=1)
_ONE: Final = "/portraits/{portrait_id:uuid}"
_JOB: Final = Access(Audience.PORTRAIT)
_RESULT: Final = Access(Audience.RESULT)
_PHOTO_ERRORS: Final = (
    "PHOTO_TOO_LARGE",
    "PHOTO_TOO_MANY_PIXELS",
    "PHOTO_TYPE_NOT_SUPPORTED",
    "PHOTO_UNREADABLE",
    "PHOTO_TOO_SMALL",
    "FACE_NOT_FOUND",
    "SEVERAL_FACES",
    "UNSUPPORTED_MEDIA_TYPE",
    "MALFORMED_MULTIPART",
    "PROVIDER_API_ERROR",
    "PROVIDER_NOT_CONFIGURED",
)


@route(
    Operation(
        "POST",
        "/portraits",
        "orderPortrait",
        TAG,
        "Order a portrait",
        "Starts a job and opens its checkout. Keep `token`: it opens every other call of this job, and is never shown again. "
        "Unpaid or not, everything about the job is deleted 24 hours later.",
        shapes.OrderedShape,
        examples.ORDERED,
        status=201,
        body=JsonBody(shapes.OrderBody, examples.ORDER, optional=True),
        errors=("ALREADY_EXISTS", "PROVIDER_API_ERROR", "PROVIDER_NOT_CONFIGURED"),
        limit="order",
        idempotent=True,
    )
)
async def order_portrait(call: Call) -> ASGIApp:
    body: shapes.OrderBody = call.body
    order = await call.container.portraits.order(
        OrderPortrait(call.subject_id, f"address:{call.address}", body.locale, body.client_reference)
    )
    expires_at = order.portrait.created_at + JOB_TOKEN_FOR
    token = call.container.tokens.issue(Audience.PORTRAIT.value, str(order.portrait.id), expires_at=expires_at)
    return call.succeed(answers.ordered(order, token, expires_at, _zone(call)))


@route(
    Operation(
        "GET",
        _ONE,
        "getPortrait",
        TAG,
        "Read a portrait's status",
        "Status, progress, what is awaited next, and the deletion receipt once everything is gone.",
        shapes.PortraitShape,
        examples.PORTRAIT,
        access=_JOB,
    )
)
async def get_portrait(call: Call) -> ASGIApp:
    container = call.container
    view = await container.portraits.view(call.portrait_id)
    return call.succeed(answers.of_view(view, container.settings.base_url, _zone(call)))


@route(
    Operation(
        "PUT",
        _ONE + "/phone",
        "setPortraitPhone",
        TAG,
        "Give the phone number",
        "The number that the link to the result is sent to, and that opens it. It is stored encrypted. Until the photo is in, "
        "it can be replaced.",
        shapes.PortraitShape,
        examples.PENDING_UPLOAD,
        access=_JOB,
        body=JsonBody(shapes.PhoneBody, examples.PHONE),
        errors=("WRONG_STATE", "PORTRAIT_EXPIRED"),
    )
)
async def set_phone(call: Call) -> ASGIApp:
    body: shapes.PhoneBody = call.body
    portrait = await call.container.portraits.set_phone(call.portrait_id, body.phone)
    return call.succeed(answers.of_portrait(portrait, (), None, None, call.container.settings.base_url, _zone(call)))


@route(
    Operation(
        "PUT",
        _ONE + "/photo",
        "submitPortraitPhoto",
        TAG,
        "Send the photo",
        "JPEG or PNG by content, at most 10 MB, at least 512×512. It is turned upright, cropped to 3:4 (`crop`, else the "
        "largest rectangle in the middle) and stripped of its metadata; then three pictures are made. The same photo again "
        "changes nothing.",
        shapes.PortraitShape,
        examples.PROCESSING,
        status=202,
        access=_JOB,
        body=FormBody(examples.PHOTO_SCHEMA, examples.PHOTO_ENCODING, examples.PHOTO_FORM),
        errors=("WRONG_STATE", "PORTRAIT_EXPIRED", *_PHOTO_ERRORS),
        limit="photo",
    )
)
async def submit_photo(call: Call) -> ASGIApp:
    photo, crop = await read_photo_form(call.request)
    portrait = await call.container.portraits.submit_photo(call.portrait_id, photo, crop)
    return call.succeed(answers.of_portrait(portrait, (), None, None, call.container.settings.base_url, _zone(call)))


@route(
    Operation(
        "POST",
        _ONE + "/payment-check",
        "checkPortraitPayment",
        TAG,
        "Say that the browser came back from the checkout",
        "A hint to ask the payment provider now. It never changes the payment by itself: read the status a moment later. Where "
        "the provider gave the browser a key (Toss: `paymentKey`), it is spent once.",
        shapes.PortraitShape,
        examples.UNPAID,
        status=202,
        access=_JOB,
        body=JsonBody(shapes.PaymentKeyBody, {"key": "test-payment-key"}, optional=True),
    )
)
async def check_payment(call: Call) -> ASGIApp:
    container = call.container
    body: shapes.PaymentKeyBody = call.body
    await container.portraits.check_payment(call.portrait_id, body.key)
    view = await container.portraits.view(call.portrait_id)
    return call.succeed(answers.of_view(view, container.settings.base_url, _zone(call)))


@route(
    Operation(
        "POST",
        _ONE + "/access",
        "openPortraitResult",
        TAG,
        "Open the result with the phone number",
        "Answers a result token, good for an hour at most. Three wrong numbers from one address block it for this job for an "
        "hour.",
        shapes.AccessShape,
        examples.ACCESS,
        body=JsonBody(shapes.PhoneBody, examples.PHONE),
        errors=("PORTRAIT_NOT_FOUND", "PHONE_DOES_NOT_MATCH", "TOO_MANY_ATTEMPTS", "WRONG_STATE", "PORTRAIT_EXPIRED"),
        limit="phone_check",
        limit_by_path=True,
    )
)
async def open_result(call: Call) -> ASGIApp:
    body: shapes.PhoneBody = call.body
    return call.succeed(await grant_access(call.container, call.portrait_id, body.phone, call.address))


async def grant_access(container: HttpContainer, portrait_id: UUID, phone: str, address: str) -> shapes.AccessShape:
    """Check the phone number and issue a result token: an hour, and not beyond the job's end."""
    portrait = await container.portraits.check_phone(portrait_id, phone, address)
    expires_at = min(container.clock.now() + RESULT_TOKEN_FOR, portrait.expires_at)
    token = container.tokens.issue(Audience.RESULT.value, str(portrait_id), expires_at=expires_at)
    return shapes.AccessShape(token, expires_at.astimezone(zone(container.settings.timezone)))


@route(
    Operation(
        "GET",
        _ONE + "/result",
        "getPortraitResult",
        TAG,
        "Read the result",
        "Three pictures by presigned addresses (an hour), the report, and the care entries that it recommends.",
        shapes.ResultShape,
        examples.RESULT,
        access=_RESULT,
        errors=("WRONG_STATE", "PORTRAIT_EXPIRED", "PROVIDER_API_ERROR", "PROVIDER_NOT_CONFIGURED"),
    )
)
async def get_result(call: Call) -> ASGIApp:
    return call.succeed(answers.of_result(await call.container.portraits.result(call.portrait_id), _zone(call)))


@route(
    Operation(
        "GET",
        _ONE + "/download",
        "downloadPortrait",
        TAG,
        "Download everything as a zip",
        "The three pictures as they were made, and the report as `report.json` and `report.txt`.",
        None,
        None,
        access=_RESULT,
        errors=("WRONG_STATE", "PORTRAIT_EXPIRED", "PROVIDER_API_ERROR", "PROVIDER_NOT_CONFIGURED"),
        media_type=MEDIA_TYPE,
    )
)
async def download(call: Call) -> ASGIApp:
    return await zip_answer(call.container, call.portrait_id)


async def zip_answer(container: HttpContainer, portrait_id: UUID) -> StreamedAnswer:
    """The zip as an answer; whatever can be refused is refused before its first byte."""
    result = await container.portraits.result(portrait_id)
    files = await container.portraits.download(portrait_id)
    now = container.clock.now().astimezone(zone(container.settings.timezone))
    name = f'attachment; filename="portrait-{str(portrait_id)[-12:]}.zip"'
    chunks = zip_of(result, files, container.portraits.open_file, now)
    return StreamedAnswer(chunks, MEDIA_TYPE, [(b"content-disposition", name.encode())])


@route(
    Operation(
        "POST",
        _ONE + "/survey",
        "submitPortraitSurvey",
        TAG,
        "Answer the survey",
        "From 1 to 5, with a comment if you like; once for each job.",
        shapes.SurveyShape,
        examples.SURVEY_ANSWER,
        status=201,
        access=_RESULT,
        body=JsonBody(shapes.SurveyBody, examples.SURVEY),
        errors=("SURVEY_ALREADY_SUBMITTED", "WRONG_STATE", "PORTRAIT_EXPIRED"),
        idempotent=True,
    )
)
async def submit_survey(call: Call) -> ASGIApp:
    body: shapes.SurveyBody = call.body
    survey = await call.container.portraits.submit_survey(call.portrait_id, body.score, body.comment)
    return call.succeed(answers.of_survey(survey, _zone(call)))


def _zone(call: Call) -> tzinfo:
    return zone(call.container.settings.timezone)


ROUTES: Final = (
    order_portrait,
    get_portrait,
    set_phone,
    submit_photo,
    check_payment,
    open_result,
    get_result,
    download,
    submit_survey,
)
