"""The API as a process: `python -m aiwfe.api` serves it on API_HOST:API_PORT."""

import os

import uvicorn

from aiwfe.app import create_app
from aiwfe.database import open_sessions
from aiwfe.logs import LOGGING
from aiwfe.noise import make_noise, request_lines
from aiwfe.settings import api_settings, release


def main() -> None:
    """Serve until a signal comes."""
    settings = api_settings(os.environ)
    sessions = open_sessions(settings.database_url, release(os.environ), "aiwfe-api")
    make_noise(os.environ, request_lines)
    host, port = os.environ.get("API_HOST", "127.0.0.1"), int(os.environ["API_PORT"])
    uvicorn.run(create_app(settings, sessions), host=host, port=port, log_config=LOGGING, timeout_graceful_shutdown=5)


if __name__ == "__main__":
    main()
