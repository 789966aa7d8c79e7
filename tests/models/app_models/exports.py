"""Enums, exported again."""

from app_models.kinds import *  # noqa: F403
from app_models.kinds import Role as AppRole

UserRole = AppRole
