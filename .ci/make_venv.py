"""Makes the virtual environment of this checkout, or brings it up to date.

    python .ci/make_venv.py STAMP [CONSTRAINTS]   in the folder of STAMP, with the versions of CONSTRAINTS or the newest
    python .ci/make_venv.py uv WORDS…             uv of this environment, with pip's configuration
    python .ci/make_venv.py lock CONSTRAINTS      writes CONSTRAINTS again, with the newest versions

uv installs: it takes a fifth of pip's time. It reads none of pip's configuration, so that is handed on to it. Where
there is no uv for the machine, or it cannot, pip installs the same versions. STAMP is written last: without it the
environment is half made, and made again from nothing.
"""

from __future__ import annotations

import ast
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
EVERYTHING = ".[drill,dev]"
# A setting of pip, and what uv reads instead.
FOR_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
}


def main() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 - the one file that an older Python is asked to run
        sys.exit(f"recover needs Python 3.11 or later, and this is {sys.version.split()[0]}: make … PYTHON=python3.12")
    target = Path(sys.argv[1])
    constraints = Path(sys.argv[2]) if sys.argv[2:] else None
    os.chdir(ROOT)
    if target.name == "uv":
        settings = uv_settings(pip_for(Path(sys.prefix))[1])
        sys.exit(0 if succeeds([str(Path(sys.executable).parent / "uv"), *sys.argv[2:]], settings) else 1)
    if target.name == "lock" and constraints:
        lock(constraints)
    else:
        bring_up_to_date(target, constraints)


def bring_up_to_date(stamp: Path, constraints: Path | None) -> None:
    wanted = digest(constraints)
    if not (stamp.exists() and stamp.read_text() == wanted):
        venv = stamp.parent.absolute()
        if not stamp.exists():
            make(venv)
        install(venv, constraints)
    stamp.write_text(wanted)


def digest(constraints: Path | None) -> str:
    """What an environment is made from. It is made again when that differs, not when only the time of a file does."""
    files = [Path("pyproject.toml"), Path("recover/__init__.py"), Path(__file__)]
    if constraints:
        files.append(constraints)
    return hashlib.sha256(sys.version.encode() + b"".join(file.read_bytes() for file in files)).hexdigest()


def make(venv: Path) -> None:
    """An environment without pip: its installation takes longer than all the rest that uv does."""
    shutil.rmtree(venv, ignore_errors=True)
    # This interpreter may be the one of the environment that was just removed.
    base = getattr(sys, "_base_executable", sys.executable)
    if not succeeds([base, "-m", "venv", "--without-pip", str(venv)]):
        sys.exit(f"{base} -m venv failed (see above)")


def install(venv: Path, constraints: Path | None) -> None:
    pip, configuration = pip_for(venv)
    pins = {}
    if constraints:  # the second of each is for what builds a package
        names = ("PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT", "UV_CONSTRAINT", "UV_BUILD_CONSTRAINT")
        pins = dict.fromkeys(names, str(constraints))
    words = ["install", "--quiet", "--upgrade"]
    if succeeds([*pip, *words, "--only-binary", "uv", "uv"], pins):
        uv = [str(venv / "bin" / "uv"), "pip", *words, "--python", str(venv / "bin" / "python")]
        if succeeds([*uv, "--editable", EVERYTHING], uv_settings(configuration) | pins):
            return
    print("make_venv: uv cannot install here (see above); now with pip, which takes longer", file=sys.stderr)
    if not succeeds([*pip, *words, "--editable", EVERYTHING], pins):
        sys.exit(
            f"make_venv: {EVERYTHING} cannot be installed (see above). Does a package index answer? Where none does, "
            "pip speaks of conflicts with the pinned versions."
        )


def pip_for(venv: Path) -> tuple[list[str], str]:
    """A pip that installs into the environment, and its configuration. This interpreter's where it is new enough."""
    base = getattr(sys, "_base_executable", sys.executable)
    python = str(venv / "bin" / "python")
    inside = [python, "-m", "pip", "--disable-pip-version-check"]
    for pip in (inside, [base, "-m", "pip", "--disable-pip-version-check", "--python", python]):  # since pip 22.3
        asked = subprocess.run([*pip, "config", "list"], capture_output=True, text=True, check=False)
        if asked.returncode == 0:
            return pip, asked.stdout
    if not succeeds([python, "-m", "ensurepip"]):
        sys.exit(
            f"make_venv: {base} has no pip of 22.3 or later, and no ensurepip (Debian: apt-get install python3-pip)"
        )
    return inside, subprocess.run([*inside, "config", "list"], capture_output=True, text=True, check=False).stdout


def uv_settings(configuration: str) -> dict[str, str]:
    """pip's configuration, of files and environment, as uv reads it. What is set for uv itself stays."""
    found = dict(line.split("=", 1) for line in configuration.splitlines() if "=" in line)
    settings = {"UV_SYSTEM_CERTS": "1", "UV_INDEX_STRATEGY": "unsafe-best-match", "UV_PYTHON_DOWNLOADS": "never"}
    for section in ("global.", "install.", ":env:."):  # the later wins, as in pip
        for name, variable in FOR_UV.items():
            if section + name in found:
                between = "," if variable == "UV_FIND_LINKS" else " "
                settings[variable] = between.join(ast.literal_eval(found[section + name]).split())
    return {name: value for name, value in settings.items() if name not in os.environ}


def lock(constraints: Path) -> None:
    """Pin every package of every extra, for each Python and system that recover runs on."""
    words = [str(Path(sys.executable).parent / "uv"), "pip", "compile", "pyproject.toml", "--all-extras", "--upgrade"]
    # No host in it: the same versions come from whatever index a machine uses.
    words += ["--universal", "--python-version", "3.11", "--no-emit-index-url", "--no-emit-find-links"]
    words += ["--no-annotate", "--custom-compile-command", "make lock", "--quiet", "--output-file", str(constraints)]
    if not succeeds(words, uv_settings(pip_for(Path(sys.prefix))[1])):
        sys.exit(f"make_venv: {constraints} stays as it was (see above)")


def succeeds(words: list[str], more: dict[str, str] | None = None) -> bool:
    return subprocess.run(words, env={**os.environ, **(more or {})}, check=False).returncode == 0


if __name__ == "__main__":
    main()
