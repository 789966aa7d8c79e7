"""The view without a terminal: append-only lines with UTC time, and a heartbeat every 15 seconds."""

from __future__ import annotations

import sys
import threading
import time
from datetime import UTC, datetime
from typing import TextIO

from recover.events import (
    ActionDone,
    ActionStarted,
    CheckAnswered,
    CheckWaiting,
    Event,
    RunEnded,
    RunResumed,
    RunStarted,
    StepDone,
    StepFailed,
    StepIsolated,
    StepNoLongerTrue,
    StepSkipped,
    StepStarted,
    UndoStarted,
)
from recover.secrets import Redactor
from recover.ui import words
from recover.visible import block

HEARTBEAT = 15.0


class Plain:
    """An observer that writes lines to `out` (default stderr). Use as a context manager."""

    def __init__(self, run: str, folder: str, redactor: Redactor, out: TextIO | None = None) -> None:
        self._run, self._folder = run, folder
        self._redactor = redactor
        self._out = out or sys.stderr
        self._stage = ""
        self._doing = ""
        self._acts = words.Acts()
        self._lock = threading.Lock()
        self._last = time.monotonic()
        self._ended = threading.Event()
        self._beat = threading.Thread(target=self._heartbeat, daemon=True)

    def __enter__(self) -> Plain:
        self._beat.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ended.set()
        self._beat.join()

    def __call__(self, event: Event) -> None:
        """Draw one event."""
        self._acts.see(event)
        if isinstance(event, UndoStarted):
            self._doing = f"undo of {event.step}"
        if isinstance(event, (ActionStarted, ActionDone)) and self._acts.now:
            self._doing = "; ".join(self._acts.now)
        for line in self._lines(event):
            self._say(line)

    def _lines(self, event: Event) -> list[str]:  # noqa: C901, PLR0911 - one case per event, no logic
        match event:
            case RunStarted() | RunResumed():
                return words.opening(event, self._folder)
            case StepStarted():
                return self._step(event)
            case ActionStarted():
                return [f"  {line}" for line in (*event.describe.splitlines(), f"  because {event.because}")]
            case ActionDone() if event.seconds >= 1:
                return [f"  took {words.span(event.seconds)}: {words.first_line(event.describe)}"]
            case CheckWaiting():
                self._doing = f"{event.evidence.question} {event.evidence.answer}"
            case CheckAnswered():
                mark = "ok" if event.evidence.passed else "NO"
                return [f"  {mark}  {event.evidence.question} {event.evidence.answer}"]
            case StepDone():
                return [f"{event.step}: {words.finished(event)}"]
            case StepSkipped():
                return [f"{event.step}: not needed, {event.because}"]
            case StepNoLongerTrue():
                return [f"{event.step}: done, no longer true: {event.because}"]
            case StepIsolated():
                return [f"{event.step}: LEFT OFF: {event.because}"]
            case StepFailed():
                return [f"{event.step}: FAILED", *words.failure(event)]
            case RunEnded():
                return words.closing(event, self._run)
        return words.human(event)

    def _step(self, event: StepStarted) -> list[str]:
        self._doing = event.name
        stage = [] if event.stage == self._stage else [f"== {event.stage}"]
        self._stage = event.stage
        return [*stage, f"{event.step}: {event.name}"]

    def _say(self, line: str) -> None:
        with self._lock:
            self._last = time.monotonic()
            print(f"{datetime.now(UTC):%H:%M:%SZ} {block(self._redactor.text(line))}", file=self._out, flush=True)

    def _heartbeat(self) -> None:
        while not self._ended.wait(1.0):
            if time.monotonic() - self._last >= HEARTBEAT and self._doing:
                self._say(f"  … still waiting: {self._doing}")
