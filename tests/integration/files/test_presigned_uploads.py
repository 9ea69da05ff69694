"""Uploads straight to the storage: announced, sent, checked, and never changed afterwards."""

import hashlib

from integration.files.cabinet import (
    TEXT,
    Cabinet,
    large_picture,
)

SHA = hashlib.sha256(TEXT).hexdigest()
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


async def test_ten_megabytes_go_straight_to_the_storage_and_come_back(cabinet: Cabinet) -> None:
    content = large_picture()
    file_id = await cabinet.uploaded(content, filename="여름.png", sha256=hashlib.sha256(content).hexdigest().upper())
    file = (await cabinet.complete(file_id)).json()["data"]
    assert (file["status"], file["contentType"], file["filename"]) == ("available", "image/png", "여름.png")
    assert (file["size"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    downloaded = await cabinet.download(file_id)
    assert downloaded.content == content
    assert downloaded.headers["content-disposition"].startswith("attachment; ")
    assert downloaded.headers["content-type"] == "image/png"
    await cabinet.deployment.work()
    assert len(cabinet.stored()) == 2, "one object: its body and its description"
    assert (await cabinet.call("GET", "/files")).json()["data"] == [file]
