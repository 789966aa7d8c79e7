"""The live view of a terminal: finished steps stay as lines, the current one shows what it waits for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from recover.events import (
    ActionDone,
    ActionStarted,
    CheckAnswered,
    CheckWaiting,
    Event,
    RollbackFailed,
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

if TYPE_CHECKING:
    from rich.text import Text


class Live:
    """An observer that draws on stderr with rich. Use as a context manager."""

    def __init__(self, run: str, folder: str, redactor: Redactor) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive
        from rich.spinner import Spinner

        self._run, self._folder = run, folder
        self._redactor = redactor
        self._console = Console(stderr=True, highlight=False)
        self._spinner = Spinner("dots")
        self._live = RichLive(console=self._console, refresh_per_second=10, transient=True)
        self._stage = self._name = ""
        self._names: dict[str, str] = {}
        self._acts = words.Acts()
        self._began = time.monotonic()

    def __enter__(self) -> Live:
        self._live.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._live.stop()

    def __call__(self, event: Event) -> None:
        """Draw one event."""
        self._below(event)
        for text, style in self._above(event):
            self._console.print(self._text(text, style))
        if isinstance(event, (StepDone, StepFailed, StepIsolated, RunEnded)):
            self._live.update("")

    def _above(self, event: Event) -> list[tuple[str, str]]:  # noqa: PLR0911 - one case per event, no logic
        match event:
            case RunStarted() | RunResumed():
                return [(line, "bold") for line in words.opening(event, self._folder)]
            case StepStarted():
                self._names[event.step] = event.name
                stage = [] if event.stage == self._stage else [(f"\n{event.stage}", "bold")]
                self._stage = event.stage
                return stage
            case StepDone():
                style = "green" if event.how == "done" else "dim green"
                return [(f"  ✓ {self._named(event.step)}  {words.finished(event)}", style)]
            case StepSkipped():
                return [(f"  - {self._named(event.step)}  not needed, {event.because}", "dim")]
            case StepNoLongerTrue():
                return [(f"  ↺ {self._named(event.step)}  done, no longer true: {event.because}", "yellow")]
            case StepIsolated():
                return [(f"  ! {self._named(event.step)}  left off: {event.because}", "yellow")]
            case CheckAnswered() if not event.evidence.passed:
                return [(f"    no: {event.evidence.question} {event.evidence.answer}", "red")]
            case StepFailed():
                return [(f"  ✗ {self._named(event.step)}", "bold red"), *((x, "red") for x in words.failure(event))]
            case RunEnded():
                good = {0: "bold green", 3: "bold yellow"}
                lines = words.closing(event, self._run)
                return [("", ""), *((line, good.get(event.exit_code, "bold red")) for line in lines)]
        return [(line, "red" if isinstance(event, RollbackFailed) else "") for line in words.human(event)]

    def _below(self, event: Event) -> None:
        """The one moving line: the current step, and everything it is doing or waiting for."""
        self._acts.see(event)
        match event:
            case StepStarted():
                self._name = event.name
                self._spin(event.name)
            case ActionStarted() | ActionDone() if self._acts.now:
                self._spin(f"{self._name}: {'; '.join(map(words.first_line, self._acts.now))}")
            case UndoStarted():
                self._spin(f"undo of {event.step}: {event.describe}")
            case CheckWaiting():
                waited = f"{words.span(event.waited)} of {words.span(event.limit)}"
                self._spin(f"{self._name}: waiting {waited}: {event.evidence.question} {event.evidence.answer}")

    def _spin(self, text: str) -> None:
        """One line, whatever line breaks the other system's words have."""
        self._spinner.update(text=self._text(" ".join(text.split()), ""))
        self._live.update(self._spinner)

    def _named(self, step: str) -> str:
        return f"{step}: {self._names[step]}" if step in self._names else step

    def _text(self, text: str, style: str) -> Text:
        from rich.text import Text

        return Text(block(self._redactor.text(text)), style=style, overflow="fold")
