"""From the portraits domain to the shapes of the API: times in the deployment's zone, links instead of keys."""

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any, cast
from uuid import UUID

from madang.core.operations.deletion import DeletionReceipt
from madang.core.portraits.model import (
    AWAITED,
    CareEntry,
    Portrait,
    PortraitPicture,
    PortraitStatus,
    Report,
    Survey,
    progress_of,
)
from madang.core.portraits.ordering import OrderedPortrait
from madang.core.portraits.repository import PortraitView
from madang.core.portraits.results import PictureLinks, PortraitResult
from madang.entrypoints.http.portraits import shapes
from madang.ports.money import Money
from madang.ports.storage import PresignedRequest


def ordered(order: OrderedPortrait, token: str, token_expires_at: datetime, zone: tzinfo) -> shapes.OrderedShape:
    portrait = order.portrait
    return shapes.OrderedShape(
        id=portrait.id,
        token=token,
        token_expires_at=token_expires_at.astimezone(zone),
        status=cast(Any, portrait.status.value),
        amount=_money(portrait.amount),
        checkout=shapes.CheckoutShape(order.checkout.url, order.checkout.client_params),
        client_reference=portrait.client_reference,
        created_at=portrait.created_at.astimezone(zone),
        expires_at=portrait.expires_at.astimezone(zone),
    )


def of_view(view: PortraitView, base_url: str, zone: tzinfo) -> shapes.PortraitShape:
    return of_portrait(view.portrait, view.pictures, view.checkout_url, view.deletion_receipt, base_url, zone)


def of_portrait(
    portrait: Portrait,
    pictures: Sequence[PortraitPicture],
    checkout_url: str | None,
    receipt: DeletionReceipt | None,
    base_url: str,
    zone: tzinfo,
) -> shapes.PortraitShape:
    status = portrait.status
    return shapes.PortraitShape(
        id=portrait.id,
        status=cast(Any, status.value),
        progress=progress_of(portrait, pictures),
        awaiting=cast(Any, AWAITED[status]),
        amount=_money(portrait.amount),
        pictures=[shapes.PictureState(picture.index, cast(Any, picture.status.value)) for picture in pictures],
        created_at=portrait.created_at.astimezone(zone),
        updated_at=portrait.updated_at.astimezone(zone),
        expires_at=portrait.expires_at.astimezone(zone),
        completed_at=_in(zone, portrait.completed_at),
        checkout_url=checkout_url if status is PortraitStatus.PENDING_PAYMENT else None,
        result_url=result_url(base_url, portrait.id) if status is PortraitStatus.COMPLETED else None,
        failure=None if portrait.failure is None else portrait.failure.value,
        deletion_receipt=None if receipt is None else _receipt(receipt, zone),
    )


def result_url(base_url: str, portrait_id: UUID) -> str:
    """The page that the SMS links to."""
    return f"{base_url.rstrip('/')}/result/{portrait_id}"


def of_result(result: PortraitResult, zone: tzinfo) -> shapes.ResultShape:
    return shapes.ResultShape(
        id=result.portrait.id,
        pictures=[_picture(picture, zone) for picture in result.pictures],
        report=of_report(result.report),
        care={code: of_care(entry) for code, entry in result.care.items()},
        surveyed=result.surveyed,
        expires_at=result.portrait.expires_at.astimezone(zone),
    )


def of_report(report: Report) -> shapes.ReportShape:
    improvements = [
        shapes.ImprovementShape(item.area, item.description, list(item.recommendations)) for item in report.improvements
    ]
    return shapes.ReportShape(report.summary, improvements, report.timeline, report.estimated_cost)


def of_care(entry: CareEntry) -> shapes.CareShape:
    return shapes.CareShape(
        entry.code,
        entry.category,
        entry.title_ko,
        entry.title_en,
        entry.description_ko,
        entry.description_en,
        entry.weeks_min,
        entry.weeks_max,
        entry.cost_min,
        entry.cost_max,
    )


def of_survey(survey: Survey, zone: tzinfo) -> shapes.SurveyShape:
    return shapes.SurveyShape(survey.score, survey.comment, survey.created_at.astimezone(zone))


def _picture(links: PictureLinks, zone: tzinfo) -> shapes.PictureShape:
    return shapes.PictureShape(
        links.index,
        links.seed,
        links.width,
        links.height,
        _link(links.full, zone),
        _link(links.webp, zone),
        _link(links.thumbnail, zone),
    )


def _link(presigned: PresignedRequest, zone: tzinfo) -> shapes.LinkShape:
    return shapes.LinkShape(presigned.url, presigned.expires_at.astimezone(zone))


def _receipt(receipt: DeletionReceipt, zone: tzinfo) -> shapes.ReceiptShape:
    return shapes.ReceiptShape(
        id=receipt.id,
        due_at=receipt.due_at.astimezone(zone),
        deleted_at=receipt.deleted_at.astimezone(zone),
        verified_at=_in(zone, receipt.verified_at),
        objects=[shapes.DeletedFile(item.key, item.sha256) for item in receipt.objects],
        rows=dict(receipt.rows),
        digest=receipt.digest,
    )


def _money(money: Money) -> shapes.MoneyShape:
    return shapes.MoneyShape(money.amount, money.currency)


def _in(zone: tzinfo, moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(zone)
