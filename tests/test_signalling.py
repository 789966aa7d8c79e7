from __future__ import annotations

import subprocess
import sys

import pytest
from signalling import press

COUNTS = """
import signal, sys, threading, time
noticed = []
signal.signal(signal.SIGINT, lambda *_: noticed.append(1))
signal.signal(signal.SIGTERM, lambda *_: (print(len(noticed), flush=True), sys.exit()))
print("ready", flush=True)
"""
WAITS = {
    "one wait without an end": "while True: signal.pause()",
    "short waits": "while True: threading.Event().wait(0.1)",
    "another thread that computes": "threading.Thread(target=lambda: [n for n in iter(int, 1)], daemon=True).start()\n"
    "while True: threading.Event().wait(0.1)",
}


@pytest.mark.parametrize("waits", WAITS.values(), ids=WAITS)
def test_each_signal_is_noticed_before_the_next_one_is_sent(waits: str) -> None:
    with subprocess.Popen([sys.executable, "-c", COUNTS + waits], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        press(child.pid, "INT " * 10 + "TERM")
        assert child.stdout.readline() == "10\n"
