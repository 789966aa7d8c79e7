"""The wish to stop: set by a signal, seen by everything that waits."""

from __future__ import annotations

import threading

from recover.errors import Interrupted

LOOK = 0.1
"""Seconds after which a wait that cannot be ended from outside looks whether it should end."""


INTENDED = threading.Event()
"""Set before this process writes its first intent, or goes on with an act in doubt: until then nothing was changed."""


class Halt(threading.Event):
    """Set by a signal: the run ends after the current act, and a wait at once. `signal` is its number."""

    signal = 2

    def interrupted(self, where: str, *, untouched: bool = False) -> Interrupted:
        """The error that ends the run; `untouched`: the act in hand has had no effect."""
        return Interrupted(f"stopped by a signal {where}", signal=self.signal, untouched=untouched)
