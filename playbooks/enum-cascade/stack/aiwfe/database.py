"""The connection to PostgreSQL, and which release's labels the models expect."""

from sqlalchemy import URL, create_engine
from sqlalchemy.orm import Session, sessionmaker

from aiwfe import release_before
from aiwfe.models import Base


def open_sessions(url: URL, release: str, name: str) -> sessionmaker[Session]:
    """Sessions on the database; `name` is shown in pg_stat_activity. Connects at the first query, not before."""
    if release == "before":
        release_before.apply(Base.metadata)
    connection = {"application_name": name, "connect_timeout": 3}
    return sessionmaker(create_engine(url, pool_pre_ping=True, connect_args=connection), expire_on_commit=False)
