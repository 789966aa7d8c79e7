"""What a rollback would do, as text and as data."""

from __future__ import annotations

from collections.abc import Sequence

from recover.undoing import Undo


def text(run: str, chain: Sequence[Undo]) -> list[str]:
    """One line per act, the last first, with what it takes back; what cannot be taken back stands out."""
    if not chain:
        return [f"run {run} has nothing to take back"]
    lines = [f"rollback of run {run}: {len(chain)} acts, the last first"]
    width = max(len(undo.step) for undo in chain)
    for undo in chain:
        did = undo.did.partition("\n")[0]
        first, *rest = undo.inverse.describe.splitlines() if undo.inverse else [f"CANNOT BE TAKEN BACK: {undo.why}"]
        lines += [f"  {undo.step:<{width}}  {first}   (it did: {did})", *(f"  {'':<{width}}  {line}" for line in rest)]
    return lines


def data(run: str, chain: Sequence[Undo]) -> dict[str, object]:
    """The same for machines."""
    acts = [
        {
            "act": undo.act,
            "step": undo.step,
            "did": undo.did,
            "undo": undo.inverse.describe if undo.inverse else None,
            "why_not": undo.why,
        }
        for undo in chain
    ]
    return {"run": run, "acts": acts}
