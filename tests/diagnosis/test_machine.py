"""Questions about the machine, on real folders, a real small disk where one can be mounted, and real certificates."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from authorities import TlsServer, authority
from diagnosis.scenes import NOW, asked, failed, line, passed, scene, state

from recover.checks.tls import TlsIsGood
from recover.diagnosis import machine
from recover.evidence import Evidence
from recover.web import HttpWeb

FULL = {"db": [line("could not write to file: No space left on device")]}


# --- disk -----------------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 1 MiB with few inodes, in a folder whose name has a blank."""
    disk = tmp_path / "stack" / "small disk"
    disk.mkdir(parents=True)
    words = ["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=50", "tmpfs", str(disk)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"NO SMALL DISK: this machine cannot mount a tmpfs: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_file_system_below_the_stacks_folder_is_found(small: Path) -> None:
    seen = scene(folders=[small.parent], logs=FULL)
    assert asked("disk-full", seen).answer == "unknown"  # another one that cannot be seen may be the full one
    (small / "filler").write_bytes(b"x" * (1 << 20))
    told = asked("disk-full", seen)
    assert told.answer == "yes"
    assert f"{small}: 0.0 of 1.0 MB are free" in told.words


def test_a_file_system_without_inodes_is_full_although_it_has_room(small: Path) -> None:
    for n in range(49):
        (small / str(n)).touch()
    told = asked("disk-full", scene(folders=[small.parent]))
    assert told.answer == "yes"
    assert "none of its 50 inodes" in told.words


def test_a_mount_whose_name_is_no_utf_8_is_no_crash(tmp_path: Path) -> None:
    (tmp_path / "mounts").write_bytes(b"tmpfs /mnt/caf\xe9 tmpfs rw 0 0\n")
    [found] = machine._lines_of(tmp_path / "mounts")
    assert os.fsencode(found.split()[1]) == b"/mnt/caf\xe9"


def test_a_folder_behind_a_link_is_looked_into(small: Path, tmp_path: Path) -> None:
    (small / "filler").write_bytes(b"x" * (1 << 20))
    (tmp_path / "link").symlink_to(small.parent)
    assert asked("disk-full", scene(folders=[tmp_path / "link"])).answer == "yes"


@dataclass
class Disk:
    """What statvfs says."""

    f_blocks: int
    f_bavail: int
    f_frsize: int = 4096
    f_flag: int = 0
    f_files: int = 1000
    f_favail: int = 10


GIB = (1 << 30) // 4096
DISKS = {
    "full": (Disk(100 * GIB, 0), "yes"),
    "nearly full": (Disk(100 * GIB, 2000), "yes"),
    "ten gigabytes of two terabytes": (Disk(2000 * GIB, 8 * GIB), "no"),
    "read-only, as every image of a disk is": (Disk(GIB, 0, f_flag=os.ST_RDONLY), "no"),
    "no blocks, as /proc": (Disk(0, 0), "no"),
    "no inodes left": (Disk(100 * GIB, 50 * GIB, f_favail=0), "yes"),
    "a file system that counts no inodes": (Disk(100 * GIB, 50 * GIB, f_files=0, f_favail=0), "no"),
}


@pytest.mark.parametrize(("disk", "answer"), DISKS.values(), ids=DISKS)
def test_how_much_is_room(disk: Disk, answer: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("recover.diagnosis.machine.os.statvfs", lambda _path: disk)
    assert asked("disk-full", scene(folders=[tmp_path])).answer == answer


def test_a_disk_that_nobody_looked_at_is_not_refuted() -> None:
    assert asked("disk-full", scene()).answer == "unknown"


def test_a_folder_that_is_not_there_is_no_full_disk(tmp_path: Path) -> None:
    assert asked("disk-full", scene(folders=[tmp_path / "no"])).answer == "no"


# --- files ----------------------------------------------------------------------------------------


def lost(path: object) -> str:
    return f"FileNotFoundError: [Errno 2] No such file or directory: '{path}'"


def test_a_file_of_the_playbook_that_cannot_be_read_is_named() -> None:
    told = asked("missing-secret", scene(state("api"), lacking=["cannot read secret pg from /s/pg"]))
    assert (told.answer, told.words) == ("yes", "cannot read secret pg from /s/pg")


@pytest.mark.parametrize("where", ["log", "last words", "the engine's words"])
def test_a_service_that_is_down_for_want_of_a_file(where: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    words = {"last words": lost(key), "the engine's words": f"bind source path does not exist: {key}"}.get(where, "")
    logs = {"api": [line(lost(key))]} if where == "log" else {}
    seen = scene(state("api", "exited", detail=words), logs=logs)
    assert (asked("missing-secret", seen).answer, str(key) in asked("missing-secret", seen).words) == ("yes", True)
    key.touch()
    assert asked("missing-secret", seen).answer != "yes"


def test_what_a_service_that_is_well_goes_without_is_no_fault(tmp_path: Path) -> None:
    told = asked("missing-secret", scene(state("api"), logs={"api": [line(lost(tmp_path / "optional.yml"))]}))
    assert told.answer == "unknown"
    assert "optional.yml is not there, and api speaks of it" in told.words


def test_what_a_service_that_is_down_only_warned_of_is_no_proof(tmp_path: Path) -> None:
    logs = {"api": [line(lost(tmp_path / "optional.yml"), level="WARNING")]}
    assert asked("missing-secret", scene(state("api", "exited"), logs=logs)).answer == "unknown"


def test_what_an_earlier_instance_lacked_is_of_the_past(tmp_path: Path) -> None:
    down = state("api", "exited", started_at=NOW)
    assert asked("missing-secret", scene(down, logs={"api": [line(lost(tmp_path / "key"))]})).answer == "unknown"


def test_what_was_said_in_the_second_of_the_start_is_of_this_instance(tmp_path: Path) -> None:
    """nginx and Go write whole seconds, and what lacks a file ends in its first one."""
    down = state("api", "exited", started_at=NOW + timedelta(seconds=0.7))
    said = f"{NOW:%Y/%m/%d %H:%M:%S} [emerg] 1#1: open {tmp_path}/key: no such file or directory"
    assert asked("missing-secret", scene(down, logs={"api": [said]})).answer == "yes"


def test_a_path_in_a_container_is_looked_up_in_its_mounts(tmp_path: Path) -> None:
    settings = {"image": "app sha256:a", "mount /run/secrets/key": f"bind {tmp_path}/key ro"}
    seen = scene(state("api", "exited", settings=settings), logs={"api": [line(lost("/run/secrets/key"))]})
    assert f"{tmp_path}/key is not there" in asked("missing-secret", seen).words
    (tmp_path / "key").touch()
    assert asked("missing-secret", seen).answer == "unknown"


def test_a_path_in_a_container_that_is_mounted_from_nowhere_cannot_be_seen() -> None:
    seen = scene(state("api", "exited", settings={"image": "app x"}), logs={"api": [line(lost("/no/such"))]})
    assert asked("missing-secret", seen).answer == "unknown"


def test_a_path_that_cannot_be_one_is_no_file_that_is_missing() -> None:
    seen = scene(state("api", "exited", detail=lost("/" + "x" * 5000)))
    assert asked("missing-secret", seen).answer == "no"


# --- certificates ---------------------------------------------------------------------------------


@dataclass
class Says:
    """A check that answers what it is told."""

    answer: Evidence
    about: frozenset[str] = field(default_factory=frozenset)

    def ask(self, view: object) -> Evidence:
        return self.answer


@dataclass
class Live:
    """As much of a view as a check of a certificate needs."""

    web: HttpWeb = field(default_factory=HttpWeb)


SPOKEN = {"api": [line("certificate verify failed: certificate has expired")]}


@pytest.mark.parametrize(("end", "answer"), [(-1, "yes"), (90, "no")])
def test_the_playbooks_checks_of_real_certificates_decide(end: int, answer: str, tmp_path: Path) -> None:
    ca = authority()
    certificate, key = ca.leaf("localhost", begin=-9, end=end).write(tmp_path)
    (tmp_path / "ca.crt").write_bytes(ca.pem)
    check = TlsIsGood(str(tmp_path / "ca.crt"), str(certificate), str(key), name="localhost", days_left=0)
    told = asked("certificate", scene(view=Live(), certificates=[check], logs=SPOKEN))
    assert told.answer == answer


def test_an_endpoint_that_does_not_answer_has_no_bad_certificate(tmp_path: Path) -> None:
    """Its service is down: that is another cause."""
    ca = authority()
    (tmp_path / "ca.crt").write_bytes(ca.pem)
    with TlsServer(tmp_path, ca.leaf("127.0.0.1")).running() as endpoint:
        check = TlsIsGood(str(tmp_path / "ca.crt"), endpoint=endpoint)
        seen: Any = scene(view=Live(), certificates=[check])
        assert asked("certificate", seen).answer == "no"
    assert asked("certificate", seen).answer == "unknown"


def test_without_a_check_of_a_certificate_nothing_is_known() -> None:
    assert asked("certificate", scene(view=Live(), logs=SPOKEN)).answer == "unknown"


def test_one_bad_certificate_among_good_ones_is_named() -> None:
    checks = [Says(passed("12 days left")), Says(failed("it has expired")), Says(failed("no answer", unseen=True))]
    told = asked("certificate", scene(view=Live(), certificates=checks))
    assert (told.answer, told.words) == ("yes", "is it well? it has expired")
