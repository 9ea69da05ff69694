"""`madang demo`: one portrait from order to result, on a deployment that lives only as long."""

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import click

from madang.entrypoints.cli.screen import print_table

if TYPE_CHECKING:
    import httpx

    from madang.entrypoints.cli.demo_journey import Finished

_SECONDS = 30.0


@click.command()
@click.option(
    "--photo",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JPEG or PNG, at least 512×512; a public-domain NASA portrait by default.",
)
@click.option("--lang", "language", type=click.Choice(("ko", "en")), default="ko", show_default=True)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("madang-demo"), show_default=True)
@click.option("--url", help="A running deployment on the sandbox, instead of one of the demonstration's own.")
def demo(photo: Path | None, language: str, out: Path, url: str | None) -> None:
    """Order a portrait, pay, send the photo, receive the SMS, pass the phone check, and keep the results in --out.

    Everything runs on the sandbox: no money moves, no SMS leaves this machine, no AI is asked. Nothing is left running.
    """
    started = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    for left in out.glob("picture-*"):
        left.unlink()
    written = asyncio.run(_demonstrate(photo or _shipped_photo(), language, out, url))
    print_table(f"\nDone in {time.monotonic() - started:.0f} s. What is where:", ("file", "what it is", "size"), _rows(written))


def _shipped_photo() -> Path:
    from importlib.resources import files

    return Path(str(files("madang.entrypoints.demo_data").joinpath("astronaut.png")))


def _rows(written: Sequence[tuple[Path, str]]) -> Sequence[tuple[str, str, str]]:
    return [(str(path), what, f"{path.stat().st_size / 1024:,.0f} kB") for path, what in written]


async def _demonstrate(photo: Path, language: str, out: Path, url: str | None) -> Sequence[tuple[Path, str]]:
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        BarColumn(bar_width=32),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, TimeElapsedColumn()) as bar:
        task = bar.add_task("starting a deployment of its own", total=100)

        def progress(percent: int, words: str) -> None:
            bar.update(task, completed=percent, description=words)

        async with _deployment(out, url, lambda words: progress(1, words)) as base_url:
            written = await _order(base_url, photo, language, out, progress)
            progress(98, "stopping everything")
        progress(100, "done")
    return written


@asynccontextmanager
async def _deployment(out: Path, url: str | None, tell: Callable[[str], None]) -> AsyncIterator[str]:
    from madang.entrypoints.cli.demo_stack import own_stack

    if url is not None:
        yield url.rstrip("/")
        return
    async with own_stack(out / "deployment.log", tell) as base_url:
        yield base_url


async def _order(
    base_url: str, photo: Path, language: str, out: Path, progress: Callable[[int, str], None]
) -> Sequence[tuple[Path, str]]:
    import httpx

    from madang.entrypoints.cli.demo_journey import Buyer

    headers = {"Accept-Language": language, "User-Agent": "madang-demo"}
    async with httpx.AsyncClient(
        base_url=base_url, headers=headers, timeout=_SECONDS, follow_redirects=True, trust_env=False
    ) as client:
        finished = await Buyer(client, language=language, progress=progress).go(photo)
        return await _keep(client, finished, photo, out)


async def _keep(client: "httpx.AsyncClient", finished: "Finished", photo: Path, out: Path) -> Sequence[tuple[Path, str]]:
    from madang.entrypoints.cli.keepsake import self_contained

    local = {path: name for path, (name, _) in finished.pictures.items()}
    local[f"/result/{finished.portrait_id}/download"] = "portrait.zip"
    page = await self_contained(client, finished.page, local)
    kept: list[tuple[str, str, bytes]] = [
        (f"photo{photo.suffix}", "the photo that was sent", await asyncio.to_thread(photo.read_bytes))
    ]
    kept += [(name, "a picture that was made", content) for name, content in finished.pictures.values()]
    kept += [
        ("report.json", "the report, with the care entries it recommends", _as_json(finished.result)),
        ("report.txt", "the report, to read", _readable(finished.archive)),
        ("portrait.zip", "what the buyer downloads", finished.archive),
        ("sms.txt", "the SMS that the sandbox's phone received", finished.sms.encode()),
        ("result.html", "the result page, in one file", page.encode()),
    ]
    return [(_written(out / name, content), what) for name, what, content in kept]


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _as_json(result: Any) -> bytes:
    chosen = {"report": result["report"], "care": result["care"]}
    return json.dumps(chosen, ensure_ascii=False, indent=2).encode()


def _readable(archive: bytes) -> bytes:
    """The report as the buyer's zip has it."""
    with ZipFile(io.BytesIO(archive)) as opened:
        return opened.read("report.txt")
