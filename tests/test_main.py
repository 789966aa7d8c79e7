"""The process itself: what it is given by its surroundings."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_what_a_terminal_cannot_show_is_spelled_out(encoding: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "recover", "diagnose", "--help"],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert ("…" if encoding == "utf-8" else "\\u2026").encode() in done.stdout
