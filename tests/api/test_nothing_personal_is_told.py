"""One buyer's whole way with marks in everything that is personal or secret, and then a search for the marks everywhere."""

import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from PIL import Image

from api.test_misuse_over_real_http import Job, Site, site  # noqa: F401 – the fixture is used by name
from integration.portraits.shop import E164, PHONE, encoded, scene
from madang.entrypoints.logs import configure_logs

MARK = "mark-in-the-metadata"
DESCRIPTION, GPS, AREA = 0x010E, 0x8825, 29
TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Everything that this process logs, down to `debug`."""
    root = logging.getLogger()
    handlers, level, stream = list(root.handlers), root.level, io.StringIO()
    configure_logs(level="debug", log_format="json", stream=stream)
    structlog.configure(cache_logger_on_first_use=False)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def marked_photo() -> bytes:
    exif = Image.Exif()
    exif[DESCRIPTION] = MARK
    exif.get_ifd(GPS)[AREA] = MARK
    upload = encoded(scene(), exif=exif, comment=MARK.encode(), xmp=f"<x>{MARK}</x>".encode())
    assert upload.count(MARK.encode()) >= 4
    return upload


async def go_all_the_way(site: Site, job: Job) -> tuple[list[str], list[bytes]]:  # noqa: F811 – no fixture here
    """With a slip at each step, for refusals are logged too. The secrets that the buyer holds, and the pictures."""
    await job.reach_photo()
    assert (await job.call("PUT", "/phone", json={"phone": f"{PHONE}0"})).status_code == 400
    assert (await job.send_photo(marked_photo()[:3000])).status_code == 422
    assert (await job.send_photo(marked_photo())).status_code == 202
    await job.until("completed")
    assert (await job.call("POST", "/access", json={"phone": "010-8765-4321"})).status_code == 403
    result = await job.open_result()
    assert (await job.call("GET", headers=result)).status_code == 401
    data = (await job.call("GET", "/result", headers=result)).json()["data"]
    links = [picture[form]["url"] for picture in data["pictures"] for form in ("full", "webp", "thumbnail")]
    pictures = [(await site.client.get(link)).content for link in links]
    pictures.append((await job.call("GET", "/download", headers=result)).content)
    opened = await site.client.post(f"/result/{job.id}/access", data={"phone": PHONE})
    tokens = [job.headers["Authorization"], result["Authorization"], opened.cookies["madang_result"]]
    return [*(token.rpartition(".")[2] for token in tokens), *(link.rpartition("=")[2] for link in links)], pictures


async def rows_as_text(site: Site) -> str:  # noqa: F811 – no fixture here
    tables = [row["table_name"] for row in await site.shop.rows(TABLES)]
    assert {"portraits", "messages", "idempotency_keys", "notifications"} <= set(tables)
    found = [await site.shop.rows(f"SELECT t::text AS row FROM {table} AS t") for table in tables]
    return "\n".join(row["row"] for rows in found for row in rows)


def files_of(folder: Path) -> list[bytes]:
    """What lies in the data folder, but for the world outside that the sandbox keeps there."""
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file() and "sandbox" not in path.parts]


async def test_no_number_token_signature_or_metadata_is_in_a_log_a_metric_a_row_or_a_file(
    lines: io.StringIO,
    site: Site,  # noqa: F811 – the fixture
) -> None:
    ordered = await site.client.post("/api/v1/portraits", json={}, headers={"Idempotency-Key": "key-1"})
    data: dict[str, Any] = ordered.json()["data"]
    job = Job(site, data["id"], {"Authorization": f"Bearer {data['token']}"}, data["checkout"]["url"])
    secrets, pictures = await go_all_the_way(site, job)
    settings = site.shop.container.settings
    assert settings.secret_key is not None
    secrets += [PHONE, PHONE.replace("-", ""), E164[1:], MARK, settings.secret_key.get_secret_value()]
    logged, metrics, rows = lines.getvalue(), (await site.client.get("/metrics")).text, await rows_as_text(site)
    files = files_of(settings.data_dir)
    assert job.id in logged
    assert job.id in rows
    assert len(files) > 10
    for secret in secrets:
        for place in (logged, metrics, rows, repr(settings)):
            assert secret not in place
        assert secret.encode().hex() not in rows
        assert not any(secret.encode() in content for content in (*files, *pictures))
