"""What a file is by its bytes, and where they wait meanwhile."""

import io
import struct
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.adapters.puremagic.content_types import PuremagicContentTypes
from madang.adapters.spool.disk import DiskFile, DiskSpool
from madang.core.files.contents import found_type, misfit_of
from madang.core.files.model import FOLDER, File, FileStatus, ids_in, is_wanted
from madang.core.files.policies import POLICIES, policy_of
from madang.core.kernel.errors import PayloadTooLarge, ValidationFailed
from madang.core.kernel.ids import new_id
from madang.ports.errors import Unavailable

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
SLIDES = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
TYPES = PuremagicContentTypes()


def zipped(*names: str, comment: bytes = b"") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name in names:
            # Of no time: the names of tests hold the first bytes, and must be the same in every runner.
            archive.writestr(zipfile.ZipInfo(name), b"x")
        archive.comment = comment
    return made.getvalue()


def with_a_huge_list() -> bytes:
    """An office document whose list of entries says that it is 900 MB large."""
    content = bytearray(zipped("[Content_Types].xml", "word/document.xml"))
    at = content.rindex(b"PK\x05\x06")
    content[at + 12 : at + 16] = struct.pack("<L", 900_000_000)
    return bytes(content)


def with_a_zip64_list() -> bytes:
    content = zipped("[Content_Types].xml", "word/document.xml")
    at = content.rindex(b"PK\x05\x06")
    return content[:at] + b"PK\x06\x07" + bytes(16) + content[at:]


@asynccontextmanager
async def spooled(folder: Path, content: bytes, limit: int = 10**9) -> AsyncIterator[DiskFile]:
    async with DiskSpool(folder, 10**9).open(limit=limit) as file:
        await file.write(content)
        await file.settle()
        yield file


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(30), "image/png"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(30), "image/jpeg"),
        (b"\xff\xd8\xff\xe1\x00\x10Exif\x00" + bytes(30), "image/jpeg"),
        (b"RIFF\x24\x00\x00\x00WEBPVP8 " + bytes(30), "image/webp"),
        (b"GIF89a" + bytes(30), "image/gif"),
        (b"%PDF-1.4\n%\xe2\xe3", "application/pdf"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
        (b"<html><body>", "text/html"),
        ("안녕".encode(), "text/plain"),
        (b"\xef\xbb\xbfa,b\r\n", "text/plain"),
        (("가" * 200_000).encode(), "text/plain"),
        (("가" * 200_000).encode()[:-1], None),
        (b"a" * 300_000 + b"\0", None),
        (b"\x1b[31mred", "text/plain"),
        ("가나다".encode("cp949"), None),
        ("hello".encode("utf-16"), None),
        (b"MZ" + bytes(100), None),
        (b"\x7fELF" + bytes(100), None),
        (zipped("a.txt"), "application/zip"),
        (zipped(), "application/zip"),
        (zipped("a.txt", comment=b"c" * 60_000), "application/zip"),
        (zipped("[Content_Types].xml", "word/document.xml"), WORD),
        (zipped("[Content_Types].xml", "xl/workbook.xml"), SHEET),
        (zipped("[Content_Types].xml", "ppt/presentation.xml"), SLIDES),
        (zipped("[Content_Types].xml", "word/document.xml", "word/vbaProject.bin"), "application/vnd.ms-office.vbaproject"),
        (zipped("word/document.xml"), "application/zip"),
        (with_a_huge_list(), "application/zip"),
        (with_a_zip64_list(), "application/zip"),
        (zipped("a.txt")[:-10], None),
        (b"PK\x03\x04" + bytes(100), None),
        (b"PK\x03\x04" + b"PK\x05\x06" + bytes(18), "application/zip"),
    ],
    ids=lambda value: repr(value[:12]) if isinstance(value, bytes) else str(value),
)
async def test_a_type_is_told_by_the_bytes(tmp_path: Path, content: bytes, found: str | None) -> None:
    async with spooled(tmp_path, content) as file:
        assert await TYPES.detect(file) == found


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"PK\x03\x04", b"PK\x05\x06", b"\xff\xd8\xff", b"%PDF", b"<svg", b"RIFF"])
)
async def test_no_bytes_confuse_it(tmp_path: Path, content: bytes, head: bytes) -> None:
    async with spooled(tmp_path, head + content) as file:
        found = await TYPES.detect(file)
    assert found is None or "/" in found


async def test_the_spool_takes_what_it_may_and_gives_it_back(tmp_path: Path) -> None:
    spool = DiskSpool(tmp_path / "spool", capacity=1000)
    async with spool.open(limit=600) as one:
        await one.write(b"a" * 600)
        with pytest.raises(PayloadTooLarge):
            await one.write(b"a")
        async with spool.open(limit=600) as other:
            await other.write(b"b" * 400)
            with pytest.raises(Unavailable):
                await other.write(b"b")
        await one.settle()
        assert b"".join([chunk async for chunk in one.chunks()]) == b"a" * 600
        assert b"".join([chunk async for chunk in one.chunks()]) == b"a" * 600, "as often as it is asked for"
        assert not list((tmp_path / "spool").iterdir()), "a file without a name dies with its process"
    async with spool.open(limit=1000) as all_of_it:
        await all_of_it.write(b"c" * 1000)


async def test_what_does_not_fit_its_announcement_is_named(tmp_path: Path) -> None:
    document = policy_of("document")
    assert found_type("text/csv", "text/plain") == "text/csv"
    assert found_type("application/pdf", "text/plain") == "text/plain"
    assert found_type("text/csv", "application/pdf") == "application/pdf"
    async with spooled(tmp_path, b"text") as file:
        assert misfit_of(file, "text/plain", document, "text/plain", None) is None
        assert misfit_of(file, "text/plain", document, "", file.sha256) is None
        for found, declared in ((None, "text/plain"), ("text/html", ""), ("application/pdf", "text/plain")):
            refusal = misfit_of(file, found, document, declared, None)
            assert refusal is not None
            assert refusal.code == "FILE_TYPE_MISMATCH"
    async with spooled(tmp_path, bytes(11 * 1024**2)) as file:
        refusal = misfit_of(file, "image/png", policy_of("attachment"), "image/png", None)
        assert refusal is not None
        assert refusal.code == "FILE_TOO_LARGE", "a picture is no larger as an attachment"
    with pytest.raises(ValidationFailed):
        policy_of("passport")
    assert all("svg" not in kind and "html" not in kind for policy in POLICIES.values() for kind in policy.types)


def test_an_object_is_wanted_by_its_own_file_only(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    now = datetime.now(UTC)
    file = File(new_id(), new_id(), "picture", FileStatus.PENDING, None, "image/png", 1, True, now, now, now)
    mine, other = file.new_object_key(), file.new_object_key()
    assert mine != other
    assert ids_in(mine) == ids_in(file.incoming_key) == (file.owner_id, file.id)
    available = file.to(FileStatus.AVAILABLE, now, object_key=mine)
    assert [is_wanted(key, available) for key in (mine, other, file.incoming_key)] == [True, False, False]
    assert is_wanted(other, file)
    assert not is_wanted(mine, None)
    assert not is_wanted(mine, available.to(FileStatus.DELETED, now, object_key=None))
    for strange in (
        "",
        FOLDER,
        "files/a/b/c",
        f"other/{file.owner_id}/{file.id}/x",
        f"files/{file.owner_id.hex}/{file.id.hex}/x",
    ):
        assert ids_in(strange) is None
