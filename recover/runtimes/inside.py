"""Running a Python script with a container's code: in it when it runs, else in one like it that is thrown away.

Source: Docker Engine API, "Exec" and "Containers" (VolumesFrom, NetworkMode).
"""

from __future__ import annotations

from collections.abc import Sequence

from recover.answers import Completed
from recover.errors import StepError
from recover.runtimes.engine_api import Engine, Facts, Gone

PYTHONS = ("python", "python3")
MUCH = 4_000_000  # bytes kept of what a script says


def run_python(engine: Engine, facts: Facts, script: str, args: Sequence[str], timeout: float) -> Completed:
    """What the script said, with stdout and stderr together. `timeout` in seconds.

    Raises StepError when the container has no Python or the script does not end.
    """
    running = facts["State"]["Running"] and not facts["State"].get("Paused")
    for python in PYTHONS:
        argv = [python, "-c", script, *args]
        try:
            if running:
                code, said = engine.ask_inside(facts["Id"], argv, within=timeout, keep=MUCH)
            else:
                code, said = engine.ask_beside(facts, argv, within=timeout)
        except TimeoutError:
            raise StepError(f"Python in {facts['Name'].lstrip('/')} did not end within {timeout:g} s") from None
        except Gone as error:
            said, code = str(error), 127
        if code not in (126, 127):  # not executable, not found
            return Completed(code, said)
    raise StepError(f"there is no Python in {facts['Name'].lstrip('/')}", why=said)
