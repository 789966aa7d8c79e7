from __future__ import annotations

from pathlib import Path

import pytest

from recover.errors import UsageError
from recover.session.options import Options, default_state


def test_the_state_folder_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/x")
    assert default_state() == Path("/x/recover")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/h")
    assert default_state() == Path("/h/.local/state/recover")


def test_words_become_options(tmp_path: Path) -> None:
    options = Options.parse({"state_dir": tmp_path, "e": ["a=1", "b=x=y"], "fault": ["f=g"], "yes": True})
    assert (options.state, options.variables, options.faults) == (tmp_path, {"a": "1", "b": "x=y"}, {"f": "g"})
    assert options.yes


@pytest.mark.parametrize("words", [{"no_input": True}, {"json": True}])
def test_a_human_is_not_asked_where_none_can_answer(words: dict[str, bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    assert Options.parse({}).ask
    assert not Options.parse(words).ask


def test_a_fault_may_have_no_choice() -> None:
    assert Options.parse({"fault": ["a", "b=", "c=d"]}).faults == {"a": "", "b": "", "c": "d"}
    with pytest.raises(UsageError, match="--fault"):
        Options.parse({"fault": ["=d"]})


@pytest.mark.parametrize("word", ["a", "=1"])
def test_a_pair_that_is_none_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match="NAME=VALUE"):
        Options.parse({"e": [word]})
