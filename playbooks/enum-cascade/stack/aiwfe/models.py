"""The tables of the AI Workflow Engine."""
# ruff: noqa: UP042 - (str, enum.Enum) is what the deployed code says, and what a reader of it has to understand

import enum
from datetime import datetime
from typing import Annotated

from sqlalchemy import BigInteger, Boolean, DateTime, Enum, ForeignKey, Integer, String, Text, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

Key = Annotated[int, mapped_column(primary_key=True)]
Created = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=func.now())]
Moment = Annotated[datetime, mapped_column(DateTime(timezone=True))]
OwnedBy = Annotated[int, mapped_column(ForeignKey("users.id"), index=True)]


class Base(DeclarativeBase):
    pass


class UserRole(str, enum.Enum):
    ADMIN = "admin"
    USER = "user"


class UserStatus(str, enum.Enum):
    PENDING = "pending_approval"
    ACTIVE = "active"
    DISABLED = "disabled"


class TaskStatus(str, enum.Enum):
    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class TaskPriority(str, enum.Enum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    URGENT = "urgent"


class TaskType(str, enum.Enum):
    GENERAL = "general"
    RESEARCH = "research"
    CODING = "coding"
    MEETING = "meeting"


class EventCategory(str, enum.Enum):
    WORK = "work"
    PERSONAL = "personal"
    HEALTH = "health"
    DEADLINE = "deadline"


class DocumentStatus(str, enum.Enum):
    UPLOADED = "uploaded"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    ARCHIVED = "archived"


class GoogleService(str, enum.Enum):
    CALENDAR = "calendar"
    DRIVE = "drive"
    GMAIL = "gmail"


class User(Base):
    __tablename__ = "users"

    id: Mapped[Key]
    email: Mapped[str] = mapped_column(String(255), unique=True, index=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    role: Mapped[UserRole] = mapped_column(Enum(UserRole, native_enum=True, name="userrole"), default=UserRole.USER)
    status: Mapped[UserStatus] = mapped_column(
        Enum(UserStatus, native_enum=True, name="userstatus"), default=UserStatus.PENDING
    )
    created_at: Mapped[Created]

    tasks: Mapped[list["Task"]] = relationship(back_populates="user")
    calendars: Mapped[list["Calendar"]] = relationship(back_populates="user")
    documents: Mapped[list["Document"]] = relationship(back_populates="user")


class UserProfile(Base):
    __tablename__ = "user_profiles"

    id: Mapped[Key]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), unique=True)
    full_name: Mapped[str] = mapped_column(String(255))
    biography: Mapped[str | None] = mapped_column(Text)


class UserSetting(Base):
    __tablename__ = "user_settings"

    id: Mapped[Key]
    user_id: Mapped[OwnedBy]
    name: Mapped[str] = mapped_column(String(100))
    value: Mapped[str] = mapped_column(Text)


class UserOAuthToken(Base):
    __tablename__ = "user_oauth_tokens"

    id: Mapped[Key]
    user_id: Mapped[OwnedBy]
    service: Mapped[GoogleService] = mapped_column(
        Enum(GoogleService, name="googleservice", values_callable=lambda x: [e.value for e in x])
    )
    access_token: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[Moment]


class UserSession(Base):
    __tablename__ = "user_sessions"

    id: Mapped[Key]
    user_id: Mapped[OwnedBy]
    user_agent: Mapped[str] = mapped_column(String(255))
    last_seen_at: Mapped[Moment]


class Invitation(Base):
    __tablename__ = "invitations"

    id: Mapped[Key]
    user_id: Mapped[OwnedBy]
    email: Mapped[str] = mapped_column(String(255))
    role: Mapped[UserRole] = mapped_column(Enum(UserRole, name="userrole"), default=UserRole.USER)
    created_at: Mapped[Created]


class ApiKey(Base):
    __tablename__ = "api_keys"

    id: Mapped[Key]
    user_id: Mapped[OwnedBy]
    label: Mapped[str] = mapped_column(String(100))
    digest: Mapped[str] = mapped_column(String(64), unique=True)


class AuditLog(Base):
    __tablename__ = "audit_logs"

    id: Mapped[Key]
    user_id: Mapped[OwnedBy]
    action: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[Created]


class Notification(Base):
    __tablename__ = "notifications"

    id: Mapped[Key]
    user_id: Mapped[OwnedBy]
    message: Mapped[str] = mapped_column(Text)
    is_read: Mapped[bool] = mapped_column(Boolean, default=False)


class Project(Base):
    __tablename__ = "projects"

    id: Mapped[Key]
    user_id: Mapped[OwnedBy]
    name: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[Created]


class Task(Base):
    __tablename__ = "tasks"

    id: Mapped[Key]
    user_id: Mapped[OwnedBy]
    project_id: Mapped[int | None] = mapped_column(ForeignKey("projects.id"), index=True)
    title: Mapped[str] = mapped_column(String(255))
    status: Mapped[TaskStatus] = mapped_column(Enum(TaskStatus, name="taskstatus"), default=TaskStatus.PENDING)
    priority: Mapped[TaskPriority] = mapped_column(Enum(TaskPriority, name="taskpriority"), default=TaskPriority.MEDIUM)
    type: Mapped[TaskType] = mapped_column(default=TaskType.GENERAL)
    created_at: Mapped[Created]

    user: Mapped[User] = relationship(back_populates="tasks")


class TaskComment(Base):
    __tablename__ = "task_comments"

    id: Mapped[Key]
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id"), index=True)
    user_id: Mapped[OwnedBy]
    body: Mapped[str] = mapped_column(Text)


class TaskHistory(Base):
    __tablename__ = "task_history"

    id: Mapped[Key]
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id"), index=True)
    user_id: Mapped[OwnedBy]
    status: Mapped[TaskStatus] = mapped_column(Enum(TaskStatus, name="taskstatus"))
    created_at: Mapped[Created]


class Tag(Base):
    __tablename__ = "tags"

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(String(100), unique=True)


class TaskTag(Base):
    __tablename__ = "task_tags"

    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id"), primary_key=True)
    tag_id: Mapped[int] = mapped_column(ForeignKey("tags.id"), primary_key=True)


class Calendar(Base):
    __tablename__ = "calendars"

    id: Mapped[Key]
    user_id: Mapped[OwnedBy]
    name: Mapped[str] = mapped_column(String(255))

    user: Mapped[User] = relationship(back_populates="calendars")
    events: Mapped[list["Event"]] = relationship(back_populates="calendar")


class Event(Base):
    __tablename__ = "events"

    id: Mapped[Key]
    calendar_id: Mapped[int] = mapped_column(ForeignKey("calendars.id"), index=True)
    title: Mapped[str] = mapped_column(String(255))
    category: Mapped[EventCategory] = mapped_column(
        Enum(EventCategory, name="eventcategory", values_callable=lambda x: [e.value for e in x]),
        default=EventCategory.WORK,
    )
    starts_at: Mapped[Moment]

    calendar: Mapped[Calendar] = relationship(back_populates="events")


class EventAttendee(Base):
    __tablename__ = "event_attendees"

    id: Mapped[Key]
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"), index=True)
    email: Mapped[str] = mapped_column(String(255))


class Document(Base):
    __tablename__ = "documents"

    id: Mapped[Key]
    user_id: Mapped[OwnedBy]
    name: Mapped[str] = mapped_column(String(255))
    size: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[DocumentStatus] = mapped_column(
        Enum(DocumentStatus, name="documentstatus"), default=DocumentStatus.UPLOADED
    )
    created_at: Mapped[Created]

    user: Mapped[User] = relationship(back_populates="documents")


class DocumentChunk(Base):
    __tablename__ = "document_chunks"

    id: Mapped[Key]
    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id"), index=True)
    position: Mapped[int] = mapped_column(Integer)
    body: Mapped[str] = mapped_column(Text)


class ChatSession(Base):
    __tablename__ = "chat_sessions"

    id: Mapped[Key]
    user_id: Mapped[OwnedBy]
    title: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[Created]


class ChatMessage(Base):
    __tablename__ = "chat_history"

    id: Mapped[Key]
    user_id: Mapped[OwnedBy]
    session_id: Mapped[int | None] = mapped_column(ForeignKey("chat_sessions.id"), index=True)
    message: Mapped[str] = mapped_column(Text)
    created_at: Mapped[Created]
