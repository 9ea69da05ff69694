"""A user's files."""

from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from litestar.types import ASGIApp

from madang.core.files.model import File, FileStatus
from madang.core.files.service import AnnounceUpload, StoreFile
from madang.core.kernel.paging import PageRequest
from madang.entrypoints.http.answers import Answer
from madang.entrypoints.http.authentication import Access, Audience
from madang.entrypoints.http.envelope import Pagination, zone
from madang.entrypoints.http.files import shapes
from madang.entrypoints.http.files.form import uploaded_file
from madang.entrypoints.http.operation import Call, FormBody, JsonBody, Operation, route

TAG: Final = "Files"
_READ: Final = Access(Audience.API, "files:read")
_WRITE: Final = Access(Audience.API, "files:write")
_ONE: Final = "/files/{file_id:uuid}"
_REFUSED: Final = (
    "FILE_CHECKSUM_MISMATCH",
    "FILE_TOO_LARGE",
    "FILE_TOO_MANY_PIXELS",
    "FILE_TYPE_MISMATCH",
    "FILE_UNREADABLE",
)
_ROOM: Final = ("FILE_QUOTA_EXCEEDED", "TOO_MANY_UPLOADS")
_PROVIDER: Final = ("PROVIDER_API_ERROR", "PROVIDER_NOT_CONFIGURED")


@route(
    Operation(
        "POST",
        "/files/uploads",
        "announceUpload",
        TAG,
        "Announce an upload",
        "Answers where to send the file: straight to the storage, within 15 minutes. Then complete it. Purposes: `picture` "
        "(JPEG, PNG, WebP; 10 MB), `avatar` (as pictures; 5 MB), `document` (PDF, Word, Excel, PowerPoint, text, CSV, "
        "Markdown; 20 MB), `attachment` (all of these and zip; 50 MB, pictures 10 MB).",
        shapes.UploadShape,
        {"file": shapes.PENDING, "upload": shapes.REQUEST},
        status=201,
        access=_WRITE,
        body=JsonBody(shapes.UploadBody, shapes.UPLOAD),
        errors=(
            "FILE_NOT_AVAILABLE",
            "FILE_TOO_LARGE",
            "PRESIGNING_NOT_POSSIBLE",
            "UPLOAD_EXPIRED",
            *_ROOM,
            *_PROVIDER,
        ),
        limit="upload",
        idempotent=True,
    )
)
async def announce_upload(call: Call) -> ASGIApp:
    body: shapes.UploadBody = call.body
    sha256 = None if body.sha256 is None else body.sha256.lower()
    command = AnnounceUpload(call.subject_id, body.filename, body.purpose, body.content_type, body.size, sha256)
    announced = await call.container.files.announce_upload(call.caller, command)
    return call.succeed(
        shapes.UploadShape(_shape(call, announced.file), shapes.of_request(announced.request, _zone(call))),
    )


@route(
    Operation(
        "POST",
        _ONE + "/complete",
        "completeUpload",
        TAG,
        "Complete an upload",
        "Checks what arrived: size, type by content, SHA-256; a picture is decoded. What is not as announced is deleted, and "
        "the file stays `rejected`. Any number of times with the same answer.",
        shapes.FileShape,
        shapes.FILE,
        access=_WRITE,
        errors=("FILE_NOT_FOUND", "FILE_SIZE_MISMATCH", "UPLOAD_EXPIRED", "UPLOAD_NOT_ARRIVED", *_REFUSED, *_PROVIDER),
        limit="upload",
    )
)
async def complete_upload(call: Call) -> ASGIApp:
    return call.succeed(_shape(call, await call.container.files.complete(call.caller, _id(call))))


@route(
    Operation(
        "POST",
        "/files",
        "uploadFile",
        TAG,
        "Upload a file through the API",
        "For clients that cannot send to the storage itself. The fields come first, the file last. Checked like an announced "
        "upload; what is refused leaves nothing behind.",
        shapes.FileShape,
        shapes.FILE,
        status=201,
        access=_WRITE,
        body=FormBody(shapes.FORM_SCHEMA, shapes.FORM_ENCODING, shapes.FORM),
        errors=(
            "FILE_NOT_FOUND",
            "MALFORMED_MULTIPART",
            "UNSUPPORTED_MEDIA_TYPE",
            "UPLOAD_EXPIRED",
            "UPLOAD_INCOMPLETE",
            "VALIDATION_ERROR",
            *_REFUSED,
            *_ROOM,
            *_PROVIDER,
        ),
        limit="upload",
        idempotent=True,
    )
)
async def upload_file(call: Call) -> ASGIApp:
    async with uploaded_file(call.request, call.container.files) as form:

        async def store(call: Call) -> Answer:
            command = StoreFile(call.subject_id, form.filename, form.purpose, form.content_type, form.sha256)
            return call.succeed(_shape(call, await call.container.files.store(call.caller, command, form.content)))

        return await call.once(form.fingerprint, store)


@route(
    Operation(
        "GET",
        "/files",
        "listFiles",
        TAG,
        "List your files",
        "The newest first; without the deleted ones.",
        list[shapes.FileShape],
        [shapes.FILE],
        access=_READ,
        query=shapes.FileQuery,
        paginated=True,
        errors=("VALIDATION_ERROR",),
    )
)
async def list_files(call: Call) -> ASGIApp:
    query: shapes.FileQuery = call.query
    status = None if query.status is None else FileStatus(query.status)
    page = await call.container.files.page(
        call.caller, PageRequest(query.page, query.limit), purpose=query.purpose, status=status
    )
    return call.succeed([_shape(call, file) for file in page.items], pagination=Pagination.of(page))


@route(
    Operation(
        "GET",
        _ONE,
        "getFile",
        TAG,
        "Read what is known of a file",
        "Its name, type, size and state; a rejected one says why.",
        shapes.FileShape,
        shapes.FILE,
        access=_READ,
        errors=("FILE_NOT_FOUND",),
    )
)
async def get_file(call: Call) -> ASGIApp:
    return call.succeed(_shape(call, await call.container.files.get(call.caller, _id(call))))


@route(
    Operation(
        "GET",
        _ONE + "/url",
        "getFileUrl",
        TAG,
        "Get an address to download a file",
        "Good for an hour, for whoever has it. Always a download: a browser saves it under the file's name.",
        shapes.LinkShape,
        shapes.LINK,
        access=_READ,
        errors=("FILE_NOT_AVAILABLE", "FILE_NOT_FOUND", *_PROVIDER),
    )
)
async def get_file_url(call: Call) -> ASGIApp:
    link = await call.container.files.link(call.caller, _id(call))
    return call.succeed(shapes.LinkShape(link.url, link.expires_at.astimezone(_zone(call))))


@route(
    Operation(
        "DELETE",
        _ONE,
        "deleteFile",
        TAG,
        "Delete a file",
        "At once for everybody who asks here; from the storage within moments. Again changes nothing.",
        shapes.DeletedFileShape,
        {"id": shapes.FILE["id"], "status": "deleted"},
        access=_WRITE,
        errors=("FILE_NOT_FOUND",),
    )
)
async def delete_file(call: Call) -> ASGIApp:
    file = await call.container.files.delete(call.caller, _id(call))
    return call.succeed(shapes.DeletedFileShape(file.id, file.status.value))


def _id(call: Call) -> UUID:
    found: UUID = call.request.path_params["file_id"]
    return found


def _shape(call: Call, file: File) -> shapes.FileShape:
    return shapes.of_file(file, call.container.files.name_of(file), _zone(call))


def _zone(call: Call) -> ZoneInfo:
    return zone(call.container.settings.timezone)


ROUTES: Final = (announce_upload, complete_upload, upload_file, list_files, get_file, get_file_url, delete_file)
