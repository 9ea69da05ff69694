"""`madang billing`: the deployment's money, for whoever runs it."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from madang.entrypoints.cli.deployment import on_deployment
from madang.entrypoints.cli.screen import print_json

if TYPE_CHECKING:
    from madang.core.billing.invoice_sheet import Language
    from madang.core.billing.invoices import InvoiceView
    from madang.entrypoints.container import Container


@click.group()
def billing() -> None:
    """Look at the deployment's money."""


@billing.command("invoice")
@click.argument("number")
@click.option("--pdf", type=click.Path(dir_okay=False, path_type=Path), help="Print it into this file.")
@click.option("--lang", "language", type=click.Choice(("ko", "en")), help="That of the purchase unless given.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def invoice(number: str, pdf: Path | None, language: str | None, as_json: bool) -> None:
    """Show the invoice or credit note NUMBER, or print it with --pdf."""

    async def look(container: "Container") -> "tuple[InvoiceView, bytes | None]":
        view = await container.invoices.numbered(number)
        return view, None if pdf is None else container.invoices.pdf(view, _language(view, language))

    view, printed = on_deployment(look)
    if pdf is not None and printed is not None:
        pdf.write_bytes(printed)
    if as_json:
        print_json(_told(view))
    elif pdf is None:
        _show(view, language)
    else:
        click.echo(f"{number} is in {pdf}")


def _language(view: "InvoiceView", wanted: str | None) -> "Language":
    return "en" if (wanted or view.invoice.content.locale) == "en" else "ko"


def _told(view: "InvoiceView") -> dict[str, object]:
    found = view.invoice
    return {
        "number": found.number,
        "kind": found.kind.value,
        "amount": found.amount.amount,
        "currency": found.amount.currency,
        "vat": found.vat.amount,
        "paymentId": str(found.payment_id),
        "issuedAt": found.issued_at.isoformat(),
        "contentHash": found.content_hash,
    }


def _show(view: "InvoiceView", language: str | None) -> None:
    from madang.entrypoints.cli.screen import print_table

    sheet = view.sheet(_language(view, language), "UTC")
    click.echo(f"{sheet.title} {sheet.number} ({sheet.stamp})")
    for fact in (*sheet.facts, *sheet.seller_facts, *sheet.buyer_facts):
        click.echo(f"{fact.label}: {fact.value}")
    print_table("", tuple(sheet.columns), [tuple(row) for row in sheet.rows])
    for fact in sheet.totals:
        click.echo(f"{fact.label}: {fact.value}")
