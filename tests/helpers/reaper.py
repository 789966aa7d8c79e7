"""What a run of the tests leaves behind is ended: `python -I -S reaper.py FOLDER RUN`.

It waits for the end of its stdin, which the tests hold open and the kernel closes however they end; so a killed run is
cleaned up like any other. It ends every process that belongs to the run, unmounts what is mounted below the run's
folder, removes the run's containers, networks and volumes, and then the folder. What it found is its output, one line
each: a run that ended by itself has left something behind.

A process belongs to the run when its environment has RECOVER_TEST_RUN=RUN, or when its command line, its folder or an
open file names the run's folder. (A service of a replica has neither the environment nor the session of the tests.)
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

SEGMENT = 6  # the line of postmaster.pid with key and id of the server's segment
ENDING = 5.0  # seconds for what is ending by itself just now
DOCKER_SOCKET = Path("/var/run/docker.sock")
PROJECT, LEASE, BESIDE = "com.docker.compose.project", "dev.recover.lease", "dev.recover.beside"
"""Labels that name a container's project, the project whose lease it is, and the container that it was started for."""


def main() -> None:
    """Wait for the end of the tests, then clean up."""
    folder, run = Path(sys.argv[1]), sys.argv[2]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # they are for the tests, whose end is waited for
    sys.stdin.buffer.read()
    said = "".join(f"{line}\n" for line in clean_up(folder, run))  # all of it first: who is told may be gone
    with suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), said.encode())


def clean_up(folder: Path, run: str) -> Iterator[str]:
    """End and remove everything of the run; a line for each thing that was left."""
    until = time.monotonic() + ENDING
    while (left := processes(folder, run)) and time.monotonic() < until:
        time.sleep(0.1)
    yield from (f"process {pid}: {told}" for pid, told in left.items())
    segments = {path for pid in left for path in mapped(pid)}
    while left:
        for pid in left:
            kill(pid)
        time.sleep(0.05)
        left = processes(folder, run)
    for path in segments:
        path.unlink(missing_ok=True)
    for mount in mounts(folder):
        yield f"mount {mount}"
        subprocess.run(["umount", "--lazy", mount], check=False)
    if DOCKER_SOCKET.exists():
        yield from (f"on the Docker engine: {name}" for name in reap_engine(run))
    for id in shared_memory(folder):
        subprocess.run(["ipcrm", "--shmem-id", id], check=False, stderr=subprocess.DEVNULL)
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        yield f"folder {folder}"


def processes(folder: Path, run: str) -> dict[int, str]:
    """The processes of the run by pid, with their command lines."""
    marks = (str(folder).encode(), f"RECOVER_TEST_RUN={run}".encode())
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        pid = int(entry.name)
        if pid not in (os.getpid(), os.getppid()) and any(mark in text for text in said_of(entry) for mark in marks):
            found[pid] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:200]
    return found


def said_of(entry: Path) -> Iterator[bytes]:
    """What /proc says of a process that could name its run; nothing when it is gone or another user's."""
    try:
        if entry.joinpath("stat").read_bytes().rpartition(b")")[2].split()[0] in (b"Z", b"X"):
            return
        yield (entry / "environ").read_bytes()
        yield (entry / "cmdline").read_bytes()
        for link in (entry / "cwd", *(entry / "fd").iterdir()):
            yield os.fsencode(link.readlink())
    except OSError:
        return


def kill(pid: int) -> None:
    """SIGKILL; nothing when it is gone."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def mounts(folder: Path) -> list[str]:
    """What is mounted below the folder, the innermost first."""
    places = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    return sorted((place for place in places if place.startswith(f"{folder}/")), reverse=True)


def mapped(pid: int) -> list[Path]:
    """The POSIX shared memory of a PostgreSQL, which a killed one leaves: what its processes have mapped of it."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    except OSError:
        return []
    return [Path(name) for line in lines if (name := line.split()[-1]).startswith("/dev/shm/PostgreSQL.")]


def shared_memory(folder: Path) -> list[str]:
    """The System V segments of servers that were killed: what ends well removes its postmaster.pid.

    Source: PostgreSQL's storage documentation, "Database File Layout": the file has the segment's ID.
    """
    found = [file.read_text().splitlines() for file in folder.rglob("postmaster.pid")]
    return [lines[SEGMENT].split()[1] for lines in found if len(lines) > SEGMENT and lines[SEGMENT].strip()]


def reap_engine(run: str) -> list[str]:
    """Remove whatever the tests of this run have left on the engine, also when they were killed; its names.

    Beside what compose labels with a test's project: the lease of that project, and a script's container beside one.
    """
    prefix = f"recovertest{run}"
    shown = ("{{.ID}}", "{{.Names}}", *(f'{{{{.Label "{label}"}}}}' for label in (PROJECT, LEASE, BESIDE)))
    containers = [line.split("\t") for line in docker("container", "ls", "--all", "--format", "\t".join(shown))]
    ours = {id for id, *names, _ in containers if any(name.startswith(prefix) for name in names)}
    reaped = [name for id, name, *_, beside in containers if id in ours or beside in ours]
    if reaped:
        docker("container", "rm", "--force", "--volumes", *reaped)
    for kind in ("network", "volume"):
        listed = docker(kind, "ls", "--format", f'{{{{.Name}}}}\t{{{{.Label "{PROJECT}"}}}}')
        found = [line.split("\t")[0] for line in listed if any(name.startswith(prefix) for name in line.split("\t"))]
        if found:
            docker(kind, "rm", *found)
        reaped += found
    if tags := docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", f"recovertest/*:{run}*"):
        docker("image", "rm", "--force", *tags)
    return [*reaped, *tags]


def docker(*words: str) -> list[str]:
    """The lines that the program printed; none when there is no engine."""
    try:
        done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []


if __name__ == "__main__":
    main()
