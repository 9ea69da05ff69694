"""What the tests of files upload, and how."""

import io
import os
import struct
import zipfile
import zlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from deployment import Deployment, Member

MEGABYTE = 1024 * 1024
TEXT = "사진은 없습니다. Only words.\n".encode()
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<!DOCTYPE html><html><script>alert(1)</script></html>"
PDF = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"
PROGRAM = b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00" + bytes(64)


def picture(
    width: int = 40, height: int = 30, form: str = "PNG", colour: tuple[int, int, int] = (200, 30, 30), **options: Any
) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(made, form, **options)
    return made.getvalue()


def bomb() -> bytes:
    """A small PNG that says it is 64 megapixels large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 8000, 8000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def large_picture() -> bytes:
    """A PNG just under 10 MB."""
    made = io.BytesIO()
    Image.frombytes("RGB", (1860, 1860), os.urandom(1860 * 1860 * 3)).save(made, "PNG", compress_level=0)
    assert 9.8 * MEGABYTE < len(made.getvalue()) < 10 * MEGABYTE
    return made.getvalue()


def archive(*names: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as zipped:
        for name in names:
            zipped.writestr(name, "x")
    return made.getvalue()


def form_of(
    content: bytes, *, boundary: str = "b0undary", filename: str = "a.png", kind: str = "image/png", **fields: str
) -> bytes:
    """The fields, then the file."""
    return b"".join(
        [*(field_part(name, value, boundary) for name, value in fields.items()), file_part(content, boundary, filename, kind)]
    ) + end_of(boundary)


def field_part(name: str, value: str, boundary: str = "b0undary") -> bytes:
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def file_part(content: bytes, boundary: str = "b0undary", filename: str = "a.png", kind: str = "image/png") -> bytes:
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\nContent-Type: {kind}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def end_of(boundary: str = "b0undary") -> bytes:
    return f"--{boundary}--\r\n".encode()


class Cabinet:
    """One member's calls."""

    def __init__(self, deployment: Deployment, member: Member) -> None:
        self.deployment = deployment
        self.member = member
        self.client = deployment.client

    async def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {**self.member.headers, **options.pop("headers", {})}
        return await self.client.request(method, path, headers=headers, **options)

    async def announce(self, content: bytes = b"", **changes: Any) -> httpx.Response:
        key = changes.pop("key", None)
        body = {
            "filename": "a.png",
            "contentType": "image/png",
            "size": len(content),
            "purpose": "picture",
            **changes,
        }
        return await self.call("POST", "/files/uploads", json=body, headers={"Idempotency-Key": key} if key else {})

    async def send(self, announced: Mapping[str, Any], content: bytes) -> httpx.Response:
        """Straight to the storage, without any token of ours."""
        upload = announced["upload"]
        return await self.client.request(upload["method"], upload["url"], headers=upload["headers"], content=content)

    async def uploaded(self, content: bytes, **changes: Any) -> str:
        """Announced and sent, not completed; the id."""
        answer = await self.announce(content, **changes)
        assert answer.status_code == 201, answer.text
        announced = answer.json()["data"]
        assert (await self.send(announced, content)).status_code == 200
        found: str = announced["file"]["id"]
        return found

    async def complete(self, file_id: str) -> httpx.Response:
        return await self.call("POST", f"/files/{file_id}/complete")

    async def kept(self, content: bytes | None = None, **changes: Any) -> str:
        """An available file's id."""
        file_id = await self.uploaded(picture() if content is None else content, **changes)
        answer = await self.complete(file_id)
        assert answer.status_code == 200, answer.text
        return file_id

    async def post(self, body: bytes | AsyncIterator[bytes], **headers: str) -> httpx.Response:
        """A multipart form, as it is."""
        kind = {"Content-Type": "multipart/form-data; boundary=b0undary"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.call("POST", "/files", content=body, headers={**kind, **named})

    async def download(self, file_id: str) -> httpx.Response:
        link = (await self.call("GET", f"/files/{file_id}/url")).json()["data"]
        return await self.client.get(link["url"])

    def stored(self) -> list[Path]:
        """What lies on the storage's disk."""
        return sorted(
            path for path in (self.deployment.container.settings.data_dir / "storage").rglob("files/**/*") if path.is_file()
        )

    def spooled(self) -> list[Path]:
        return [path for path in (self.deployment.container.settings.data_dir / "spool").rglob("*") if path.is_file()]

    async def rows(self) -> int:
        found: int = await self.deployment.value("SELECT count(*) FROM files")
        return found


def told(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]
