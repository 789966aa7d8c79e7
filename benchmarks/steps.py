"""What the engine costs per step: 1,000 `file` checks against a bare loop that appends and fsyncs two JSON lines."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 5
HEAD = (
    "recover: 1\nname: many\ntitle: Many steps\n"
    "target: {services: {runtime: local, project: p, files: [local.yaml]}}\nstages:\n- stage: All\n  steps:\n"
)
MEASURE = """
import resource, sys, time
from pathlib import Path
from recover.session.options import Options
from recover.session.running import run
began = time.perf_counter()
code = run(Path(sys.argv[1]), Options(state=Path(sys.argv[2]), yes=True, json=False))
print(code, time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def playbook(folder: Path, steps: int) -> Path:
    """A playbook whose first step makes a file, and then so many check-only steps that ask for it.

    The file is not there when the run begins, so no step is found to be true already.
    """
    made = folder / f"made-{steps}"
    done = f"done_when: [{{file: {{path: {made}}}}}]"
    first = f"    - {{id: make, name: Make the file, command.run: {{command: [touch, {made}]}}, {done}}}\n"
    rest = [f"    - {{id: s{n}, name: Step {n}, check: [{{file: {{path: {made}}}}}]}}\n" for n in range(steps)]
    path = folder / f"{steps}.yml"
    path.write_text(HEAD + first + "".join(rest))
    return path


def bare_loop(folder: Path, steps: int) -> float:
    """Two JSON lines per step, each fsynced; seconds."""
    began = time.perf_counter()
    with (folder / "bare.jsonl").open("a") as file:
        for n in range(steps):
            for event in ("CheckAnswered", "StepDone"):
                file.write(json.dumps({"event": event, "step": n}) + "\n")
                file.flush()
                os.fsync(file.fileno())
    return time.perf_counter() - began


def engine(path: Path, state: Path) -> tuple[float, float]:
    """(seconds, MiB) of a run of the playbook in a process of its own; imports are not counted."""
    replica = state / "p" / "replica-local"
    replica.mkdir(parents=True)
    (replica / ".env").touch()
    words = [sys.executable, "-c", MEASURE, str(path), str(state)]
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(words, check=True, capture_output=True, text=True, env=env)
    code, seconds, size = done.stdout.split()[-3:]
    assert code == "0", done.stderr
    path.with_name(f"made-{path.stem}").unlink()
    return float(seconds), float(size)


def main() -> None:
    """Print the ratio (aim <= 3) and the growth of memory from 10 to 1,000 steps (aim <= 20 MB)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "local.yaml").write_text("local: 1\nservices:\n  none: {command: ['true']}\n")
        few, many = playbook(folder, 10), playbook(folder, 1000)
        bare, full, small, large = [], [], [], []
        for n in range(ROUNDS):
            bare.append(bare_loop(folder, 1000))
            seconds, size = engine(many, folder / f"state-{n}")
            full.append(seconds)
            large.append(size)
            small.append(engine(few, folder / f"state-few-{n}")[1])
    loop, run = statistics.median(bare), statistics.median(full)
    print(f"bare loop, 1000 x 2 lines  {loop * 1000:7.1f} ms")
    print(f"recover run, 1000 steps    {run * 1000:7.1f} ms  {run / loop:5.1f} x")
    print(f"memory, 10 -> 1000 steps   {statistics.median(small):.1f} -> {statistics.median(large):.1f} MiB")


if __name__ == "__main__":
    main()
