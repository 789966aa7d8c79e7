"""A run as text: one block per step, with its acts, answers and times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from recover.journal.progress import Progress
from recover.journal.records import Record

UNDONE = {"done": "taken back", "already": "nothing to take back"}


def story(records: Iterable[Record]) -> list[str]:
    """Every event worth reading, in order, each with its UTC time."""
    return [f"{r.at:%H:%M:%S}Z {line}" for r in records for line in _lines(r.event, r.data)]


def summary(progress: Progress, again: str, *, alive: bool) -> list[str]:
    """Where a run stands, and what to type next; `again` is how `resume` finds it."""
    lines = [
        f"run      {progress.run} of {progress.playbook} on {progress.target}",
        f"begun    {_time(progress.started)} by {progress.by} on {progress.host}",
        f"state    {state(progress, alive=alive)}",
        f"done     {len(progress.done)} of {len(progress.steps)} steps: {', '.join(progress.done) or 'none'}",
    ]
    if progress.skipped:
        lines.append(f"skipped  {', '.join(progress.skipped)}")
    if progress.isolated:
        lines.append(f"left off {', '.join(progress.isolated)}")
    for step, failure in progress.failed.items():
        lines.append(f"failed   {step}: {failure['what']}{': ' + failure['why'] if failure['why'] else ''}")
    if progress.resumable and not alive:
        lines.append(f"next     recover resume {again}")
    return lines


def state(progress: Progress, *, alive: bool) -> str:
    """The run's state in a few words."""
    if not progress.run:
        return "never began: nothing was done"
    if alive:
        return f"running, at step {progress.current or 'none yet'}"
    if progress.ended:
        return f"{progress.ended['outcome']} (exit {progress.ended['exit_code']})"
    if progress.rolling_back:
        return f"killed in the middle of a rollback, at step {progress.current or 'none yet'}"
    if progress.pending:
        acts = "; ".join(intent["describe"] for intent in progress.pending)
        return f"killed in the middle of step {progress.in_flight}: {acts}"
    return f"killed at step {progress.current or 'none yet'}"


def _time(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}Z" if at else "unknown"


def _lines(event: str, data: Mapping[str, Any]) -> list[str]:  # noqa: C901, PLR0911 - one case per event, no logic
    match event:
        case "RunStarted":
            return [f"run {data['run']} of {data['playbook']} by {data['by']} on {data['host']}"]
        case "RunResumed":
            return [f"resumed by {data['by']} on {data['host']}"]
        case "StepStarted":
            return [f"[{data['stage']}] {data['step']}: {data['name']}"]
        case "ActionStarted":
            return [*(f"  {line}" for line in data["describe"].splitlines()), f"    because {data['because']}"]
        case "CheckAnswered":
            evidence = data["evidence"]
            kept = f" ({evidence['attachment']})" if evidence.get("attachment") else ""
            return [f"  {'ok' if evidence['passed'] else 'NO'}  {evidence['question']} {evidence['answer']}{kept}"]
        case "StepDone":
            return [f"  {data['step']} {data['how']} in {data['seconds']} s"]
        case "StepSkipped" | "StepIsolated" | "StepNoLongerTrue":
            words = {
                "StepSkipped": "not needed",
                "StepIsolated": "left off",
                "StepNoLongerTrue": "done, no longer true",
            }
            return [f"{data['step']} {words[event]}: {data['because']}"]
        case "StepFailed":
            parts = [data["what"], *(f"    {key}: {data[key]}" for key in ("where", "why", "next") if data[key])]
            return [f"{data['step']} FAILED: {parts[0]}", *parts[1:]]
        case "StepMarked":
            return [f"{data['step']} marked {data['verdict']} by {data['by']}: {data['because']}"]
        case "RunEnded":
            return [f"{data['outcome']} (exit {data['exit_code']}, {data['seconds']:.1f} s)"]
    return [*_human_lines(event, data), *_rollback_lines(event, data)]


def _human_lines(event: str, data: Mapping[str, Any]) -> list[str]:
    match event:
        case "RunTakenOver":
            return [
                f"taken over by {data['by']} on {data['host']} from {data['holder'] or 'nobody'}: {data['because']}"
            ]
        case "StepApproved":
            why = f": {data['because']}" if data["because"] else ""
            return [f"{data['step']} approved by {data['by']} on {data['host']} ({data['how']}){why}"]
        case "RunAborted":
            return [f"aborted by {data['by']}: {data['because']}"]
        case "ScreenLost":
            return [f"what the run says on {data['stream']} is lost: {data['because']}"]
    return []


def _rollback_lines(event: str, data: Mapping[str, Any]) -> list[str]:
    match event:
        case "RollbackStarted":
            return [f"rolling back {', '.join(data['steps'])}: {data['because']}"]
        case "UndoStarted":
            return [f"  undo of {data['step']}: {line}" for line in data["describe"].splitlines()]
        case "UndoDone":
            return [f"  {data['step']}: {UNDONE[data['how']]}: {data['describe'].splitlines()[0]}"]
        case "RollbackDone":
            return ["rolled back, and the state at the end verified"]
        case "RollbackFailed":
            return [f"{data['what']}: {data['why']}"]
    return []
