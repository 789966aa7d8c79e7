"""Schemas, quoted names, types around an enum, Table without a class."""

from sqlalchemy import Column, Enum, Integer, String, Table
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

import app_models.kinds as k
from app_models.base import Base, Key

SCHEMA = "Shop"


class Trimmed(TypeDecorator):
    """An enum whose values are trimmed first."""

    impl = Enum(k.Role, name="trimmed_role", schema=SCHEMA)
    cache_ok = True


class Wrapped(TypeDecorator):
    """Takes the arguments of Enum."""

    impl = Enum
    cache_ok = True


def pg_enum(of, **more):
    """What many applications have: one place that says how enums are stored."""
    return Enum(of, values_callable=lambda e: [m.value for m in e], **more)


class Item(Base):
    __tablename__ = 'We "ird'
    __table_args__ = ({"schema": SCHEMA},)

    id: Mapped[Key]
    region: Mapped[k.Region] = mapped_column("Re Gion", Enum(k.Region, name="Re Gion", inherit_schema=True))
    role: Mapped[k.Role] = mapped_column(Trimmed)
    size: Mapped[k.Size] = mapped_column(Wrapped(k.Size, name="wrapped_size"))
    level: Mapped[k.Role] = mapped_column(pg_enum(k.Role, name="helped"))
    either: Mapped[k.Step] = mapped_column(Enum(k.Step, name="either").with_variant(String(10), "sqlite"))


stock = Table(
    "stock",
    Base.metadata,
    Column("id", Integer, primary_key=True),
    Column("state", Enum(k.State, name="stock_state", schema=SCHEMA)),
    schema=SCHEMA,
)
