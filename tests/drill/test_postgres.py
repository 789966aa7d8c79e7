"""The drill's PostgreSQL: one process from start to end, restartable, never reachable from outside."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from ports import free_port

from recover.drill.postgres import (
    Account,
    Cluster,
    Running,
    account,
    binaries,
    create,
    main,
    reachable,
    server,
)
from recover.errors import Precondition, StepError

pytestmark = pytest.mark.postgres
ROOT = pytest.mark.xfail(os.geteuid() != 0, reason="only root has to become someone else", strict=False)


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return cluster_in(tmp_path / "pg")


def cluster_in(folder: Path) -> Cluster:
    return Cluster(folder / "data", "su per", 'App "x"', "it's \\ here", "My Db")


def ask(running: Running, cluster: Cluster, query: str) -> object:
    with psycopg.connect(
        host=running.host, port=running.port, user=cluster.role, password=cluster.role_password, dbname=cluster.database
    ) as connection:
        row = connection.execute(query).fetchone()  # type: ignore[arg-type]  # the tests' own text
        return row[0] if row else None


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Cluster]]:
    """One that was started for the first time, for the tests that look at it; its folder is open to all."""
    hidden = tmp_path_factory.mktemp("hidden")
    hidden.chmod(0o755)
    cluster = cluster_in(hidden / "deep")
    with server(cluster) as running:
        yield running, cluster


@pytest.fixture(scope="module")
def created(tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """One that was never started."""
    cluster = cluster_in(tmp_path_factory.mktemp("created"))
    create(cluster, binaries(), account([binaries() / "postgres", cluster.data.parent]))
    return cluster


@pytest.fixture
def copied(created: Cluster, cluster: Cluster) -> Cluster:
    """A copy of it, for a test that starts and stops it."""
    cluster.data.parent.mkdir()
    subprocess.run(["cp", "-a", created.data, cluster.data], check=True)
    return cluster


def test_the_process_that_was_started_is_the_server(made: tuple[Running, Cluster]) -> None:
    running, cluster = made
    assert Path(f"/proc/{running.pid}/exe").resolve() == (binaries() / "postgres").resolve()
    assert (cluster.data / "postmaster.pid").read_text().split()[0] == str(running.pid)
    uid = Path(f"/proc/{running.pid}").stat().st_uid
    assert uid != 0
    assert cluster.data.stat().st_uid == uid
    assert (cluster.data / "postmaster.pid").read_text().splitlines()[4] == ""  # no unix socket


def test_the_role_owns_its_database_and_is_no_superuser(made: tuple[Running, Cluster]) -> None:
    running, cluster = made
    assert ask(running, cluster, "select rolsuper from pg_roles where rolname = current_user") is False
    assert ask(
        running, cluster, "select pg_get_userbyid(datdba) from pg_database where datname = current_database()"
    ) == (cluster.role)
    assert ask(running, cluster, "show server_encoding") == "UTF8"
    assert ask(running, cluster, "select lower('ÄÖ')") == "äö"
    assert ask(running, cluster, "show fsync") == "on"
    assert ask(running, cluster, "show password_encryption") == "scram-sha-256"
    assert ask(running, cluster, "show listen_addresses") == "127.0.0.1"
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        psycopg.connect(host=running.host, port=running.port, user="postgres", password="no", dbname="postgres")


def test_what_was_written_is_there_after_a_kill_and_a_restart(copied: Cluster) -> None:
    with server(copied) as running:
        ask(running, copied, "select lo_from_bytea(77, 'kept')")
        os.kill(running.pid, signal.SIGKILL)
    with server(copied) as running:
        assert ask(running, copied, "select convert_from(lo_get(77), 'UTF8')") == "kept"


def command(cluster: Cluster, port: int, folder: Path) -> list[str]:
    for name, password in (("su", cluster.superuser_password), ("role", cluster.role_password)):
        (folder / name).write_text(password + "\n")
    words = [sys.executable, "-m", "recover.drill.postgres", "--data", str(cluster.data), "--port", str(port)]
    words += ["--superuser-password-file", str(folder / "su"), "--role-password-file", str(folder / "role")]
    return [*words, "--role", cluster.role, "--database", cluster.database]


def test_a_first_start_that_was_killed_half_way_is_made_again(cluster: Cluster, tmp_path: Path) -> None:
    child = subprocess.Popen(command(cluster, free_port(), tmp_path), start_new_session=True, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not list(cluster.data.parent.glob("data.making-*/data/PG_VERSION")):
        assert child.poll() is None
        assert time.monotonic() < end
        time.sleep(0.002)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    assert not cluster.data.exists()
    with server(cluster) as running:
        assert ask(running, cluster, "select 1") == 1
    assert [path.name for path in cluster.data.parent.iterdir() if path.name != "data.log"] == ["data"]


def test_passwords_are_in_no_argv_and_no_log(made: tuple[Running, Cluster]) -> None:
    running, cluster = made
    argv = Path(f"/proc/{running.pid}/cmdline").read_text()
    log = (cluster.data.parent / "data.log").read_text()
    assert "ready to accept connections" in log
    for password in (cluster.role_password, cluster.superuser_password):
        assert password not in argv + log


def test_a_folder_that_only_we_may_enter_is_no_obstacle(made: tuple[Running, Cluster], tmp_path: Path) -> None:
    assert ask(*made, "select 1") == 1
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    hidden.chmod(0o700)
    cluster = Cluster(hidden / "deep" / "data", "su", "app", "pw-of-app", "app")
    with server(cluster) as running:
        assert ask(running, cluster, "select 1") == 1


@ROOT
def test_the_extra_capability_is_given_only_where_it_is_needed(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    (hidden / "data").mkdir(parents=True)
    hidden.chmod(0o700)
    assert "--ambient-caps=+dac_override" in account([hidden / "data"]).prefix
    prefix = account([Path("/usr/bin")]).prefix
    assert prefix
    assert not any("caps" in word for word in prefix)


@ROOT
def test_programs_in_a_folder_that_only_root_may_enter_run_too(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    package = binaries().parent.parent
    shutil.copytree(package, hidden / package.name)
    shutil.copytree(package.with_name(f"{package.name}.libs"), hidden / f"{package.name}.libs")
    hidden.chmod(0o700)
    programs = hidden / package.name / "pginstall" / "bin"
    cluster = Cluster(tmp_path / "data", "su", "app", "pw-of-app", "app")
    create(cluster, programs, account([programs / "postgres", cluster.data.parent]))
    assert (cluster.data / "PG_VERSION").read_text().strip().isdigit()


@ROOT
def test_without_setpriv_the_server_runs_plainly_or_says_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    plain = account([Path("/usr/bin")])
    assert plain.prefix == ()
    seen = tmp_path / "seen"
    seen.touch()
    plain.own(seen)
    with pytest.raises(StepError) as caught:
        plain.run(["/bin/sh", "-c", "id -u >&2; exit 3"])
    assert caught.value.why == str(seen.stat().st_uid) == str(plain.uid)
    hidden = tmp_path / "hidden"
    hidden.mkdir(0o700)
    with pytest.raises(Precondition, match="setpriv"):
        account([hidden])


def test_reachable_means_every_folder_above_too(tmp_path: Path) -> None:
    public = Path("/usr/bin/env")
    assert reachable(public, 65534, 65534)
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "a").chmod(0o700)
    assert not reachable(deep, 65534, 65534)
    assert reachable(deep, os.geteuid(), os.getegid()) or not os.access(deep, os.X_OK)


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "mine").touch()
    words = command(Cluster(data, "su", "app", "pw", "app"), free_port(), tmp_path)[3:]
    assert main(words) == Precondition.exit_code
    assert "is not empty and holds no PostgreSQL data" in capsys.readouterr().err
    assert [path.name for path in data.iterdir()] == ["mine"]


@pytest.mark.parametrize("text", ["", "a\nb\n"])
def test_a_password_file_holds_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    words = command(Cluster(tmp_path / "data", "su", "app", "pw", "app"), free_port(), tmp_path)[3:]
    (tmp_path / "role").write_text(text)
    assert main(words) == Precondition.exit_code
    assert "exactly one line" in capsys.readouterr().err


def test_a_port_that_is_taken_is_said_in_the_servers_words(copied: Cluster) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(StepError, match="Address already in use"), server(copied, taken.getsockname()[1]):
            pass


def test_an_account_without_a_change_of_user_runs_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="ended with code 4") as caught:
        Account().run(["/bin/sh", "-c", "cat >&2; exit 4"], "its words")
    assert caught.value.why == "its words"
