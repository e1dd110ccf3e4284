"""The engine, and a session for each request."""

import os
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends
from sqlalchemy import Connection, event, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, SessionTransaction

from .security import Claims, FamilyClaims

engine = create_async_engine(
    os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://", 1),
    pool_size=int(os.environ.get("POOL_SIZE", "10")),
    max_overflow=0,
    connect_args={"server_settings": {"timezone": "UTC"}},
)
session_maker = async_sessionmaker(engine, expire_on_commit=False)

CONTEXT = text(
    """
    select
        set_config('app.user_id', :sub, true), set_config('app.session_id', :sid, true),
        set_config('app.family_id', :family_id, true), set_config('app.member_role', :role, true),
        app.assert_membership()
    """
)


@event.listens_for(Session, "after_begin")
def set_context(session: Session, transaction: SessionTransaction, connection: Connection) -> None:
    """Say in each transaction for whom it acts, and have it checked."""
    connection.execute(CONTEXT, session.info["context"])


async def begin(context: dict[str, Any]) -> AsyncIterator[AsyncSession]:
    """Yield a session whose transaction is committed before the response."""
    async with session_maker(info={"context": context}) as session, session.begin():
        yield session


async def personal_session(claims: Claims) -> AsyncIterator[AsyncSession]:
    """Yield a session for somebody without regard to a family."""
    async for session in begin({**claims.context, "family_id": "", "role": ""}):
        yield session


async def family_session(claims: FamilyClaims) -> AsyncIterator[AsyncSession]:
    """Yield a session for a member of a family."""
    async for session in begin(claims.context):
        yield session


PersonalSession = Annotated[AsyncSession, Depends(personal_session, scope="function")]
FamilySession = Annotated[AsyncSession, Depends(family_session, scope="function")]
