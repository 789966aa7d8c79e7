"""How long a command takes to start, as a multiple of `python -c pass`, side by side in one run."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 31
RECOVER = str(Path(sys.executable).parent / "recover")
STEPS = "".join(f"    - {{id: s{n}, name: Step {n}, check: [{{file: {{path: /etc}}}}]}}\n" for n in range(10))
PLAYBOOK = (
    "recover: 1\nname: ten\ntitle: Ten steps\ntarget: {services: {runtime: local, files: [local.yaml]}}\n"
    "stages:\n- stage: All\n  steps:\n" + STEPS
)


def main() -> None:
    """Print the two ratios of the issue: `--version` (aim <= 7) and `lint` of ten steps (aim <= 10)."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "local.yaml").write_text("local: 1\nservices: {}\n")
        playbook = Path(folder) / "playbook.yml"
        playbook.write_text(PLAYBOOK)
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "recover --version": [RECOVER, "--version"],
            "recover lint (10 steps)": [RECOVER, "lint", str(playbook)],
        }
        env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(ROUNDS):  # in turn, so that a slow moment of the machine hits all alike
            for name, command in commands.items():
                began = time.perf_counter()
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=env)
                times[name].append(time.perf_counter() - began)
    base = statistics.median(times["python -c pass"])
    for name, taken in times.items():
        median = statistics.median(taken)
        print(f"{name:<26} {median * 1000:7.1f} ms  {median / base:5.1f} x")


if __name__ == "__main__":
    main()
