"""A verdict on one screen: the root, its evidence, what it explains and what not, and the command to type."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from recover.checks.service import masked
from recover.diagnosis.shapes import Shape
from recover.diagnosis.verdict import Suspect, Verdict
from recover.secrets import beginning
from recover.visible import visible

SHOWN = 5  # entries of a list
WIDE = 200  # characters of a log line, or of a cause that is no root
EVIDENCE = 500  # characters of one thing that proves the root
INDENT = " " * 13


def text(verdict: Verdict, next: Sequence[str]) -> list[str]:
    """The screen; `next` are the commands to type."""
    root = verdict.root
    if root is None:
        return [*_well(verdict), *_entry("unexplained", _rest(verdict)), *_noise(verdict), *_unseen(verdict)]
    lines = [f"{'most likely  ' if not root.certain else 'root cause   '}{root.cause.id}: {root.cause.meaning}"]
    lines += _entry("evidence", _few([_cut(part, EVIDENCE) for part in root.told.words.split("; ")]))
    lines += _entry("log", _log(root, verdict))
    lines += _entry("explains", [_explains(root)])
    lines += _entry("does not", _rest(verdict))
    lines += _entry("also found", _few([*map(_also, verdict.suspects[1:])]))
    return [*lines, *_noise(verdict), *_refuted(verdict), *_unseen(verdict), *_entry("type", _few(next))]


def data(verdict: Verdict, next: Sequence[str]) -> Mapping[str, object]:
    """The same for machines."""
    return {
        "v": 1,
        "root": _suspect(verdict.root) if verdict.root else None,
        "suspects": [_suspect(suspect) for suspect in verdict.suspects],
        "refuted": [_suspect(suspect) for suspect in verdict.refuted],
        "unasked": [_suspect(suspect) for suspect in verdict.unasked],
        "unrelated": [_suspect(s) | {"older": all(map(verdict.older, s.shapes))} for s in verdict.unrelated],
        "unexplained": [_shape(shape) for shape in verdict.unexplained],
        "begun": _iso(verdict.begun),
        "lines": verdict.scene.shapes.lines,
        "unseen": verdict.scene.unseen,
        "next": list(next),
    }


def _suspect(suspect: Suspect) -> dict[str, object]:
    return {
        "cause": suspect.cause.id,
        "meaning": suspect.cause.meaning,
        "answer": suspect.told.answer,
        "evidence": suspect.told.words,
        "about": list(suspect.told.about),
        "explains": suspect.explained,
        "shapes": [_shape(shape) for shape in suspect.shapes],
    }


def _shape(shape: Shape) -> dict[str, object]:
    times = {"first": _iso(shape.first), "last": _iso(shape.last)}
    return {"service": shape.service, "level": shape.level, "count": shape.count, "shape": masked(shape.text), **times}


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _well(verdict: Verdict) -> list[str]:
    scene = verdict.scene
    counts = {
        "service": len(scene.states),
        "probe": len(scene.answers),
        "database": len(scene.source.databases.keys() - scene.deaf.keys()),
        "log line": scene.shapes.lines,
    }
    what = [f"{n} {word}{'' if n == 1 else 's'}" for word, n in counts.items() if n]
    lines = [f"nothing is wrong that can be seen: {', '.join(what) or 'nothing was looked at'}"]
    return lines + _entry("asked", [f"{s.cause.id}: {_cut(s.told.words)}" for s in verdict.refuted])


def _log(root: Suspect, verdict: Verdict) -> list[str]:
    """What its records say, where, how often and since when."""
    first = f"first at {verdict.begun:%Y-%m-%d %H:%M:%S}Z" if verdict.begun else ""
    shown = [
        f"{shape.count} x {shape.service}: {_line(shape)}"
        for shape in _most(sorted(root.shapes, key=lambda s: -s.count))
    ]
    return [*([first] if first and shown else []), *shown]


def _explains(root: Suspect) -> str:
    by = Counter[str]()
    for shape in (*root.shapes, *root.echoes):
        by[shape.service] += shape.count
    named = [f"{n} of {name}" for name, n in by.most_common(SHOWN)]
    where = ", ".join(named) + (" …" if len(by) > SHOWN else "")
    return f"{root.explained} record{'' if root.explained == 1 else 's'}: {where}" if by else ""


def _also(suspect: Suspect) -> str:
    return f"{suspect.cause.id}{'' if suspect.certain else ' (likely)'}: {_cut(suspect.told.words)}"


def _rest(verdict: Verdict) -> list[str]:
    """Bad records that nothing explains; those from before the incident are said to be older."""
    return [
        f"{s.count} x {s.service}: {_line(s)}{' (older than the incident)' if verdict.older(s) else ''}"
        for s in _most(sorted(verdict.unexplained, key=lambda s: (verdict.older(s), s.level == "warning")))
    ]


def _noise(verdict: Verdict) -> list[str]:
    return _entry("unrelated", [_set_apart(suspect, verdict) for suspect in verdict.unrelated])


def _set_apart(suspect: Suspect, verdict: Verdict) -> str:
    services = ", ".join(dict.fromkeys(shape.service for shape in suspect.shapes))
    share = 100 * suspect.explained / max(verdict.scene.shapes.lines, 1)
    since = min((s.first for s in suspect.shapes if s.first), default=None)
    when = f", since {since:%Y-%m-%d %H:%M}Z" if since else ""
    older = ", older than the incident" if all(map(verdict.older, suspect.shapes)) else ""
    return (
        f"{suspect.explained} records of {services} ({share:.0f} % of all lines{when}{older}): {suspect.cause.meaning}"
    )


def _refuted(verdict: Verdict) -> list[str]:
    spoken = [f"{s.cause.id}, which the log speaks of: {_cut(s.told.words)}" for s in verdict.refuted if s.shapes]
    silent = [s.cause.id for s in verdict.refuted if not s.shapes]
    return _entry("refuted", [*_few(spoken), *([", ".join(silent)] if silent else [])])


def _unseen(verdict: Verdict) -> list[str]:
    """What could not be looked at or asked, and why, each reason once."""
    whys: dict[str, list[str]] = {}
    for what, why in (*verdict.scene.unseen.items(), *((s.cause.id, s.told.words) for s in verdict.unasked)):
        whys.setdefault(_cut(why), []).append(what)
    return _entry("not seen", _few([_cut(f"{', '.join(what)}: {why}", EVIDENCE) for why, what in whys.items()]))


def _few(lines: Sequence[str]) -> list[str]:
    more = len(lines) - SHOWN
    return [*lines[:SHOWN], *([f"… and {more} more"] if more > 0 else [])]


def _most(shapes: Sequence[Shape]) -> list[Shape]:
    return list(shapes)[:SHOWN]


def _line(shape: Shape) -> str:
    """The last line of a record says most: what was raised."""
    return _cut(masked(shape.samples[0].rpartition("\n")[2]))


def safe(text: str) -> str:
    """In one line, and without what could command a terminal."""
    return visible(" ".join(text.split()))


def _cut(text: str, wide: int = WIDE) -> str:
    text = safe(text)
    return text if len(text) <= wide else beginning(text, wide - 1) + "…"


def _entry(label: str, lines: Sequence[str]) -> list[str]:
    lines = [line for line in lines if line]
    return [f"{label if n == 0 else '':<13}{line}" for n, line in enumerate(lines)]
