"""The engine, and a session for each request."""

import os
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Depends
from sqlalchemy import Connection, event, text
from sqlalchemy.orm import SessionTransaction
from sqlmodel import Session, create_engine

from .security import Claims, FamilyClaims

engine = create_engine(
    os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg2://", 1),
    pool_size=int(os.environ.get("POOL_SIZE", "10")),
    max_overflow=0,
    connect_args={"options": "-c timezone=UTC"},
)

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


def begin(context: dict[str, Any]) -> Iterator[Session]:
    """Yield a session whose transaction is committed before the response."""
    info = {"context": context}
    with Session(engine, expire_on_commit=False, info=info) as session, session.begin():
        yield session


def personal_session(claims: Claims) -> Iterator[Session]:
    """Yield a session for somebody without regard to a family."""
    yield from begin({**claims.context, "family_id": "", "role": ""})


def family_session(claims: FamilyClaims) -> Iterator[Session]:
    """Yield a session for a member of a family."""
    yield from begin(claims.context)


PersonalSession = Annotated[Session, Depends(personal_session, scope="function")]
FamilySession = Annotated[Session, Depends(family_session, scope="function")]
