"""A plan file: made by plan -o, carried out by run --plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing, suppress

from recover.agreement import Agreement, canonical, document, new_key
from recover.errors import Drifted, Unreachable
from recover.evidence import utc_now
from recover.journal.lock import who
from recover.journal.runs import used
from recover.live import PINNED, SERVICES, of_database, same_target
from recover.plan import Plan
from recover.previewing import Foreseen
from recover.session.opening import Opened
from recover.session.options import Options


def text(
    session: Opened, options: Options, plan: Plan, foreseen: Sequence[Foreseen], ahead: Mapping[str, object]
) -> str:
    """The file: what would be done where, by whom it was planned, on which databases, and what is `ahead`."""
    person, host = who()
    head = {
        "playbook": str(session.playbook.source.absolute()),
        "target": session.target.name,
        "project": session.project,
        "variables": dict(options.variables),
        "binding": binding(session),
        "left_out": list(options.choice.left_out(session.specs)),
        **ahead,
        "made_at": utc_now().isoformat(timespec="seconds"),
        "by": person,
        "host": host,
    }
    return canonical(document(head, plan, foreseen, session.redactor, new_key(options.state))).decode() + "\n"


def binding(session: Opened) -> dict[str, str]:
    """The identity of what the services run on, and of every database that answers."""
    known = {f"{SERVICES}.{key}": value for key, value in session.runtime.identity().items()}
    for name in session.target.databases:
        with suppress(Unreachable), closing(session.databases(name)) as database:
            identity = database.identity()
            known.update({f"{name}.{key}": identity[key] for key in PINNED})
    return known


def require_unused(agreement: Agreement, session: Opened, options: Options) -> None:
    """Raises Drifted when the plan was carried out already, or is for other steps or another database."""
    if run := used(options.state, session.project, agreement.sha256):
        again = f"recover plan {agreement.playbook} -o {agreement.path}"
        why = "a plan is for one run: what it was made from has changed by it"
        raise Drifted(f"the plan was carried out by run {run}", where=agreement.path, why=why, next=again)
    agreement.require_same_steps(session.specs)
    now = binding(session)
    for name in (SERVICES, *session.target.databases):
        if here := of_database(now, name):
            same_target(name, of_database(agreement.binding, name), here)
