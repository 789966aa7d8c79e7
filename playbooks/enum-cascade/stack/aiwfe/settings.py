"""What the environment says. Passwords and keys come from files, never from the environment itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL

RELEASES = ("incident", "before")
ALL_MIDDLEWARE = "error,security_headers,authentication,csrf,request_protection,metrics"


@dataclass(frozen=True)
class Settings:
    """The API's settings.

    `login_limit` is for one account from one client in 10 minutes, `request_limit` for one client in a minute.
    """

    database_url: URL
    redis_url: str
    jwt_key: str
    middleware: tuple[str, ...]
    broken_middleware: str
    login_limit: int
    request_limit: int


def api_settings(environ: Mapping[str, str]) -> Settings:
    """The API's settings. An unset MIDDLEWARE means all six, an empty one means none.

    While DEGRADED is set, tokens are signed by a key of their own, so that none of them outlives the degraded mode.
    """
    return Settings(
        database_url=database_url(environ),
        redis_url=redis_url(environ),
        jwt_key=secret(environ, "DEGRADED_JWT_KEY_FILE" if environ.get("DEGRADED") else "JWT_KEY_FILE"),
        middleware=names(environ.get("MIDDLEWARE", ALL_MIDDLEWARE)),
        broken_middleware=environ.get("BROKEN_MIDDLEWARE", "").strip(),
        login_limit=int(environ.get("RATE_LIMIT_LOGINS") or 200),
        request_limit=int(environ.get("RATE_LIMIT_REQUESTS") or 120),
    )


def names(listed: str) -> tuple[str, ...]:
    """The names in a list with commas."""
    return tuple(name.strip() for name in listed.split(",") if name.strip())


def database_url(environ: Mapping[str, str]) -> URL:
    """Where the data is, as the role `app` on the database `aiwfe` unless told otherwise."""
    return URL.create(
        "postgresql+psycopg",
        username=environ.get("DATABASE_USER", "app"),
        password=secret(environ, "DATABASE_PASSWORD_FILE"),
        host=environ.get("DATABASE_HOST", "127.0.0.1"),
        port=int(environ["DATABASE_PORT"]),
        database=environ.get("DATABASE_NAME", "aiwfe"),
    )


def redis_url(environ: Mapping[str, str]) -> str:
    """Where the limiter counts and the worker leaves its heartbeat."""
    return f"redis://{environ.get('REDIS_HOST', '127.0.0.1')}:{environ['REDIS_PORT']}/0"


def release(environ: Mapping[str, str]) -> str:
    """Which release this process runs; unset or empty is the incident's. SystemExit for any other name."""
    name = environ.get("RELEASE") or "incident"
    if name not in RELEASES:
        raise SystemExit(f"RELEASE: unknown release {name!r}; known: {', '.join(RELEASES)}")
    return name


def secret(environ: Mapping[str, str], variable: str) -> str:
    """The one line in the file that the variable names."""
    return Path(environ[variable]).read_text().strip()
