"""Runs the migrations on the database that the environment names, in one transaction."""

import os
from logging.config import fileConfig

from aiwfe.models import Base
from aiwfe.settings import database_url
from alembic import context
from sqlalchemy import NullPool, create_engine

if context.config.config_file_name:
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)

engine = create_engine(database_url(os.environ), poolclass=NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()
