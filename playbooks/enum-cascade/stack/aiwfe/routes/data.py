"""The users' data, read and written through the ORM. Every endpoint needs a token."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from aiwfe.models import (
    Base,
    Calendar,
    ChatMessage,
    Document,
    DocumentStatus,
    Event,
    EventCategory,
    Task,
    TaskPriority,
    TaskStatus,
    TaskType,
)
from aiwfe.parts import CurrentUser, Database

router = APIRouter(prefix="/api/v1")
PAGE = 100
Row = Mapping[str, Any]


class NewTask(BaseModel):
    title: str
    status: TaskStatus = TaskStatus.PENDING
    priority: TaskPriority = TaskPriority.MEDIUM
    type: TaskType = TaskType.GENERAL


class NewCalendar(BaseModel):
    name: str


class NewEvent(BaseModel):
    calendar_id: int
    title: str
    category: EventCategory = EventCategory.WORK
    starts_at: datetime


class NewDocument(BaseModel):
    name: str
    size: int
    status: DocumentStatus = DocumentStatus.UPLOADED


class NewMessage(BaseModel):
    message: str


@router.get("/tasks")
def tasks(user: CurrentUser, session: Database) -> list[Row]:
    """The user's tasks, the first hundred."""
    return listed(session, Task, user.id)


@router.post("/tasks", status_code=201)
def add_task(new: NewTask, user: CurrentUser, session: Database) -> Row:
    """One more task."""
    return added(session, Task(user_id=user.id, **new.model_dump()))


@router.get("/calendar/calendars")
def calendars(user: CurrentUser, session: Database) -> list[Row]:
    """The user's calendars."""
    return listed(session, Calendar, user.id)


@router.post("/calendar/calendars", status_code=201)
def add_calendar(new: NewCalendar, user: CurrentUser, session: Database) -> Row:
    """One more calendar."""
    return added(session, Calendar(user_id=user.id, name=new.name))


@router.get("/calendar/events")
def events(user: CurrentUser, session: Database) -> list[Row]:
    """The events of the user's calendars."""
    found = select(Event).join(Event.calendar).where(Calendar.user_id == user.id).order_by(Event.id).limit(PAGE)
    return [shown(event) for event in session.scalars(found)]


@router.post("/calendar/events", status_code=201)
def add_event(new: NewEvent, user: CurrentUser, session: Database) -> Row:
    """One more event in one of the user's calendars; 404 for anybody else's."""
    calendar = session.get(Calendar, new.calendar_id)
    if calendar is None or calendar.user_id != user.id:
        raise HTTPException(404, "No such calendar")
    return added(session, Event(**new.model_dump()))


@router.get("/documents")
def documents(user: CurrentUser, session: Database) -> list[Row]:
    """The user's documents."""
    return listed(session, Document, user.id)


@router.post("/documents", status_code=201)
def add_document(new: NewDocument, user: CurrentUser, session: Database) -> Row:
    """One more document."""
    return added(session, Document(user_id=user.id, **new.model_dump()))


@router.get("/chat")
def chat(user: CurrentUser, session: Database) -> list[Row]:
    """What the user said so far."""
    return listed(session, ChatMessage, user.id)


@router.post("/chat", status_code=201)
def say(new: NewMessage, user: CurrentUser, session: Database) -> Row:
    """Keep a message. The replica has no language model, so nobody answers."""
    return added(session, ChatMessage(user_id=user.id, message=new.message))


def listed(session: Session, kind: type[Base], user_id: int) -> list[Row]:
    """The user's rows of a table, the first hundred by id."""
    found = select(kind).filter_by(user_id=user_id).order_by(kind.id).limit(PAGE)
    return [shown(row) for row in session.scalars(found)]


def added(session: Session, row: Base) -> Row:
    """Store the row and show it."""
    session.add(row)
    session.commit()
    session.refresh(row)
    return shown(row)


def shown(row: Base) -> Row:
    """The row's columns; FastAPI writes an enum member as its value."""
    return {column.key: getattr(row, column.key) for column in row.__table__.columns}
