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

NEARLY = 0.005  # of a file system: less than that is full for everybody but root


def disk(scene: Scene, shapes: Sequence[Shape]) -> Told:
    """Is there a file system with no room left, among those of the stack's folders and the mounts below them?"""
    full = [words for path in dict.fromkeys(_mounts(scene.source.folders)) if (words := _full(path))]
    if full:
        return yes(full)
    return Told("unknown" if shapes else "no", "every file system that can be seen from here has room")


def _mounts(folders: Iterable[Path]) -> Iterator[Path]:
    mounted = [Path(line.split()[1]) for line in _lines_of(Path("/proc/mounts"))]
    for folder in folders:
        yield folder
        yield from (path for path in mounted if folder in path.parents)


def _lines_of(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _full(path: Path) -> str:
    try:
        seen = os.statvfs(path)
    except OSError:
        return ""
    if not seen.f_blocks or seen.f_bavail > seen.f_blocks * NEARLY:
        return ""
    megabytes = seen.f_frsize / 1e6
    return f"{path}: {seen.f_bavail * megabytes:.0f} of {seen.f_blocks * megabytes:.0f} MB are free"


_INSIDE = re.compile(r"(?:No such file or directory: '|could not open file \"|open )(/[^'\"\s:]+)")
_OUTSIDE = re.compile(r"source path does not exist: (/[^'\"\s:]+)")  # the engine's own words


def missing_file(scene: Scene, shapes: Sequence[Shape]) -> Told:
    """Are the files that services say they lack really not there? A path in a container is looked up in its mounts."""
    lost = dict.fromkeys(scene.source.lacking)
    lost |= {
        f"{state.name} mounts {', '.join(state.lacks)}, which is not there": None
        for state in scene.states.values()
        if state.lacks
    }
    texts = [(shape.service, text) for shape in shapes for text in shape.samples]
    texts += [(state.name, state.detail) for state in scene.down()]
    for service, text in texts:
        inside = (_outside(scene.states.get(service), path) for path in _INSIDE.findall(text))
        for path in (*inside, *map(Path, _OUTSIDE.findall(text))):
            if path is not None and not path.exists():
                lost[f"{path} is not there, and {service} needs it"] = None
    if lost:
        return yes(lost)
    return Told("unknown" if shapes else "no", "the files that are named are there, or cannot be seen from here")


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
    if wrong := [f"{a.question} {a.answer}" for a in answers if not a.passed]:
        return yes(wrong)
    if answers:
        return Told("no", "; ".join(answer.answer for answer in answers))
    return Told("unknown", "the playbook has no check of a certificate")
