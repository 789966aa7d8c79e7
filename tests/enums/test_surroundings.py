"""What else is connected, and what a change of labels means for it."""

from __future__ import annotations

from recover.enums.surroundings import Other, Surroundings


def test_each_kind_is_told_what_to_do_and_sessions_once_for_all() -> None:
    others = (
        Other("session", "api", "3"),
        Other("prepared transaction", "tx1", "app"),
        Other("replication slot", "slot1", "pgoutput"),
        Other("session", "worker", "1"),
        Other("subscription", "sub1", ""),
    )
    sessions, prepared, slot, subscription = Surroundings(others).words()
    assert sessions.endswith("restart them afterwards: 3 of api, 1 of worker")
    assert prepared.startswith("the prepared transaction tx1 of app holds locks")
    assert prepared.endswith("ROLLBACK PREPARED 'tx1'")
    assert slot == "the logical replication slot slot1: rename the labels on its subscriber too, or it stops"
    assert subscription == "the subscription sub1: rename the labels on its publisher too, or it stops"
    assert list(Surroundings().words()) == []
