"""The declarative base."""
# ruff: noqa: N805, RUF012 - as declarative models are written

from typing import Annotated

from sqlalchemy import Enum as SAEnum
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

from . import kinds
from .kinds import Region, State

Key = Annotated[int, mapped_column(primary_key=True)]
Place = Annotated[Region, mapped_column(SAEnum(Region, name="place"), nullable=False)]


def values(of):
    return [each.value for each in of]


class Base(DeclarativeBase):
    type_annotation_map = {kinds.Shouted: SAEnum(kinds.Shouted, name="shout", values_callable=values)}


class HasState:
    """A mixin."""

    state: Mapped[State]
    place: Mapped[Place]

    @declared_attr
    def step(cls) -> Mapped["kinds.Step"]:
        return mapped_column(SAEnum(kinds.Step, name="step"))


class Named:
    """A mixin that names its table."""

    @declared_attr.directive
    def __tablename__(cls) -> str:
        return cls.__name__.lower() + "s"
