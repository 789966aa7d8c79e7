"""When recover itself goes wrong: a report file instead of a traceback on the screen."""

from __future__ import annotations

import sys
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path

from recover import __version__
from recover.errors import Bug
from recover.secrets import Redactor


def report_bug(error: BaseException, redactor: Redactor | None = None) -> Bug:
    """Write what is known into a private file and return the error to show (exit 70)."""
    clean = redactor or Redactor()
    text = "\n".join(
        [
            f"recover {__version__}, Python {sys.version}",
            f"{datetime.now(UTC).isoformat()}",
            f"argv: {clean.data(sys.argv[1:])}",
            clean.text("".join(traceback.format_exception(error))),
        ]
    )
    handle, name = tempfile.mkstemp(prefix="recover-bug-", suffix=".txt")
    with open(handle, "w", encoding="utf-8") as file:  # noqa: PTH123 - a file descriptor
        file.write(text)
    return Bug(
        "a bug in recover; what was done so far is in the journal",
        where=str(Path(name)),
        why=clean.text(f"{type(error).__name__}: {error}"),
        next="recover resume, and send us the report file",
    )
