"""The read the ordinary way: FastAPI, mapped classes of the SQLAlchemy ORM, Pydantic models, a session a request."""

import os
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import jwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from sqlalchemy import ForeignKey, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload

KEY = os.environ["BENCH_KEY"]
BASE_URL = "http://127.0.0.1:8000"
ZONE = ZoneInfo("Asia/Seoul")
AWAITS = {"pending_payment": "payment", "pending_phone": "phone", "pending_upload": "photo", "processing": "pictures"}
PROGRESS = {"pending_payment": 0, "pending_phone": 10, "pending_upload": 20, "processing": 30}
engine = create_async_engine(
    os.environ["BENCH_DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://"), pool_size=10, max_overflow=0
)
sessions = async_sessionmaker(engine, expire_on_commit=False)


class Mapping(DeclarativeBase):
    """The mapped tables."""


class PaymentRow(Mapping):
    __tablename__ = "payments"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    status: Mapped[str]
    checkout_url: Mapped[str | None]


class PictureRow(Mapping):
    __tablename__ = "portrait_pictures"
    portrait_id: Mapped[UUID] = mapped_column(ForeignKey("portraits.id"), primary_key=True)
    index: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str]
    full_file: Mapped[dict[str, object] | None] = mapped_column(JSONB)


class ReceiptRow(Mapping):
    __tablename__ = "deletion_receipts"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    subject: Mapped[str]
    digest: Mapped[str]


class PortraitRow(Mapping):
    __tablename__ = "portraits"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    status: Mapped[str]
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payments.id"))
    amount: Mapped[int]
    currency: Mapped[str]
    failure: Mapped[str | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    payment: Mapped[PaymentRow] = relationship(lazy="joined")
    pictures: Mapped[list[PictureRow]] = relationship(order_by=PictureRow.index)


class Body(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class MoneyBody(Body):
    amount: int
    currency: str


class PictureBody(Body):
    index: int
    status: str


class PortraitBody(Body):
    id: UUID
    status: str
    progress: int
    awaiting: str | None
    amount: MoneyBody
    pictures: list[PictureBody]
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    completed_at: datetime | None
    checkout_url: str | None
    result_url: str | None
    failure: str | None
    deletion_receipt: str | None


class MetaBody(Body):
    timestamp: datetime
    version: str
    request_id: str


class PortraitAnswer(Body):
    success: bool
    data: PortraitBody
    meta: MetaBody


async def session() -> AsyncIterator[AsyncSession]:
    async with sessions() as opened:
        yield opened


def signed_in(credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> str:
    try:
        claims = jwt.decode(credentials.credentials, KEY, algorithms=["HS256"], audience="portrait", issuer="bench")
    except jwt.PyJWTError:
        raise HTTPException(401) from None
    return str(claims["sub"])


app = FastAPI()


@app.get("/api/v1/portraits/{portrait_id}")
async def read_portrait(
    portrait_id: UUID, subject: Annotated[str, Depends(signed_in)], opened: Annotated[AsyncSession, Depends(session)]
) -> PortraitAnswer:
    if subject != str(portrait_id):
        raise HTTPException(404)
    wanted = select(PortraitRow).where(PortraitRow.id == portrait_id).options(selectinload(PortraitRow.pictures))
    row = (await opened.scalars(wanted)).one_or_none()
    if row is None:
        raise HTTPException(404)
    receipt = await opened.scalar(select(ReceiptRow.digest).where(ReceiptRow.subject == f"portrait:{portrait_id}"))
    meta = MetaBody(timestamp=datetime.now(ZONE), version="0.1.0", request_id=uuid4().hex)
    return PortraitAnswer(success=True, data=body_of(row, receipt), meta=meta)


def body_of(row: PortraitRow, receipt: str | None) -> PortraitBody:
    made = sum(picture.status == "made" for picture in row.pictures)
    return PortraitBody(
        id=row.id,
        status=row.status,
        progress=PROGRESS.get(row.status, 100) + 15 * made,
        awaiting=AWAITS.get(row.status),
        amount=MoneyBody(amount=row.amount, currency=row.currency),
        pictures=[PictureBody(index=picture.index, status=picture.status) for picture in row.pictures],
        created_at=row.created_at.astimezone(ZONE),
        updated_at=row.updated_at.astimezone(ZONE),
        expires_at=row.expires_at.astimezone(ZONE),
        completed_at=row.completed_at and row.completed_at.astimezone(ZONE),
        checkout_url=row.payment.checkout_url if row.status == "pending_payment" else None,
        result_url=f"{BASE_URL}/result/{row.id}" if row.status == "completed" else None,
        failure=row.failure,
        deletion_receipt=receipt,
    )
