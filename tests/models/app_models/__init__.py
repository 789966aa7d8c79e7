"""An application's models, with every way to declare an enum column."""

from app_models import accounts, catalogue, legacy, shop
from app_models.base import Base

__all__ = ["Base", "accounts", "catalogue", "legacy", "shop"]
