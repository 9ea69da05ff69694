"""The read the ordinary way: FastAPI, mapped classes of the SQLAlchemy ORM, Pydantic models, a session a request."""

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID, uuid4

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
AWAITS = {"pending_payment": "payment", "pending_phone": "phone", "pending_upload": "photo"}
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


class PortraitRow(Mapping):
    __tablename__ = "portraits"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    status: Mapped[str]
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payments.id"))
    amount: Mapped[int]
    currency: Mapped[str]
    failure: Mapped[str | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    purged_at: Mapped[datetime | None]
    payment: Mapped[PaymentRow] = relationship(lazy="joined")
    pictures: Mapped[list[PictureRow]] = relationship(order_by=PictureRow.index)


class Body(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class MoneyBody(Body):
    amount: int
    currency: str


class PortraitBody(Body):
    id: UUID
    status: str
    progress: int
    awaiting: str | None
    amount: MoneyBody
    checkout_url: str | None
    failure: str | None
    created_at: datetime
    expires_at: datetime
    completed_at: datetime | None
    purged_at: datetime | None


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
    finished = sum(picture.status == "made" for picture in row.pictures)
    data = PortraitBody(
        id=row.id,
        status=row.status,
        progress=40 + 20 * finished if row.status == "processing" else 0,
        awaiting=AWAITS.get(row.status),
        amount=MoneyBody(amount=row.amount, currency=row.currency),
        checkout_url=row.payment.checkout_url,
        failure=row.failure,
        created_at=row.created_at,
        expires_at=row.expires_at,
        completed_at=row.completed_at,
        purged_at=row.purged_at,
    )
    return PortraitAnswer(
        success=True, data=data, meta=MetaBody(timestamp=datetime.now(UTC), version="1", request_id=uuid4().hex)
    )
