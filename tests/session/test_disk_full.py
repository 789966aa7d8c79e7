"""A disk that fills up at every line of the journal: no act without a durable intent, and with space it goes on.

On a small tmpfs, and with a file size limit, which can stop at any byte.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny import Tiny

from recover.journal.records import NAME, records

PAGE = 4096
FULL = "cannot be written, so nothing more is done"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Tiny]:
    """The tiny stack with its state on a tmpfs of 256 KiB."""
    state = tmp_path / "state"
    state.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(state)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"NO SMALL DISK: this machine cannot mount a tmpfs: {done.stderr.strip()}")
    made = Tiny(tmp_path).build()
    try:
        yield made
    finally:
        made.down()
        subprocess.run(["umount", "--lazy", str(state)], check=True)


def acts(tiny: Tiny) -> list[str]:
    """What the runs say that they were about to do."""
    return [
        record.data["describe"]
        for path in tiny.state.glob(f"*/*/{NAME}")
        for record in records(path)
        if record.event == "ActionStarted"
    ]


@pytest.mark.parametrize("pages", range(7))
def test_a_disk_that_is_full_after_so_many_pages(small: Tiny, pages: int) -> None:
    filler = small.state / "filler"
    filler.write_bytes(b"x" * PAGE * (shutil.disk_usage(small.state).free // PAGE - pages))
    failed = small.recover("run", str(small.playbook), expect=None)
    began = [path for path in small.state.glob(f"*/*/{NAME}") if list(records(path))]
    if failed.returncode:
        assert failed.returncode == 1
        assert "No space left on device" in failed.stderr
        started = (small.replica / "run" / "web.json").exists()
        assert not started or any("start web" in act for act in acts(small))
    filler.unlink()
    small.recover(*(["resume"] if began and failed.returncode else ["run", str(small.playbook)]))


def test_a_journal_that_cannot_grow_at_any_of_its_intents(tiny: Tiny) -> None:
    """It ends in the middle of the line: what that line was to announce is not done."""
    tiny.recover("run", str(tiny.playbook))
    [path] = tiny.state.glob(f"*/*/{NAME}")
    kept, ends = list(records(path)), [0]
    for line in path.read_bytes().splitlines(keepends=True):
        ends.append(ends[-1] + len(line))
    intents = [n for n, record in enumerate(kept) if record.event == "ActionStarted"]
    assert len(intents) == 3
    for n in intents:
        tiny.down()
        for folder in tiny.state.glob("tiny/2*"):
            shutil.rmtree(folder)
        (tiny.replica / "run" / "web.json").unlink(missing_ok=True)
        (tiny.replica / "run" / "other.json").unlink(missing_ok=True)
        said = limited(tiny, (ends[n] + ends[n + 1]) // 2)
        assert FULL in said, said
        assert len(acts(tiny)) == intents.index(n)
        tiny.recover("resume")


def limited(tiny: Tiny, size: int) -> str:
    """Run with no file of more than so many bytes; what it said."""
    words = [sys.executable, "-m", "recover", "run", str(tiny.playbook), "--state-dir", str(tiny.state)]
    done = subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY)),
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout + done.stderr
