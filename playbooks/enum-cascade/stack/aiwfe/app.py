"""The API, put together from its settings."""

import redis
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from sqlalchemy.orm import Session, sessionmaker

from aiwfe.middleware import chosen_middleware
from aiwfe.parts import Parts
from aiwfe.routes import auth, data, system
from aiwfe.settings import Settings


def create_app(settings: Settings, sessions: sessionmaker[Session]) -> FastAPI:
    """The API with the chosen middlewares, the first one outermost. SystemExit for an unknown middleware."""
    limiter = redis.Redis.from_url(settings.redis_url, socket_timeout=1, socket_connect_timeout=1)
    parts = Parts(settings, sessions, limiter, CollectorRegistry())
    app = FastAPI(title="AI Workflow Engine (replica)", middleware=chosen_middleware(parts))
    app.state.parts = parts
    for module in (auth, data, system):
        app.include_router(module.router)
    return app
