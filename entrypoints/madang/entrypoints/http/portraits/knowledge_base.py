"""The care catalogue for its editors."""

from typing import Annotated, Any, Final

from litestar.types import ASGIApp
from msgspec import Meta

from madang.core.kernel.errors import NotFound, Problem, ValidationFailed
from madang.core.kernel.paging import PageRequest
from madang.core.portraits.model import CareEntry
from madang.entrypoints.http.authentication import Access, Audience
from madang.entrypoints.http.envelope import FieldProblem, Pagination, Shape
from madang.entrypoints.http.errors import MalformedBody
from madang.entrypoints.http.exchange import exchange_of
from madang.entrypoints.http.field_problems import told
from madang.entrypoints.http.language import preferred
from madang.entrypoints.http.operation import Call, JsonBody, Operation, RawBody, route
from madang.entrypoints.http.portraits.answers import of_care
from madang.entrypoints.http.portraits.examples import CARE
from madang.entrypoints.http.portraits.shapes import CareShape, Input

TAG: Final = "Knowledge base"
MAX_CSV: Final = 1024 * 1024
_EDITOR: Final = Access(Audience.API, "knowledge-base:write")
_ONE: Final = "/knowledge-base/{code:str}"

Code = Annotated[str, Meta(pattern=r"^[A-Za-z0-9]{1,32}\Z", description="Letters and digits: SC003")]
Line = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\u0000]*$")]
Prose = Annotated[str, Meta(min_length=1, max_length=2000, pattern=r"^[^\u0000]*$")]
Weeks = Annotated[int, Meta(ge=0, le=520)]
Won = Annotated[int, Meta(ge=0, le=1_000_000_000)]


class CareFields(Input, frozen=True):
    """Weeks and whole won, from and to."""

    category: Line
    title_ko: Line
    title_en: Line
    description_ko: Prose
    description_en: Prose
    weeks_min: Weeks
    weeks_max: Weeks
    cost_min: Won
    cost_max: Won


class NewCareBody(CareFields, frozen=True, kw_only=True):
    code: Code


class CareQuery(Input, frozen=True):
    page: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    category: Line | None = None


class ImportShape(Shape, frozen=True):
    """`problems` name the lines that were left out."""

    created: int
    updated: int
    problems: list[FieldProblem]


class RemovedShape(Shape, frozen=True):
    code: str


_FIELDS: Final[dict[str, Any]] = {name: value for name, value in CARE.items() if name != "code"}
_CSV: Final = (
    "code,category,title_ko,title_en,description_ko,description_en,weeks_min,weeks_max,cost_min,cost_max\n"
    "SC003,skin,수분 장벽 관리,Moisture barrier care,세라마이드 보습제,Ceramide moisturiser,4,8,30000,80000\n"
)


@route(
    Operation(
        "GET",
        "/knowledge-base",
        "listCareEntries",
        TAG,
        "List the care catalogue",
        "By code, a page at a time.",
        list[CareShape],
        [CARE],
        access=_EDITOR,
        query=CareQuery,
        paginated=True,
        errors=("VALIDATION_ERROR",),
    )
)
async def list_entries(call: Call) -> ASGIApp:
    query: CareQuery = call.query
    page = await call.container.knowledge_base.page(PageRequest(query.page, query.limit), query.category)
    return call.succeed([of_care(entry) for entry in page.items], pagination=Pagination.of(page))


@route(
    Operation(
        "GET",
        _ONE,
        "getCareEntry",
        TAG,
        "Read a care entry",
        "One entry by its code.",
        CareShape,
        CARE,
        access=_EDITOR,
        errors=("CARE_ENTRY_NOT_FOUND",),
    )
)
async def get_entry(call: Call) -> ASGIApp:
    return call.succeed(of_care(await call.container.knowledge_base.get(_code_in_path(call))))


@route(
    Operation(
        "POST",
        "/knowledge-base",
        "createCareEntry",
        TAG,
        "Add a care entry",
        "The code must be free.",
        CareShape,
        CARE,
        status=201,
        access=_EDITOR,
        body=JsonBody(NewCareBody, CARE),
        errors=("CARE_CODE_TAKEN",),
        idempotent=True,
    )
)
async def create_entry(call: Call) -> ASGIApp:
    body: NewCareBody = call.body
    entry = _entry_of(body.code, body)
    await call.container.knowledge_base.create(call.caller, entry)
    return call.succeed(of_care(entry))


@route(
    Operation(
        "PUT",
        _ONE,
        "replaceCareEntry",
        TAG,
        "Replace a care entry",
        "All fields of one entry that is there.",
        CareShape,
        CARE,
        access=_EDITOR,
        body=JsonBody(CareFields, _FIELDS),
        errors=("CARE_ENTRY_NOT_FOUND",),
    )
)
async def replace_entry(call: Call) -> ASGIApp:
    code = _code_in_path(call)
    entry = _entry_of(code, call.body)
    await call.container.knowledge_base.replace(call.caller, code, entry)
    return call.succeed(of_care(entry))


@route(
    Operation(
        "DELETE",
        _ONE,
        "deleteCareEntry",
        TAG,
        "Remove a care entry",
        "Reports that recommend it keep its code and lose its text.",
        RemovedShape,
        {"code": "SC003"},
        access=_EDITOR,
        errors=("CARE_ENTRY_NOT_FOUND",),
    )
)
async def delete_entry(call: Call) -> ASGIApp:
    code = _code_in_path(call)
    await call.container.knowledge_base.delete(call.caller, code)
    return call.succeed(RemovedShape(code))


@route(
    Operation(
        "POST",
        "/knowledge-base/import",
        "importCareEntries",
        TAG,
        "Import the care catalogue from CSV",
        "UTF-8 with a header line. Entries that are there are replaced by code, others are added; lines with problems are left "
        "out and named. A file of which nothing can be taken is refused with all of its problems.",
        ImportShape,
        {"created": 1, "updated": 0, "problems": [{"path": "line 3: cost_min", "message": "must be a whole number"}]},
        access=_EDITOR,
        body=RawBody(MAX_CSV, ("text/csv",), "The catalogue as CSV in UTF-8.", _CSV),
        idempotent=True,
    )
)
async def import_entries(call: Call) -> ASGIApp:
    try:
        text = bytes(call.body).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise MalformedBody("the file is not UTF-8", code="MALFORMED_CSV") from None
    if "\0" in text:
        raise MalformedBody("the file holds NUL characters", code="MALFORMED_CSV")
    outcome = await call.container.knowledge_base.import_csv(call.caller, text)
    if outcome.problems and not outcome.created and not outcome.updated:
        raise ValidationFailed(*(Problem(problem.path, problem.message) for problem in outcome.problems))
    language = preferred(exchange_of(call.request.scope).accept_language)
    problems = [FieldProblem(problem.path, told(problem.message, language)) for problem in outcome.problems]
    return call.succeed(ImportShape(outcome.created, outcome.updated, problems))


def _code_in_path(call: Call) -> str:
    """A code that no entry can have is simply not there."""
    code: str = call.request.path_params["code"]
    if not (code.isascii() and code.isalnum()):
        raise NotFound("there is no such care entry", code="CARE_ENTRY_NOT_FOUND")
    return code


def _entry_of(code: str, fields: CareFields) -> CareEntry:
    problems = []
    if fields.weeks_max < fields.weeks_min:
        problems.append(Problem("weeksMax", "must not be less than weeksMin"))
    if fields.cost_max < fields.cost_min:
        problems.append(Problem("costMax", "must not be less than costMin"))
    if problems:
        raise ValidationFailed(*problems)
    return CareEntry(
        code,
        fields.category,
        fields.title_ko,
        fields.title_en,
        fields.description_ko,
        fields.description_en,
        fields.weeks_min,
        fields.weeks_max,
        fields.cost_min,
        fields.cost_max,
    )


ROUTES: Final = (list_entries, create_entry, import_entries, get_entry, replace_entry, delete_entry)
