"""What a reading of the source can only guess."""

from sqlalchemy import Enum
from sqlalchemy.orm import Mapped, mapped_column

from app_models.base import Base, Key
from app_models.kinds import Role


def upper_values(of):
    return [each.value.upper() + "!" for each in of]


class Old(Base):
    __tablename__ = "old"

    id: Mapped[Key]
    role: Mapped[Role] = mapped_column(Enum(Role, name="loud_role", values_callable=upper_values))
    computed: Mapped[str] = mapped_column(Enum(*[f"s{n}" for n in range(3)], name="computed"))
