"""Questions about the machine: room on its file systems, files that services need, certificates."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from recover.diagnosis.scene import Scene
from recover.diagnosis.shapes import Shape
from recover.diagnosis.told import Told, yes
from recover.stack import ServiceState

NEARLY = 0.005  # of a small file system: what has less than that is full
ROOM = 16 << 20  # bytes that are room on any file system: PostgreSQL's next piece of WAL


def disk(scene: Scene, shapes: Sequence[Shape]) -> Told:
    """Is there a file system with no room left, among those of the stack's folders and the mounts below them?"""
    full = [words for path in dict.fromkeys(_mounts(scene.source.folders)) if (words := _full(path))]
    if full:
        return yes(full)
    if not scene.source.folders:
        return Told("unknown", "no file system of it can be seen from here")
    return Told("unknown" if shapes else "no", "every file system that can be seen from here has room")


def _mounts(folders: Iterable[Path]) -> Iterator[Path]:
    mounted = [Path(_spelled(line.split()[1])) for line in _lines_of(Path("/proc/mounts"))]
    for folder in folders:
        yield folder
        yield from (path for path in mounted if folder.resolve() in path.parents)


def _spelled(escaped: str) -> str:
    """Blanks and the like stand there as octal numbers (proc(5), fstab(5))."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), escaped)


def _lines_of(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []


def _full(path: Path) -> str:
    try:
        seen = os.statvfs(path)
    except OSError:
        return ""
    size, free = seen.f_blocks * seen.f_frsize, seen.f_bavail * seen.f_frsize
    if not size or seen.f_flag & os.ST_RDONLY:
        return ""
    if free <= min(size * NEARLY, ROOM):
        return f"{path}: {free / 1e6:.1f} of {size / 1e6:.1f} MB are free"
    if seen.f_files and not seen.f_favail:
        return f"{path}: {free / 1e6:.1f} MB are free, but none of its {seen.f_files} inodes"
    return ""


_INSIDE = re.compile(r"(?:No such file or directory: '|could not open file \\?\"|open )(/[^'\"\s:\\]+)")
_OUTSIDE = re.compile(r"source path does not exist: (/[^'\"\s:]+)")  # the engine's own words


def missing_file(scene: Scene, shapes: Sequence[Shape]) -> Told:
    """Are the files that services say they lack really not there? A path in a container is looked up in its mounts."""
    down = {state.name: state for state in scene.down()}
    texts = [(name, state.detail, True) for name, state in down.items()]
    texts += [(s.service, text, s.level not in MILD) for s in shapes if scene.is_new(s) for text in s.samples]
    lost, missed = dict.fromkeys((*scene.source.lacking, *_unmounted(scene))), []
    for service, text, grave in texts:
        for path in filter(_is_gone, _paths(scene.states.get(service), text)):
            if service in down and grave:
                lost[f"{path} is not there, and {service} needs it"] = None
            else:
                missed.append(f"{path} is not there, and {service} speaks of it")
    if lost:
        return yes(lost)
    there = "the files that are named are there, or cannot be seen from here"
    return Told("unknown" if shapes else "no", "; ".join(dict.fromkeys(missed)) or there)


def _unmounted(scene: Scene) -> Iterator[str]:
    for state in scene.states.values():
        if state.lacks:
            yield f"{', '.join(state.lacks)} is not there, and {state.name} mounts it"


MILD = ("debug", "info", "warning")
"""Of a file that may be missing a service speaks like that."""


def _paths(state: ServiceState | None, text: str) -> Iterator[Path]:
    """The files that the text says are missing, as this machine has them."""
    inside = (_outside(state, path) for path in _INSIDE.findall(text))
    yield from (path for path in inside if path is not None)
    yield from map(Path, _OUTSIDE.findall(text))


def _is_gone(path: Path) -> bool:
    """Is it surely not there? What cannot be told is not."""
    try:
        return not path.exists()
    except (OSError, ValueError):
        return False


def _outside(state: ServiceState | None, path: str) -> Path | None:
    """The path as this machine has it; None for one in a container that is mounted from nowhere."""
    settings = {**state.declared_settings, **state.settings} if state else {}
    if mounted := re.search(r"/\S+", settings.get(f"mount {path}", "")):
        return Path(mounted[0])
    return None if "image" in settings else Path(path)


def certificates(scene: Scene, shapes: Sequence[Shape]) -> Told:  # noqa: ARG001 - the checks see for themselves
    """What do the playbook's own checks of certificates say?"""
    view = scene.source.view
    answers = [check.ask(view) for check in scene.source.certificates] if view else []
    if wrong := [f"{a.question} {a.answer}" for a in answers if not (a.passed or a.unseen)]:
        return yes(wrong)
    if unseen := [f"{a.question} {a.answer}" for a in answers if a.unseen]:
        return Told("unknown", "; ".join(unseen))
    if answers:
        return Told("no", "; ".join(answer.answer for answer in answers))
    return Told("unknown", "the playbook has no check of a certificate")
