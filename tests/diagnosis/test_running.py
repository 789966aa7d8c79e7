"""Questions about what runs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from diagnosis.scenes import NOW as NOON
from diagnosis.scenes import asked, failed, line, passed, scene, state

REFUSED = line("Error 111 connecting to redis:6379. Connection refused.")


# --- services -------------------------------------------------------------------------------------


def test_a_service_that_is_down_is_named_with_its_last_words_and_those_that_need_it() -> None:
    db = state("db", "exited", exit_code=1, detail="it ended with exit code 1; its last words: FATAL")
    api = state("api", "exited", exit_code=3, needs=("db",), detail="no database")
    told = asked("service-down", scene(db, api, state("web", needs=("api",))))
    assert (told.answer, told.about, told.whole) == ("yes", ("db",), False)
    for words in ("db has ended", "code 1", "FATAL", "api, web need it"):
        assert words in told.words


def test_services_that_all_run_refute_lines_that_speak_of_refused_connections() -> None:
    seen = scene(state("redis"), state("api"), logs={"api": [REFUSED]})
    assert asked("service-down", seen).answer == "no"


@pytest.mark.parametrize("unseen", ["services", "db"])
def test_services_that_cannot_be_seen_are_not_said_to_run(unseen: str) -> None:
    seen = scene()
    seen.names, seen.unseen[unseen] = ("db",), "the engine does not answer"
    assert asked("service-down", seen).answer == "unknown"


def test_no_service_at_all_is_no_proof_that_all_run() -> None:
    assert asked("service-down", scene()).answer == "unknown"
    assert asked("stale-image", scene()).answer == "unknown"


def test_one_that_is_down_is_named_although_another_cannot_be_seen() -> None:
    seen = scene(state("db", "stopped"), state("web"))
    seen.names, seen.unseen["api"] = ("db", "api", "web"), "its record is damaged"
    assert (asked("service-down", seen).answer, asked("service-down", seen).about) == ("yes", ("db",))


def test_a_stack_that_is_stopped_as_a_whole_was_stopped_by_a_hand() -> None:
    told = asked("service-down", scene(state("db", "stopped"), state("api", "stopped"), state("job", oneshot=True)))
    assert (told.answer, told.whole) == ("yes", True)


def test_one_that_crashed_among_stopped_ones_is_no_hand() -> None:
    assert not asked("service-down", scene(state("db", "exited", exit_code=1), state("api", "stopped"))).whole


def test_a_one_shot_that_failed_is_down_and_one_that_is_done_is_not() -> None:
    failing = state("migrate", "exited", oneshot=True, exit_code=1)
    assert (asked("service-down", scene(failing)).answer, asked("service-down", scene(failing)).whole) == ("yes", False)
    assert asked("service-down", scene(state("migrate", "exited", oneshot=True, exit_code=0))).answer == "no"


def test_what_a_service_that_is_down_needs_comes_before_what_nobody_misses() -> None:
    """redis is stopped, and only an exporter would need it; the database is what the API waits for."""
    states = (
        state("redis", "stopped"),
        state("redis_exporter", needs=("redis",)),
        state("db", "stopped"),
        state("api", "exited", exit_code=1, needs=("db",)),
    )
    assert asked("service-down", scene(*states)).about == ("db", "redis")


def test_what_crashed_comes_before_what_was_stopped() -> None:
    told = asked("service-down", scene(state("a", "stopped"), state("b", "exited", exit_code=1), state("c")))
    assert told.about == ("b", "a")


def test_one_that_runs_and_is_not_ready_says_why() -> None:
    told = asked("service-down", scene(state("api", ready=False, detail="GET /health answered 503"), state("web")))
    assert "api is running and not ready: GET /health answered 503" in told.words


def test_what_a_one_shot_that_is_done_needed_is_needed_by_what_comes_after_it() -> None:
    """The database is what the API waits for, although the migration between them has ended well."""
    migrate = state("migrate", "exited", oneshot=True, exit_code=0, needs=("db",))
    api = state("api", ready=False, detail="no database", needs=("migrate",))
    told = asked("service-down", scene(state("db", "stopped"), migrate, api))
    assert told.about == ("db",)
    assert "migrate, api need it" in told.words


def test_services_that_need_many_in_many_ways_are_looked_through_once() -> None:
    layers = [[f"s{layer}-{n}" for n in range(6)] for layer in range(12)]
    pairs = zip(layers[1:], layers, strict=False)
    states = [state(name, "exited", exit_code=1, needs=tuple(below)) for here, below in pairs for name in here]
    told = asked("service-down", scene(*(state(name, "stopped") for name in layers[0]), *states))
    assert set(told.about) == set(layers[0])


def test_services_that_need_each_other_are_all_named() -> None:
    a, b = state("a", "stopped", needs=("b",)), state("b", "stopped", needs=("a",))
    assert asked("service-down", scene(a, b, state("c"))).about == ("a", "b")


# --- images ---------------------------------------------------------------------------------------


def image(made: str, means: str) -> dict[str, dict[str, str]]:
    return {"settings": {"image": f"app:1 {made}"}, "declared_settings": {"image": f"app:1 {means}"}}


def test_a_container_of_an_older_image_is_named() -> None:
    told = asked("stale-image", scene(state("api", **image("sha256:a", "sha256:b")), state("db")))
    assert (told.answer, told.about) == ("yes", ("api",))


def test_the_same_image_is_none() -> None:
    assert asked("stale-image", scene(state("api", **image("sha256:a", "sha256:a")))).answer == "no"


def test_where_the_file_says_no_image_nothing_is_guessed() -> None:
    assert asked("stale-image", scene(state("api", settings={"image": "app sha256:a"}))).answer == "no"


# --- limiter and probes ---------------------------------------------------------------------------

LIMITED = {"web": [line('"POST /login HTTP/1.1" 429')]}


@pytest.mark.parametrize(
    "answer", [failed("it answered 429"), failed("status 429, wanted 200"), failed("wait", again_in=30.0)]
)
def test_a_probe_that_was_asked_to_wait_is_named(answer: object) -> None:
    told = asked("locked-out", scene(answers={"login": answer}))  # type: ignore[dict-item]
    assert told.answer == "yes"
    assert "login" in told.words


NO_LIMITS = [
    passed("429 rows"),
    failed("there are 4290 rows"),
    failed("it is 1.429"),
    failed("n is 429, wanted 0"),
    failed("status 500, wanted 200: it took 429 ms"),
]


@pytest.mark.parametrize("answer", NO_LIMITS)
def test_a_number_that_is_like_it_is_none(answer: object) -> None:
    assert asked("locked-out", scene(answers={"rows": answer}, logs=LIMITED)).answer == "no"  # type: ignore[dict-item]


def test_without_probes_lines_that_speak_of_a_limit_prove_nothing() -> None:
    assert asked("locked-out", scene(logs=LIMITED)).answer == "unknown"
    assert asked("locked-out", scene()).answer == "no"


def test_probes_that_fail_are_named_and_those_that_wait_are_the_limiters() -> None:
    told = asked("login", scene(answers={"login": failed(), "page": passed(), "rest": failed("wait", again_in=1.0)}))
    assert (told.answer, "login: it answered 500" in told.words, "rest" in told.words) == ("yes", True, False)


def test_probes_fail_as_a_matter_of_course_where_nothing_runs() -> None:
    answers = {"login": failed("connection refused")}
    assert asked("login", scene(state("api", "stopped"), state("db", "exited"), answers=answers)).answer == "unknown"
    assert asked("login", scene(state("api", "stopped"), state("db"), answers=answers)).answer == "yes"
    assert asked("login", scene(answers=answers)).answer == "yes"


def test_probes_that_all_pass_are_well_and_none_at_all_says_nothing() -> None:
    assert asked("login", scene(answers={"login": passed()})).answer == "no"
    assert asked("login", scene()).answer == "unknown"


def test_the_present_is_what_the_present_instance_said_and_lately_where_it_is_well() -> None:
    hour = timedelta(hours=1)
    seen = scene(
        state("api", started_at=NOON - 5 * hour),
        state("db", "exited", started_at=NOON - 5 * hour),
        logs={name: [line(f"{name} boom", ago=n * hour) for n in (8, 3)] for name in ("api", "db")},
    )
    assert {s.service: (seen.is_new(s), seen.is_current(s)) for s in seen.shapes} == {
        "api": (True, False),
        "db": (True, True),
    }
