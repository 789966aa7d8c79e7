from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from recover.drill import disk
from recover.drill.replica import Replica
from recover.errors import Precondition


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A replica's folder with data in it, where a disk can be mounted; nothing stays mounted."""
    made = tmp_path / "a replica"
    (made / "data" / "pg").mkdir(parents=True)
    (made / "data" / "pg" / "rows").write_bytes(b"x" * 10_000)
    try:
        disk.require(made)
    except Precondition as error:
        pytest.skip(error.why)
    yield made
    disk.release(tmp_path)


def test_a_filled_folder_has_its_files_and_no_byte_left(folder: Path) -> None:
    for _ in range(2):  # it is filled once
        disk.fill(folder / "data" / "pg")
    assert (folder / "data" / "pg" / "rows").read_bytes() == b"x" * 10_000
    assert (folder / "data" / "pg.removed" / "rows").is_file()
    assert os.statvfs(folder / "data" / "pg").f_bavail == 0
    with pytest.raises(OSError, match="No space left"):
        (folder / "data" / "pg" / "more").write_bytes(b"x")


def test_the_replica_is_removed_with_its_disk_also_after_a_crash_and_no_other_disk_is_touched(folder: Path) -> None:
    beside = folder.with_name("beside") / "data"
    beside.mkdir(parents=True)
    for path in (folder / "data" / "pg", beside):
        disk.fill(path)
    replica = Replica(folder)
    folder.rename(replica._gone)  # killed right after the rename
    replica.sweep()
    assert not replica._gone.exists()
    assert beside.is_mount()
    assert (beside / "filler").is_file()


def test_looking_whether_a_disk_can_be_filled_leaves_nothing(folder: Path) -> None:
    disk.require(folder)
    assert [path.name for path in folder.iterdir()] == ["data"]
