"""JSON Lines on stdout: one object per event, with "v": 1."""

from __future__ import annotations

import json
import sys
from typing import TextIO

from recover.journal.records import Record


class Lines:
    """Writes records as they are kept (already redacted) to `out` (default stdout)."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout

    def __call__(self, record: Record) -> None:
        """One line."""
        body = {"v": 1, "n": record.n, "at": record.at.isoformat(), "event": record.event, "data": record.data}
        body["hash"] = record.hash  # that of the last line is the run's head
        print(json.dumps(body), file=self._out, flush=True)
