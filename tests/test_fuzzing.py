"""Fifteen mutants of each kind of input, always the same ones; `make fuzz` tries 20,000."""

from __future__ import annotations

from pathlib import Path

from fuzzing import try_all

SEED, COUNT = 15, 150


def test_no_mutant_is_a_bug_or_hangs(tmp_path: Path) -> None:
    assert try_all(tmp_path / "bench", SEED, range(COUNT)) == []
