"""SQLModel, on the same metadata."""

from sqlalchemy import Column
from sqlmodel import Enum, Field, SQLModel

from app_models.base import Base
from app_models.kinds import Role, Size, State


class Shop(SQLModel):
    metadata = Base.metadata


class Customer(Shop, table=True):
    id: int | None = Field(default=None, primary_key=True)
    role: Role
    state: State | None = Field(default=None, sa_column=Column(Enum(State, name="customer_state")))
    size: Size = Field(default=Size.SMALL, sa_type=Enum(Size, name="customer_size"))
