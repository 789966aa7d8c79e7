from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import is_dataclass

import pytest
from helpers.warm_start import COLD

from recover.checks import CHECK_TYPES
from recover.steps import STEP_TYPES
from recover.table import Table


@pytest.mark.parametrize("name", STEP_TYPES)
def test_every_step_type_is_a_dataclass_that_can_work(name: str) -> None:
    assert is_dataclass(STEP_TYPES[name])
    assert all(hasattr(STEP_TYPES[name], method) for method in ("decide", "claims", "proofs"))


@pytest.mark.parametrize("name", CHECK_TYPES)
def test_every_check_is_a_dataclass_that_can_ask(name: str) -> None:
    assert is_dataclass(CHECK_TYPES[name])
    assert all(hasattr(CHECK_TYPES[name], member) for member in ("ask", "about"))


def test_an_unknown_key_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        Table({})["x"]
    assert "x" not in Table({"y": "os:path"})


def test_a_module_is_imported_only_when_its_type_is_asked_for() -> None:
    code = (
        "import sys; from recover.checks import CHECK_TYPES; CHECK_TYPES['file']; "
        "print([m for m in sys.modules if m.startswith('recover.checks.')])"
    )
    cold = {**os.environ, COLD: "yes"}  # a warm one has imported them all
    done = subprocess.run([sys.executable, "-c", code], env=cold, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['recover.checks.file']"
