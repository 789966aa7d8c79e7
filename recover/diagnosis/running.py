"""Questions about what runs: services, their images, what they answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from recover.diagnosis.scene import Scene
from recover.diagnosis.shapes import Shape
from recover.diagnosis.told import Told, yes
from recover.secrets import end
from recover.stack import ServiceState

SHOWN = 360  # characters of the last words of a service
NAMED = 5  # services that wait for one that is down


def services(scene: Scene, shapes: Sequence[Shape]) -> Told:  # noqa: ARG001 - their states say more than their clients
    """Which service is down that needs none that is down, and who needs it?"""
    down = scene.down()
    if unseen := [f"{name}: {why}" for name, why in scene.unseen.items() if name == "services" or name in scene.names]:
        return Told("unknown", "; ".join(unseen)) if not down else _are_down(down, scene)
    if not scene.states:
        return Told("unknown", "no service is known")
    return _are_down(down, scene) if down else Told("no", f"all {len(scene.states)} services run and are ready")


def _are_down(down: Sequence[ServiceState], scene: Scene) -> Told:
    names = {state.name for state in down}
    wanted = [state for state in scene.states.values() if not state.oneshot]
    whole = bool(wanted) and all(state.status in ("stopped", "missing") for state in wanted)
    if whole:
        return Told(
            "yes", f"all {len(wanted)} services are stopped: by a hand, none has crashed", tuple(names), whole=True
        )
    roots = _worst_first(scene.roots(), set[str]().union(*(scene.before(state) for state in down)))
    return yes((described(state, scene) for state in roots), *(state.name for state in roots))


def _worst_first(states: Sequence[ServiceState], needed: set[str]) -> list[ServiceState]:
    """What others that are down need, then what has crashed, then what was stopped."""
    return sorted(states, key=lambda s: (s.name not in needed, s.status in ("stopped", "missing"), s.running))


def described(state: ServiceState, scene: Scene) -> str:
    """How the service is, why, how often it was started again, and who waits for it."""
    how = {"stopped": "is stopped", "missing": "was never started", "exited": "has ended"}.get(
        state.status, f"is {state.status}"
    )
    code = f" with code {state.exit_code}" if state.status == "exited" and state.exit_code is not None else ""
    why = f": {end(state.detail, SHOWN)}" if state.detail and state.status not in ("stopped", "missing") else ""
    waiting = [other.name for other in scene.states.values() if state.name in scene.before(other)]
    named = ", ".join(waiting[:NAMED]) + (" …" if len(waiting) > NAMED else "")
    needed = f"; {named} {'needs' if len(waiting) == 1 else 'need'} it" if waiting else ""
    ready = f" and {'' if state.ready else 'not '}ready" if state.running else ""
    again = f", started again {state.restarts} times" if state.restarts else ""
    return f"{state.name} {how}{ready}{code}{again}{why}{needed}"


def images(scene: Scene, shapes: Sequence[Shape]) -> Told:  # noqa: ARG001 - no line speaks of it
    """Which containers were made from another image than the file names now?"""
    stale = [
        s
        for s in scene.states.values()
        if _image(s.settings) and _image(s.declared_settings) not in ("", _image(s.settings))
    ]
    if not scene.states:
        return Told("unknown", "no service is known")
    if stale:
        return yes(
            (f"{s.name} runs {s.settings['image']}, its file means {s.declared_settings['image']}" for s in stale),
            *(s.name for s in stale),
        )
    return Told("no", "each runs the image that its file means")


def _image(settings: Mapping[str, str]) -> str:
    return settings.get("image", "").rpartition(" ")[2]


def limiter(scene: Scene, shapes: Sequence[Shape]) -> Told:
    """Does a probe of the playbook get a 429?"""
    refused = [
        f"{name}: {answer.answer}"
        for name, answer in scene.answers.items()
        if answer.again_in or (not answer.passed and _TOO_OFTEN.search(answer.answer))
    ]
    if refused:
        return yes(refused)
    return Told("no" if scene.answers or not shapes else "unknown", "no probe was refused for being asked too often")


_TOO_OFTEN = re.compile(r"\b(?:status|HTTP|answer(?:s|ed)) 429\b")  # and not 429 ms, or rows


def probes(scene: Scene, shapes: Sequence[Shape]) -> Told:  # noqa: ARG001 - it asks itself
    """Which probes of the playbook fail, for whatever reason?"""
    failing = [
        f"{name}: {answer.answer}" for name, answer in scene.answers.items() if not (answer.passed or answer.again_in)
    ]
    if failing and scene.states and not any(state.running for state in scene.states.values()):
        return Told("unknown", "nothing runs that could answer the probes")
    if failing:
        return yes(failing)
    if not scene.answers:
        return Told("unknown", "the playbook has no probe that can be asked")
    return Told("no", f"{len(scene.answers)} probes answer yes")
