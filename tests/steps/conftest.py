"""These tests ask their database a lot."""

from helpers.kept_sql import admin_sql, sql

__all__ = ["admin_sql", "sql"]
