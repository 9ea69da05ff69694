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

from madang.entrypoints.cli.deployment import CliError
from madang.entrypoints.cli.screen import print_table

if TYPE_CHECKING:
    import httpx

    from madang.entrypoints.cli.demo_journey import Finished, Progress
    from madang.entrypoints.cli.demo_providers import ChosenProviders
    from madang.entrypoints.cli.demo_purchases import MakeAdmin, Purchases

_SECONDS = 30.0
_LOG = "deployment.log"


@click.command()
@click.option(
    "--photo",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JPEG or PNG, at least 512×512; a public-domain NASA portrait by default.",
)
@click.option("--lang", "language", type=click.Choice(("ko", "en")), default="ko", show_default=True)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("madang-demo"), show_default=True)
@click.option("--url", help="A running deployment on the sandbox, instead of one of the demonstration's own.")
@click.option(
    "--settings",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A madang.toml whose providers are really asked, with their variables; all else in it is ignored.",
)
@click.option("--phone", help="The mobile number that the SMS goes to, where a real provider sends it.")
def demo(photo: Path | None, language: str, out: Path, url: str | None, settings: Path | None, phone: str | None) -> None:
    """Order a portrait, pay, send the photo, receive the SMS, pass the phone check; then sign up, buy credits, subscribe to a
    plan and get money back. Keep the results, with the invoices, in --out.

    Everything runs on the sandbox: no money moves, no SMS leaves this machine, no AI is asked. With --settings the providers
    named there are asked, at their price, and only the payment is the sandbox's. Nothing is left running, or in a storage.
    """
    started = time.monotonic()
    chosen = _chosen(settings, url, phone)
    out.mkdir(parents=True, exist_ok=True)
    for left in (*out.glob("picture-*"), *out.glob("INV-*"), *out.glob("CN-*"), out / "sms.txt"):
        left.unlink(missing_ok=True)
    order = _Order(photo or _shipped_photo(), language, out, url, chosen, phone)
    finished = asyncio.run(order.done())
    print_table(
        f"\nDone in {time.monotonic() - started:.0f} s. What is where:", ("file", "what it is", "size"), _rows(order.kept)
    )
    if chosen is not None:
        _tell_who_was_asked(chosen, finished, out / _LOG, order)


def _chosen(settings: Path | None, url: str | None, phone: str | None) -> "ChosenProviders | None":
    from madang.entrypoints.cli.demo_providers import chosen_providers

    if settings is None:
        return None
    if url is not None:
        raise CliError("--settings is for a deployment of the demonstration's own: leave out --url")
    chosen = chosen_providers(settings)
    if chosen.sends_sms and not phone:
        raise CliError(f"{', '.join(chosen.routes['sms'])} would send an SMS: say to whom with --phone")
    return chosen


def _tell_who_was_asked(chosen: "ChosenProviders", finished: "Finished", log: Path, order: "_Order") -> None:
    from madang.entrypoints.cli.demo_phone import calls_done

    asked: list[tuple[str, str, object]] = [(kind, name, count) for (kind, name), count in sorted(calls_done(log).items())]
    [storage, *_] = chosen.routes["storage"]
    print_table("\nWho was asked:", ("kind", "provider", "calls"), [*asked, ("storage", storage, "not counted")])
    if finished.sms.text is None:
        click.echo(f"\n{finished.sms.provider} has the SMS for {order.number}; only that phone shows its words.")
    if order.forgotten:
        click.echo(f"{order.forgotten} files of this portrait were deleted in {storage} again.")


def _shipped_photo() -> Path:
    from importlib.resources import files

    return Path(str(files("madang.entrypoints.demo_data").joinpath("astronaut.png")))


def _rows(written: Sequence[tuple[Path, str]]) -> Sequence[tuple[str, str, str]]:
    return [(str(path), what, f"{path.stat().st_size / 1024:,.0f} kB") for path, what in written]


class _Order:
    """`kept` and `forgotten` are known in the end: the files here, and how many were deleted in a storage outside."""

    def __init__(
        self, photo: Path, language: str, out: Path, url: str | None, chosen: "ChosenProviders | None", number: str | None
    ) -> None:
        from madang.entrypoints.cli.demo_journey import PHONE

        self.number = number or PHONE
        self.kept: Sequence[tuple[Path, str]] = ()
        self.forgotten = 0
        self._photo = photo
        self._language = language
        self._out = out
        self._url = url
        self._chosen = chosen
        self._portrait_id = ""

    async def done(self) -> "Finished":
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

            try:
                async with self._deployment(lambda words: progress(1, words)) as (base_url, make_admin):
                    finished = await self._go(base_url, make_admin, progress)
                    progress(98, "stopping everything")
            finally:
                await self._forget()
            progress(100, "done")
        return finished

    @asynccontextmanager
    async def _deployment(self, tell: Callable[[str], None]) -> "AsyncIterator[tuple[str, MakeAdmin | None]]":
        """Where it is, and who makes an administrator there: nobody in a deployment of somebody else's."""
        from madang.entrypoints.cli.demo_stack import own_stack

        if self._url is not None:
            yield self._url.rstrip("/"), None
            return
        async with own_stack(self._out / _LOG, tell, None if self._chosen is None else self._chosen.environment) as stack:
            yield stack.base_url, lambda email: stack.command("users", "grant", email, "admin")

    async def _go(self, base_url: str, make_admin: "MakeAdmin | None", progress: "Progress") -> "Finished":
        import httpx

        from madang.entrypoints.cli.demo_journey import Buyer
        from madang.entrypoints.cli.demo_phone import Phone, ProvidersPhone, SandboxPhone
        from madang.entrypoints.cli.demo_purchases import Customer

        headers = {"Accept-Language": self._language, "User-Agent": "madang-demo"}
        async with httpx.AsyncClient(
            base_url=base_url, headers=headers, timeout=_SECONDS, follow_redirects=True, trust_env=False
        ) as client:
            sandbox = SandboxPhone(client)
            phone: Phone = ProvidersPhone(self._out / _LOG, sandbox) if self._chosen else sandbox
            first = _part(progress, 0, 70)
            buyer = Buyer(client, phone, number=self.number, language=self._language, progress=first)
            try:
                finished = await buyer.go(self._photo)
            finally:
                self._portrait_id = buyer.portrait_id
            second = _part(progress, 70, 97)
            customer = Customer(client, language=self._language, progress=second, make_admin=make_admin)
            purchases = await customer.go()
            self.kept = [*await _keep(client, finished, self._photo, self._out), *_papers(purchases, self._out)]
        return finished

    async def _forget(self) -> None:
        """Once nobody is at work any more. What is in a storage outside shows a person, and the deployment that knew of it is
        gone."""
        if self._chosen is not None and self._portrait_id:
            self.forgotten = await self._chosen.forget(self._portrait_id)


async def _keep(client: "httpx.AsyncClient", finished: "Finished", photo: Path, out: Path) -> Sequence[tuple[Path, str]]:
    from madang.entrypoints.cli.keepsake import self_contained

    local = {path: name for path, (name, _) in finished.pictures.items()}
    local[f"/result/{finished.portrait_id}/download"] = "portrait.zip"
    page = await self_contained(client, finished.page, local)
    kept: list[tuple[str, str, bytes]] = [
        (f"photo{photo.suffix}", "the photo that was sent", await asyncio.to_thread(photo.read_bytes))
    ]
    kept += [(name, "a picture that was made", content) for name, content in finished.pictures.values()]
    if finished.sms.text is not None:
        kept.append(("sms.txt", "the SMS that the sandbox's phone received", finished.sms.text.encode()))
    kept += [
        ("report.json", "the report, with the care entries it recommends", _as_json(finished.result)),
        ("report.txt", "the report, to read", _readable(finished.archive)),
        ("portrait.zip", "what the buyer downloads", finished.archive),
        ("result.html", "the result page, in one file", page.encode()),
        ("invoice.pdf", "the invoice of the payment, which is its receipt", finished.invoice),
    ]
    return [(_written(out / name, content), what) for name, what, content in kept]


def _papers(purchases: "Purchases", out: Path) -> Sequence[tuple[Path, str]]:
    from madang.entrypoints.cli.demo_purchases import paper_names

    told = json.dumps(purchases.told, ensure_ascii=False, indent=2).encode()
    papers = [("purchases.json", "credits, subscription and refund, as the API tells them", told), *paper_names(purchases)]
    return [(_written(out / name, content), what) for name, what, content in papers]


def _part(progress: "Progress", since: int, until: int) -> "Progress":
    """For a part of the whole that counts from 0 to 100 by itself."""
    return lambda percent, words: progress(since + (until - since) * percent // 100, words)


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
