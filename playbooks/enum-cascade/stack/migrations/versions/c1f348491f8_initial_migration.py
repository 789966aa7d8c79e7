"""initial migration

Revision ID: c1f348491f8
Revises:
Create Date: 2025-08-01 09:12:44

22 tables and 8 enum types, whose labels are the members' values of that day.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ENUM

revision = "c1f348491f8"
down_revision = None
branch_labels = None
depends_on = None

LABELS = {
    "userrole": ("admin", "user"),
    "userstatus": ("pending_approval", "active", "disabled"),
    "taskstatus": ("pending", "in_progress", "completed", "cancelled"),
    "taskpriority": ("low", "medium", "high", "urgent"),
    "tasktype": ("general", "research", "coding", "meeting"),
    "eventcategory": ("work", "personal", "health", "deadline"),
    "documentstatus": ("uploaded", "processing", "completed", "failed"),
    "googleservice": ("calendar", "drive", "gmail"),
}


def upgrade() -> None:
    for name, labels in LABELS.items():
        ENUM(*labels, name=name).create(op.get_bind())
    create_users()
    create_what_users_have()
    create_tasks()
    create_calendars()
    create_documents_and_chats()


def downgrade() -> None:
    tables = sa.inspect(op.get_bind()).get_sorted_table_and_fkc_names()
    for name in reversed([name for name, _ in tables if name and name != "alembic_version"]):
        op.drop_table(name)
    for name, labels in LABELS.items():
        ENUM(*labels, name=name).drop(op.get_bind())


def key() -> sa.Column:
    return sa.Column("id", sa.Integer(), primary_key=True)


def of(table: str, name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.Integer(), sa.ForeignKey(f"{table}.id"), nullable=nullable, index=True)


def text(name: str, length: int | None = None, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.String(length) if length else sa.Text(), nullable=nullable)


def moment(name: str) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def created() -> sa.Column:
    return sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def label(name: str, kind: str) -> sa.Column:
    return sa.Column(name, ENUM(*LABELS[kind], name=kind, create_type=False), nullable=False)


def create_users() -> None:
    op.create_table(
        "users",
        key(),
        sa.Column("email", sa.String(255), nullable=False),
        text("password_hash", 255),
        label("role", "userrole"),
        label("status", "userstatus"),
        created(),
    )
    op.create_index("ix_users_email", "users", ["email"], unique=True)
    op.create_table(
        "user_profiles",
        key(),
        sa.Column("user_id", sa.Integer(), sa.ForeignKey("users.id"), nullable=False, unique=True),
        text("full_name", 255),
        text("biography", nullable=True),
    )


def create_what_users_have() -> None:
    op.create_table("user_settings", key(), of("users", "user_id"), text("name", 100), text("value"))
    op.create_table(
        "user_oauth_tokens",
        key(),
        of("users", "user_id"),
        label("service", "googleservice"),
        text("access_token"),
        moment("expires_at"),
    )
    op.create_table("user_sessions", key(), of("users", "user_id"), text("user_agent", 255), moment("last_seen_at"))
    op.create_table(
        "invitations", key(), of("users", "user_id"), text("email", 255), label("role", "userrole"), created()
    )
    digest = sa.Column("digest", sa.String(64), nullable=False, unique=True)
    op.create_table("api_keys", key(), of("users", "user_id"), text("label", 100), digest)
    op.create_table("audit_logs", key(), of("users", "user_id"), text("action", 100), created())
    read = sa.Column("is_read", sa.Boolean(), nullable=False)
    op.create_table("notifications", key(), of("users", "user_id"), text("message"), read)
    op.create_table("projects", key(), of("users", "user_id"), text("name", 255), created())


def create_tasks() -> None:
    op.create_table(
        "tasks",
        key(),
        of("users", "user_id"),
        of("projects", "project_id", nullable=True),
        text("title", 255),
        label("status", "taskstatus"),
        label("priority", "taskpriority"),
        label("type", "tasktype"),
        created(),
    )
    op.create_table("task_comments", key(), of("tasks", "task_id"), of("users", "user_id"), text("body"))
    op.create_table(
        "task_history", key(), of("tasks", "task_id"), of("users", "user_id"), label("status", "taskstatus"), created()
    )
    op.create_table("tags", key(), sa.Column("name", sa.String(100), nullable=False, unique=True))
    op.create_table(
        "task_tags",
        sa.Column("task_id", sa.Integer(), sa.ForeignKey("tasks.id"), primary_key=True),
        sa.Column("tag_id", sa.Integer(), sa.ForeignKey("tags.id"), primary_key=True),
    )


def create_calendars() -> None:
    op.create_table("calendars", key(), of("users", "user_id"), text("name", 255))
    op.create_table(
        "events",
        key(),
        of("calendars", "calendar_id"),
        text("title", 255),
        label("category", "eventcategory"),
        moment("starts_at"),
    )
    op.create_table("event_attendees", key(), of("events", "event_id"), text("email", 255))


def create_documents_and_chats() -> None:
    op.create_table(
        "documents",
        key(),
        of("users", "user_id"),
        text("name", 255),
        sa.Column("size", sa.BigInteger(), nullable=False),
        label("status", "documentstatus"),
        created(),
    )
    position = sa.Column("position", sa.Integer(), nullable=False)
    op.create_table("document_chunks", key(), of("documents", "document_id"), position, text("body"))
    op.create_table("chat_sessions", key(), of("users", "user_id"), text("title", 255), created())
    op.create_table(
        "chat_history",
        key(),
        of("users", "user_id"),
        of("chat_sessions", "session_id", nullable=True),
        text("message"),
        created(),
    )
