from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recover.runtimes import keeper


def test_the_start_of_a_process_stays_the_same_and_differs_from_another_ones() -> None:
    first = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert keeper.start_of(first.pid) == keeper.start_of(first.pid)
        assert keeper.start_of(first.pid) != keeper.start_of(os.getpid())
    finally:
        first.communicate()
    assert keeper.start_of(first.pid) == ""


def test_ps_tells_the_start_where_there_is_no_proc() -> None:
    assert keeper.start_by_ps(os.getpid())
    assert keeper.start_by_ps(os.getpid()) == keeper.start_by_ps(os.getpid())
    zombie = subprocess.Popen(["true"])
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    assert keeper.start_by_ps(zombie.pid) == ""
    zombie.wait()
    assert keeper.start_by_ps(zombie.pid) == ""


def test_a_file_is_written_whole_and_private_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    keeper.write(path, {"a": 1})
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(TypeError):
        keeper.write(path, {"a": "b" * 100_000, "c": object()})
    assert json.loads(path.read_text()) == {"a": 1}


def test_a_failed_write_leaves_no_litter(tmp_path: Path) -> None:
    (tmp_path / "facts.json").mkdir()
    with pytest.raises(OSError, match="directory"):
        keeper.write(tmp_path / "facts.json", {"a": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["facts.json"]


def test_a_time_is_utc_and_read_back_exactly() -> None:
    assert datetime.fromisoformat(keeper.utc(1.25)) == datetime(1970, 1, 1, 0, 0, 1, 250_000, tzinfo=UTC)
