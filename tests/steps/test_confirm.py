from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from recover.answers import Question
from recover.errors import PlaybookError
from recover.steps.confirm import Confirm
from recover.world import Seconds


def test_the_question_is_put_to_the_gate_with_all_its_terms() -> None:
    asked: list[Question] = []
    world: Any = SimpleNamespace(gate=lambda question: asked.append(question) or {"answer": "yes"})
    [action] = Confirm("Drop it?", 2, Seconds(60), "skip", destructive=True).decide(world)
    assert action.apply(world) == {"answer": "yes"}
    assert asked == [Question("Drop it?", 2, 60.0, "skip", destructive=True)]
    assert (action.describe, action.touches, action.inverse()) == ("ask: Drop it?", (), None)


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ({"approvers": 0}, "one approver or more"),
        ({"otherwise": "skip"}, "needs within"),
        ({"otherwise": "yes", "within": Seconds(1), "destructive": True}, "cannot say yes by itself"),
        ({"otherwise": "yes", "within": Seconds(1), "approvers": 2}, "cannot say yes by itself"),
    ],
)
def test_terms_that_cannot_be_meant_are_refused(terms: Any, why: str) -> None:
    with pytest.raises(PlaybookError, match=why):
        Confirm("Drop it?", **terms)
