"""Ctrl-C, or SIGTERM, at a command that only looks: it says that nothing was changed, and speaks of no act."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

from tiny import PLAYBOOK, Tiny


def test_ctrl_c_at_a_look_says_that_nothing_was_changed(tmp_path: Path) -> None:
    tiny = Tiny(tmp_path).build()
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        mute.settimeout(120)
        probe = f"probes: {{mute: {{http: {{get: 'http://127.0.0.1:{mute.getsockname()[1]}/', timeout: 60s}}}}}}"
        tiny.write(PLAYBOOK.replace("stages:", f"{probe}\nstages:") + "- stage: Mute\n")
        text = tiny.playbook.read_text().replace("- stage: Mute\n", "").replace("final: [", "final: [{probe: mute}, ")
        tiny.write(text)
        command = [sys.executable, "-m", "recover", "probe", str(tiny.playbook), "--state-dir", str(tiny.state)]
        for verb, number in (("diagnose", signal.SIGINT), ("plan", signal.SIGINT), ("plan", signal.SIGTERM)):
            command[3] = verb
            child = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
            connection, _ = mute.accept()  # it has asked, and waits for the answer
            child.send_signal(number)
            _, said = child.communicate()
            connection.close()
            assert child.returncode == 128 + number, said
            assert "nothing was changed" in said
            assert "in doubt" not in said
