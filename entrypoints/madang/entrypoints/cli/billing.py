"""`madang billing`: the deployment's money, for whoever runs it."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click

from madang.entrypoints.cli.deployment import on_deployment
from madang.entrypoints.cli.screen import print_json
from madang.ports.money import Money

if TYPE_CHECKING:
    from madang.core.billing.disputes import Dispute
    from madang.core.billing.invoices.reading import InvoiceView
    from madang.core.billing.invoices.sheet import Language
    from madang.core.billing.model import Payment
    from madang.core.billing.reconciliation import Difference
    from madang.core.billing.reconciling import Report
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

    async def look(container: "Container") -> "tuple[InvoiceView, str, bytes | None]":
        view = await container.invoices.numbered(number)
        printed = None if pdf is None else container.invoices.pdf(view, _language(view, language))
        return view, container.settings.timezone, printed

    view, timezone, printed = on_deployment(look)
    if pdf is not None and printed is not None:
        pdf.write_bytes(printed)
    if as_json:
        print_json(_told(view))
    elif pdf is None:
        _show(view, language, timezone)
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
        "simulated": found.content.is_simulated,
        "paymentId": str(found.payment_id),
        "issuedAt": found.issued_at.isoformat(),
        "contentHash": found.content_hash,
    }


def _show(view: "InvoiceView", language: str | None, timezone: str) -> None:
    from madang.entrypoints.cli.screen import print_table

    sheet = view.sheet(_language(view, language), timezone)
    if sheet.warning is not None:
        click.echo(sheet.warning)
    click.echo(f"{sheet.title} {sheet.number} ({sheet.stamp})")
    for fact in (*sheet.facts, *sheet.seller_facts, *sheet.buyer_facts):
        click.echo(f"{fact.label}: {fact.value}")
    print_table("", tuple(sheet.columns), [tuple(row) for row in sheet.rows])
    for fact in sheet.totals:
        click.echo(f"{fact.label}: {fact.value}")


@billing.command("reconcile")
@click.option("--provider", required=True, help="The payment provider's name.")
@click.option(
    "--from", "since", required=True, type=click.DateTime(["%Y-%m-%d"]), help="The first day, in the deployment's zone."
)
@click.option("--to", "until", required=True, type=click.DateTime(["%Y-%m-%d"]), help="The day after the last one.")
@click.option("--settle", is_flag=True, help="Ask for each payment that differs, and believe the provider as its webhooks are.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def reconcile(provider: str, since: datetime, until: datetime, settle: bool, as_json: bool) -> None:
    """Compare our payments with the provider's own; exits with 1 when something differs (and, with --settle, still does)."""

    async def compared(container: "Container") -> "Report":
        return await container.reconciling.reconcile(
            provider, since.date(), until.date(), settle=settle, progress=_progress if not as_json else None
        )

    report = on_deployment(compared)
    if as_json:
        print_json(_report(report))
    else:
        _show_report(report)
    if report.open:
        raise click.exceptions.Exit(1)


@billing.command("reversals")
@click.option("--answer", "answered", type=click.UUID, help="The payment of which a person has given the buyer what is due.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def reversals(answered: UUID | None, as_json: bool) -> None:
    """Show the disputes that were won after they were lost and wait for a person, who says with --answer that it is done."""
    from madang.core.kernel.caller import OPERATOR

    async def look(container: "Container") -> "Sequence[tuple[Dispute, Payment]]":
        if answered is not None:
            await container.reversals.answer(OPERATOR, answered)
        return await container.reversals.waiting()

    _show_waiting(on_deployment(look), as_json)


def _show_waiting(waiting: "Sequence[tuple[Dispute, Payment]]", as_json: bool) -> None:
    rows = [
        {
            "paymentId": str(payment.id),
            "purpose": payment.purpose,
            "subject": payment.subject,
            "provider": dispute.provider,
            "cameBack": str(Money(dispute.taken, payment.amount.currency)),
            "since": dispute.changed_at.isoformat(),
        }
        for dispute, payment in waiting
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        click.echo("  ".join(row.values()))
    click.echo(f"{len(rows)} wait for a person")


def _progress(report: "Report") -> None:
    """Of many pages, every tenth."""
    if report.pages % 10 == 0:
        click.echo(
            f"page {report.pages}: {report.theirs} there, {report.ours} here, {len(report.differences)} differ", err=True
        )


def _show_report(report: "Report") -> None:
    from madang.entrypoints.cli.screen import print_table

    if report.differences:
        rows = [
            (", ".join(each.kinds), _name(each), _words(_ours(each)), _words(_theirs(each)), (each.settled and "yes") or "no")
            for each in report.differences
        ]
        print_table("", ("differs", "payment", "here", "there", "settled"), rows)
        for advice in dict.fromkeys(each.advice for each in report.differences if not each.settled):
            click.echo(f"→ {advice}")
    click.echo(f"{report.ours} payments here, {len(report.differences)} differ, {report.open} still do")
    if not report.lists:
        click.echo(f"{report.provider} lists no payments: what it alone knows was not seen")


def _report(report: "Report") -> dict[str, object]:
    return {
        "provider": report.provider,
        "listsPayments": report.lists,
        "ours": report.ours,
        "theirs": report.theirs if report.lists else None,
        "open": report.open,
        "differences": [
            {
                "kinds": [kind.value for kind in each.kinds],
                "ours": _ours(each),
                "theirs": _theirs(each),
                "settled": each.settled,
                "advice": each.advice,
            }
            for each in report.differences
        ],
    }


def _name(difference: "Difference") -> str:
    ours, theirs = difference.ours, difference.theirs
    return str(ours.id) if ours is not None else theirs.reference if theirs is not None else ""


def _ours(difference: "Difference") -> dict[str, object] | None:
    ours = difference.ours
    if ours is None:
        return None
    return {
        "id": str(ours.id),
        "reference": ours.reference,
        "status": ours.status.value,
        "amount": ours.amount.amount,
        "currency": ours.amount.currency,
        "refunded": ours.refunded,
        "createdAt": ours.created_at.isoformat(),
    }


def _theirs(difference: "Difference") -> dict[str, object] | None:
    theirs = difference.theirs
    if theirs is None:
        return None
    return {
        "id": theirs.payment_id,
        "reference": theirs.reference,
        "status": theirs.status.value,
        "amount": theirs.amount.amount,
        "currency": theirs.amount.currency,
        "refunded": theirs.refunded.amount,
        "paidAt": theirs.paid_at.isoformat() if theirs.paid_at else None,
    }


def _words(side: dict[str, object] | None) -> str:
    if side is None:
        return "–"
    refunded = f", {side['refunded']} back" if side["refunded"] else ""
    return f"{side['status']} {side['amount']} {side['currency']}{refunded}"
