"""Which cause it is: each known one asked, ranked by what is certain, by depth, and by what it explains. Pure but for
the questions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from recover.diagnosis.causes import Cause
from recover.diagnosis.questions import QUESTIONS
from recover.diagnosis.scene import Scene, words
from recover.diagnosis.shapes import Shape
from recover.diagnosis.told import Told
from recover.errors import RecoverError

UNSURE = 1.5
"""By so much a cause lies higher than one that was confirmed, when the very service that is down speaks of it: it is
still likelier than that the service is down for no reason.
"""
HEARSAY = 7.5
"""Where one lies of which only others speak: above every confirmed cause, but below a mere symptom."""
AT_A_STROKE = timedelta(seconds=5)
HARMLESS = ("debug", "info")


@dataclass(frozen=True)
class Suspect:
    """A cause with the answer to its question, the shapes that speak of it, and those that it explains beside them.

    `near`: a service that is down, and not for another one's sake, speaks of it. `current`: it is spoken of now, and
    not only in the past; `grave`: by a record that does not call itself harmless.
    """

    cause: Cause
    told: Told
    shapes: tuple[Shape, ...] = ()
    echoes: tuple[Shape, ...] = ()
    near: bool = False
    current: bool = False
    grave: bool = False

    @property
    def explained(self) -> int:
        """Records that it explains."""
        return sum(shape.count for shape in (*self.shapes, *self.echoes))

    @property
    def certain(self) -> bool:
        """Was its question answered yes?"""
        return self.told.answer == "yes"

    @property
    def rank(self) -> tuple[float, int]:
        """The root first. A stack that somebody stopped is a state and no cause, unless there is nothing else."""
        depth = float(self.cause.depth)
        if not self.certain:
            depth = depth + UNSURE if self.near else HEARSAY + depth / 100
        return depth + (100 if self.told.whole else 0), -self.explained


@dataclass(frozen=True)
class Verdict:
    """What it is, what else was found, what was refuted, what is noise, and what nothing explains.

    `begun` is the first record of the root's (UTC), None where no record speaks of it.
    """

    scene: Scene
    suspects: tuple[Suspect, ...]
    refuted: tuple[Suspect, ...]
    unasked: tuple[Suspect, ...]
    unrelated: tuple[Suspect, ...]
    unexplained: tuple[Shape, ...]

    @property
    def root(self) -> Suspect | None:
        """The most likely cause, or None where nothing is wrong that can be seen."""
        return self.suspects[0] if self.suspects else None

    @property
    def begun(self) -> datetime | None:
        """When the incident began, as far as records say."""
        return min((s.first for s in self.root.shapes if s.first), default=None) if self.root else None

    def older(self, shape: Shape) -> bool:
        """Was the shape there before the incident?"""
        return bool(self.begun and shape.first and shape.first < self.begun - AT_A_STROKE)


def judge(scene: Scene, causes: Sequence[Cause]) -> Verdict:
    """Ask every cause's question that is worth asking, and rank."""
    spoken = {cause.id: tuple(shape for shape in scene.shapes if cause.speaks_in(shape)) for cause in causes}
    unrelated = [Suspect(cause, Told("no", cause.meaning), spoken[cause.id]) for cause in causes if cause.unrelated]
    noise = {id(shape) for suspect in unrelated for shape in suspect.shapes}
    asked = [
        _asked(scene, cause, spoken[cause.id], noise) for cause in causes if _worth_asking(cause, spoken[cause.id])
    ]
    suspects = sorted(
        (s for s in asked if s.certain or (s.told.answer == "unknown" and s.current)), key=lambda s: s.rank
    )
    if not (any(s.certain for s in suspects) or scene.fails):
        suspects = [s for s in suspects if s.grave and not scene.answers]
    refuted = [s for s in asked if s.told.answer == "no"]
    unasked = [s for s in asked if s.told.answer == "unknown" and s not in suspects]
    known = noise | {id(shape) for suspect in suspects for shape in (*suspect.shapes, *suspect.echoes)}
    rest = sorted((s for s in scene.shapes if s.bad and id(s) not in known), key=lambda s: -s.count)
    return Verdict(scene, tuple(suspects), tuple(refuted), tuple(unasked), _some(unrelated), tuple(rest))


def _some(suspects: Iterable[Suspect]) -> tuple[Suspect, ...]:
    return tuple(suspect for suspect in suspects if suspect.shapes)


def _worth_asking(cause: Cause, shapes: Sequence[Shape]) -> bool:
    return bool(cause.ask) and not cause.unrelated and (cause.always or bool(shapes))


def _asked(scene: Scene, cause: Cause, shapes: tuple[Shape, ...], noise: set[int]) -> Suspect:
    shapes = tuple(shape for shape in shapes if id(shape) not in noise)
    told = _told(scene, cause, shapes)
    now = [shape for shape in shapes if scene.is_current(shape)]
    near = any(state.name in {shape.service for shape in now} for state in scene.roots())
    grave = any(shape.level not in HARMLESS for shape in now)
    mine = {id(shape) for shape in shapes}
    echoes = tuple(s for s in scene.shapes if cause.echoes_in(s) and id(s) not in mine | noise) if shapes else ()
    return Suspect(cause, told, shapes, echoes, near, bool(now), grave)


def _told(scene: Scene, cause: Cause, shapes: Sequence[Shape]) -> Told:
    """The answer; a question that cannot be asked has none."""
    try:
        return QUESTIONS[cause.ask](scene, shapes)
    except RecoverError as error:
        return Told("unknown", words(error))
