"""tls.reissue through the command line: planned, killed, resumed, checked at a live server, rolled back."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from authorities import Pair, TlsServer, authority
from tiny import PLAYBOOK, Tiny

from recover.journal.records import NAME

CA = authority()
STAGES = """\
stages:
- stage: Certificates
  steps:
  - id: pair
    name: A good certificate for the database
    tls.reissue:
      certificate: "{folder}/server.crt"
      key: "{folder}/server.key"
      authority: {{certificate: "{folder}/ca.crt", key: "{folder}/ca.key"}}
      names: [db, 127.0.0.1]
      days: 30
    check:
    - tls: {{certificate: "{folder}/server.crt", key: "{folder}/server.key", authority: "{folder}/ca.crt", name: db}}
"""
ENDPOINT = """\
- stage: Live
  steps:
  - id: live
    name: It is what the server shows
    check:
    - tls: {{endpoint: "{endpoint}", protocol: postgres, authority: "{folder}/ca.crt", name: db}}
      within: 100ms
"""


@pytest.fixture
def folder(tiny: Tiny) -> Path:
    """An expired pair, and its authority."""
    made = tiny.folder / "tls"
    made.mkdir()
    CA.write(made, "ca")
    CA.leaf("db", "127.0.0.1", begin=-9, end=-3).write(made)
    tiny.write(PLAYBOOK.partition("stages:")[0] + STAGES.format(folder=made))
    return made


def pair(folder: Path) -> tuple[bytes, bytes]:
    return (folder / "server.crt").read_bytes(), (folder / "server.key").read_bytes()


def test_the_plan_says_what_is_wrong_and_the_run_and_its_rollback_do_what_they_say(tiny: Tiny, folder: Path) -> None:
    before = pair(folder)
    plan = tiny.recover("plan", str(tiny.playbook)).stdout
    assert "make a new key and certificate for db, 127.0.0.1" in plan
    assert "(it expired on" in plan
    assert pair(folder) == before
    tiny.recover("run", str(tiny.playbook))
    assert pair(folder) != before
    assert "nothing to do" in tiny.recover("run", str(tiny.playbook)).stdout
    for told in tiny.state.rglob("*"):
        assert not told.is_file() or b"PRIVATE KEY" not in told.read_bytes(), told
    tiny.recover("rollback", "--yes")
    assert pair(folder) == before


def test_a_plan_file_is_carried_out(tiny: Tiny, folder: Path) -> None:
    file = str(tiny.folder / "plan.json")
    tiny.recover("plan", str(tiny.playbook), "-o", file)
    CA.write(folder, "ca")
    tiny.recover("run", "--plan", file)
    tiny.recover("rollback", "--yes")
    tiny.recover("plan", str(tiny.playbook), "-o", file)
    authority().write(folder, "ca")
    assert "planned" in tiny.recover("run", "--plan", file, expect=8).stderr


@pytest.mark.parametrize("point", ["before-act", "after-act", "after-effect"])
def test_killed_and_resumed_and_rolled_back_with_another_kill(tiny: Tiny, folder: Path, point: str) -> None:
    before = pair(folder)
    killed = tiny.recover("run", str(tiny.playbook), expect=None, env={"RECOVER_CRASH_AT": f"pair:{point}"})
    assert killed.returncode == -signal.SIGKILL
    tiny.recover("resume")
    assert pair(folder) != before
    killed = tiny.recover("rollback", "--yes", expect=None, env={"RECOVER_CRASH_AT": "pair:after-undo"})
    assert killed.returncode == -signal.SIGKILL
    tiny.recover("rollback", "--yes")
    assert pair(folder) == before


def test_what_somebody_changed_since_is_not_rolled_back(tiny: Tiny, folder: Path) -> None:
    tiny.recover("run", str(tiny.playbook))
    theirs: Pair = CA.leaf("db")
    theirs.write(folder)
    refused = tiny.recover("rollback", "--yes", expect=6)
    assert "server.key is not as this run left it" in refused.stderr + refused.stdout
    assert pair(folder) == (theirs.pem, theirs.key_pem)


def test_a_server_that_still_shows_the_old_one_is_told_from_the_files(tiny: Tiny, folder: Path) -> None:
    old = CA.leaf("db", begin=-9, end=-3)
    (served := tiny.folder / "served").mkdir()
    with TlsServer(served, old, postgres=True).running() as endpoint:
        text = tiny.playbook.read_text().partition("final:")[0] + ENDPOINT.format(folder=folder, endpoint=endpoint)
        tiny.write(text)
        failed = tiny.recover("run", str(tiny.playbook), expect=1)
    assert "show a certificate that is good for db? no" in failed.stderr + failed.stdout
    journal = next(tiny.state.glob(f"tiny/*/{NAME}")).read_text()
    assert "it expired on" in journal
    assert old.pem.decode() in "".join(path.read_text() for path in tiny.state.rglob("evidence/*.txt"))
