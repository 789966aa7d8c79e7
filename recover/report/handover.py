"""A card to paste for whoever goes on with a run: done, in flight, next, risks, commands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from recover.journal.progress import Progress
from recover.report.text import state


def card(now: Progress, folder: Path, held: Mapping[str, object], flags: str) -> list[str]:
    """The lines. `held` is the card of the process that holds the run, or {}; `flags` find the state folder."""
    return [
        f"HANDOVER of run {now.run}",
        f"playbook  {now.playbook} on {now.target}, project {folder.parent.name}",
        f"begun     {now.started:%Y-%m-%d %H:%M:%S}Z by {now.by} on {now.host}" if now.started else "begun     never",
        f"state     {state(now, alive=bool(held))}",
        f"done      {', '.join(now.done) or 'nothing'}",
        *([f"left off  {', '.join(now.isolated)}"] if now.isolated else []),
        *([f"left out  {', '.join(now.left_out)}"] if now.left_out else []),
        f"in flight {_in_flight(now)}",
        f"next      {', '.join(_next(now)) or 'nothing'}",
        *(f"risk      {risk}" for risk in _risks(now, held)),
        *(f"command   {command}" for command in _commands(now, held, flags)),
        f"record    {folder}",
    ]


def _in_flight(now: Progress) -> str:
    if now.rolling_back:
        return f"a rollback of {', '.join(now.rolling_back)}"
    acts = "; ".join(intent["describe"].partition("\n")[0] for intent in now.pending)
    return f"{now.in_flight}: {acts}" if now.pending else now.current or "nothing"


def _next(now: Progress) -> list[str]:
    over = {*now.finished, *now.left_out}
    return [step for step in now.steps if step not in over]


def _risks(now: Progress, held: Mapping[str, object]) -> list[str]:
    risks = []
    if held:
        risks.append(f"{held.get('by')} on {held.get('host')} (pid {held.get('pid')}) is at work on it: talk first")
    if now.pending and not held:
        risks.append("an act was begun and its end is not recorded: resume looks at the world before it goes on")
    for step, failure in now.failed.items():
        risks.append(f"{step} failed: {failure['what']}{': ' + failure['why'] if failure['why'] else ''}")
    waiting = {step: given for step, given in now.approvals.items() if step not in now.finished}
    return [*risks, *(f"{step} has the yes of {', '.join(g['by'] for g in given)}" for step, given in waiting.items())]


def _commands(now: Progress, held: Mapping[str, object], flags: str) -> list[str]:
    look = f"recover show {now.run}{flags}"
    if not now.resumable:
        return [look, f"recover rollback {now.run}{flags}"]
    takeover = f"recover takeover {now.run}{flags} --because 'why'"
    on = [takeover] if held else [f"recover resume {now.run}{flags}", f"{takeover}   # from another machine"]
    return [look, *on, f"recover rollback {now.run}{flags}", f"recover abort {now.run}{flags} --because 'why'"]
