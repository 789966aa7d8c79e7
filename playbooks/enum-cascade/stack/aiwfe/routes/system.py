"""What monitoring asks: no user, no token."""

from fastapi import APIRouter, HTTPException, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from aiwfe.parts import Database, parts_of

router = APIRouter(prefix="/api")


@router.get("/health")
def health(session: Database) -> dict[str, str]:
    """Does the database answer? It says nothing about logins: all through the incident this was 200."""
    try:
        session.execute(text("SELECT 1"))
    except OperationalError as error:
        raise HTTPException(503, "The database does not answer") from error
    return {"status": "ok", "database": "ok"}


@router.get("/v1/monitoring/metrics")
def metrics(request: Request) -> Response:
    """What the metrics middleware counted, for Prometheus; empty while it is off."""
    return Response(generate_latest(parts_of(request).registry), media_type=CONTENT_TYPE_LATEST)
