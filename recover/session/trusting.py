"""Whose run may be acted on: every command that goes on with one, or opens its playbook, asks here first."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from recover.journal.ownership import require_ours
from recover.session.options import Options


def require_trusted(folder: Path, options: Options) -> None:
    """Raises Precondition for a run that somebody else may have written, and that nobody said is to be trusted."""
    again = f"{shlex.join(['recover', *sys.argv[1:]])} --trust-owner"
    require_ours(folder, trust_owner=options.trust_owner, again=again)
