"""Enums, exported again."""

from app_models.kinds import Role as AppRole
from app_models.kinds import *  # noqa: F403

UserRole = AppRole
