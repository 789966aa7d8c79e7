"""Questions about what runs: services, their images, what they answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recover.diagnosis.scene import Scene, done
from recover.diagnosis.shapes import Shape
from recover.diagnosis.told import Told, yes
from recover.stack import ServiceState

SHOWN = 360  # characters of the last words of a service
NAMED = 5  # services that wait for one that is down


def services(scene: Scene, shapes: Sequence[Shape]) -> Told:  # noqa: ARG001 - their states say more than their clients
    """Which service is down that needs none that is down, and who needs it?"""
    down = scene.down()
    if not down:
        return Told("no", f"all {len(scene.states)} services run and are ready")
    names = {state.name for state in down}
    wanted = [state for state in scene.states.values() if not state.oneshot]
    whole = all(state.status in ("stopped", "missing") for state in wanted)
    if whole:
        return Told(
            "yes", f"all {len(wanted)} services are stopped: by a hand, none has crashed", tuple(names), whole=True
        )
    roots = [state for state in down if not names & _before(state, scene)] or down
    return yes((described(state, scene) for state in _worst_first(roots)), *(state.name for state in roots))


def _worst_first(states: Sequence[ServiceState]) -> list[ServiceState]:
    return sorted(states, key=lambda state: state.running)


def _before(state: ServiceState, scene: Scene, seen: frozenset[str] = frozenset()) -> set[str]:
    """What has to run before it, near and far, but one-shots that are done."""
    near = {n for n in state.needs if n not in seen and n in scene.states and not done(scene.states[n])}
    return near.union(*(_before(scene.states[name], scene, seen | near) for name in near)) if near else set()


def described(state: ServiceState, scene: Scene) -> str:
    """How the service is, why, how often it was started again, and who waits for it."""
    how = {"stopped": "is stopped", "missing": "was never started", "exited": "has ended"}.get(
        state.status, f"is {state.status}"
    )
    code = f" with code {state.exit_code}" if state.status == "exited" and state.exit_code is not None else ""
    why = f": {state.detail[-SHOWN:]}" if state.detail and state.status not in ("stopped", "missing") else ""
    waiting = [other.name for other in scene.states.values() if state.name in _before(other, scene)]
    needed = f"; {', '.join(waiting[:NAMED])}{' …' if len(waiting) > NAMED else ''} need it" if waiting else ""
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
        if answer.again_in or " 429" in answer.answer
    ]
    if refused:
        return yes(refused)
    return Told("no" if scene.answers or not shapes else "unknown", "no probe was refused for being asked too often")


def probes(scene: Scene, shapes: Sequence[Shape]) -> Told:  # noqa: ARG001 - it asks itself
    """Which probes of the playbook fail, for whatever reason?"""
    failing = [
        f"{name}: {answer.answer}" for name, answer in scene.answers.items() if not (answer.passed or answer.again_in)
    ]
    if failing:
        return yes(failing)
    return Told("no" if scene.answers else "unknown", f"{len(scene.answers)} probes answer yes")
