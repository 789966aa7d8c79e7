"""Names, values, strings, text columns, mixins, Annotated."""

from typing import Literal, Optional

import sqlalchemy as sa
from sqlalchemy import Column, Enum, ForeignKey, Integer
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app_models import exports, kinds
from app_models.base import Base, HasState, Key, Named
from app_models.exports import Colour, Level, UserRole

role_type = Enum(UserRole, name="role_kind", values_callable=lambda x: [e.value for e in x])


class Account(HasState, Base):
    __tablename__ = "accounts"

    id: Mapped[Key]
    role: Mapped[UserRole] = mapped_column(role_type)
    second_role: Mapped[Optional["exports.AppRole"]] = mapped_column(role_type)
    level: Mapped[Level | None]
    colour = Column(sa.Enum(Colour))
    kind: Mapped[str] = mapped_column(Enum("a", "b's", "ü ö", name="account_kind"))
    tier: Mapped[kinds.Size] = mapped_column(Enum(kinds.Size, native_enum=False, length=20))
    mood: Mapped[kinds.Mood]
    tone: Mapped[Literal["loud", "low"]]
    roles: Mapped[list[str]] = mapped_column(ARRAY(role_type))
    shout: Mapped[kinds.Shouted]
    old = Column("Old Role", postgresql.ENUM("x", "y", name="Old Role"))


class Order(Named, HasState, Base):
    id: Mapped[Key]


class Employee(Account):
    """In a table of its own, joined to that of Account."""

    __tablename__ = "employees"

    id = Column(Integer, ForeignKey("accounts.id"), primary_key=True)
    grade: Mapped[kinds.Step] = mapped_column(Enum(kinds.Step, name="step"))


class Contractor(Account):
    """In the table of Account."""

    rate: Mapped[kinds.Level | None] = mapped_column(Enum(kinds.Level, name="rate"))
