"""A connection string that cannot be used is refused without a part of its password in the words."""

from __future__ import annotations

import pytest

from recover.errors import UsageError
from recover.postgres.session import server_of

HARD = {
    "an at sign": "postgresql://app:hun@ter2@db/x",
    "a slash": "postgresql://app:hun/ter2@db/x",
    "both": "postgresql+asyncpg://app:hun/t@er2@db/x",
    "NUL": "postgresql://app:hun%00ter2@db/x",
    "a percent sign": "postgresql://app:hun%zzter2@db/x",
    "keywords": "host=db password=hun ter2",
    "quotes": "host=db password='hun\"ter2",
}


@pytest.mark.parametrize("dsn", HARD.values(), ids=HARD)
def test_no_part_of_the_password_is_told(dsn: str) -> None:
    try:
        shown = str(server_of(dsn))
    except UsageError as error:
        shown = str(error)
    assert "hun" not in shown
    assert "er2" not in shown


def test_what_is_percent_encoded_or_needs_not_to_be_is_taken() -> None:
    for dsn in ("postgresql://app:a%40b%2Fc%3Ad@db/x", "postgresql://app:a%40b%2Fc:d@db/x"):
        server = server_of(dsn)
        assert (server.password and server.password.reveal(), server.host) == ("a@b/c:d", "db")
    assert server_of("postgresql://db/x?options=-c%20a%3Db@c").host == "db"
