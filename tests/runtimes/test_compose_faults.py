"""A service that does not come up, or only seems to: every fault on a real container, and the words it ends in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from engines import Project, docker
from faults import GENEROUS, ask, carry_out, stack, start
from ports import free_port
from replicas import until

from recover.checks.http import HttpAnswers
from recover.checks.service import ServiceIs
from recover.errors import StepError
from recover.runtimes.verdict import SETTLED
from recover.steps.service import StartService, StopService

pytestmark = pytest.mark.docker

CERTIFICATE = """
  web:
    <<: *base
    command:
    - >-
      cd /tmp && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=web
      -keyout right.key -out web.pem && openssl ecparam -genkey -name prime256v1 -out other.key && exec python -c
      "import ssl, http.server as h; s = h.HTTPServer(('', 8443), h.SimpleHTTPRequestHandler);
      c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); c.load_cert_chain('web.pem', 'other.key');
      s.socket = c.wrap_socket(s.socket, server_side=True); s.serve_forever()"
"""
WRONG = """
import http.server as h
class Answer(h.BaseHTTPRequestHandler):
    def do_GET(self):
        well = self.path == '/health'
        self.send_response(200 if well else 500)
        self.end_headers()
        self.wfile.write(b'ok' if well else b'relation users does not exist')
    def log_message(self, *said): pass
h.HTTPServer(('', 8000), Answer).serve_forever()
"""


def looking(made: Project) -> Project:
    """The same project, seen by one that may only look."""
    return replace(made, runtime=replace(made.runtime, looking=True))


def instance(made: Project, service: str) -> str:
    return made.runtime.state(service).instance


# --- it ends when it is started -------------------------------------------------------------------


def test_a_service_that_misses_a_secret_is_given_up_at_once_in_its_own_words(tmp_path: Path) -> None:
    with stack(tmp_path, "  api: {<<: *base, command: ['exec cat /run/secrets/pg']}") as made:
        verdict = start(made, "api")
    assert verdict.hopeless
    assert verdict.answer == (
        "it is exited: it ended with exit code 1: cat: /run/secrets/pg: No such file or directory"
    )
    assert verdict.attachment == "cat: /run/secrets/pg: No such file or directory"


@pytest.mark.parametrize(
    "secret",
    [
        "secrets: [pg]}\nsecrets: {pg: {file: ./pg.txt}}",
        "volumes: [{type: bind, source: ./pg.txt, target: /pg, bind: {create_host_path: false}}]}",
    ],
)
def test_a_secrets_file_that_is_not_there_is_named_in_the_engines_words(tmp_path: Path, secret: str) -> None:
    with stack(tmp_path, "  api: {<<: *base, command: [sleep 600], " + secret) as made:
        with pytest.raises(StepError) as caught:
            start(made, "api")
        assert made.runtime.state("api").status == "missing"
    assert caught.value.what == "docker compose cannot make the container"
    assert f"bind source path does not exist: {tmp_path}/pg.txt" in caught.value.why


def test_a_secrets_file_that_has_gone_since_is_named_in_the_engines_words(tmp_path: Path) -> None:
    (tmp_path / "pg.txt").write_text("s")
    secret = "secrets: [pg]}\nsecrets: {pg: {file: ./pg.txt}}"
    with stack(tmp_path, "  api: {<<: *base, command: [sleep 600], " + secret) as made:
        assert start(made, "api").passed
        carry_out(made, StopService(("api",)))
        (tmp_path / "pg.txt").unlink()
        with pytest.raises(StepError) as caught:
            start(made, "api")
        assert f"{tmp_path}/pg.txt" in caught.value.why
    assert caught.value.what == f"cannot start {made.name}-api-1"


def test_a_key_that_does_not_match_its_certificate_is_said(tmp_path: Path) -> None:
    with stack(tmp_path, CERTIFICATE) as made:
        verdict = start(made, "web")
    assert verdict.hopeless
    assert "it ended with exit code 1" in verdict.answer
    assert "KEY_VALUES_MISMATCH" in verdict.answer


def test_a_program_that_is_not_in_the_image_is_named(tmp_path: Path) -> None:
    text = "  api: {<<: *base, entrypoint: [/bin/not-there], restart: always}"
    with stack(tmp_path, text) as made:
        with pytest.raises(StepError) as caught:
            start(made, "api")
        assert made.runtime.state("api").status == "exited"
        assert "/bin/not-there" in made.runtime.state("api", probe=True).detail
    assert 'exec: "/bin/not-there": stat /bin/not-there: no such file or directory' in caught.value.why


def test_first_words_are_heard_however_soon_it_ends(tmp_path: Path) -> None:
    names = [f"s{number}" for number in range(6)]
    text = "".join(f"  {name}: {{<<: *base, command: ['echo no licence; exit 9']}}\n" for name in names)
    with stack(tmp_path, text) as made:
        carry_out(made, StartService(tuple(names)))
        for name in names:
            assert "it ended with exit code 9: no licence" in ask(made, ServiceIs(name)).answer


def test_a_crash_loop_ends_the_wait_and_says_why_it_crashes(tmp_path: Path) -> None:
    text = "  api: {<<: *base, restart: always, command: ['echo no route to db; exit 1']}"
    with stack(tmp_path, text) as made:
        verdict = start(made, "api")
        assert made.runtime.state("api").running  # the engine goes on, the wait does not
    assert verdict.hopeless
    assert "it is in a restart loop: the engine has started it again" in verdict.answer
    assert " times; it ended with exit code 1: " in verdict.answer or " times; it runs again" in verdict.answer
    assert verdict.answer.endswith(" no route to db")


def test_the_engine_that_gave_up_restarting_ends_the_wait(tmp_path: Path) -> None:
    text = "  api: {<<: *base, restart: 'on-failure:1', command: ['echo no route to db; exit 4']}"
    with stack(tmp_path, text) as made:
        verdict = start(made, "api")
    assert verdict.hopeless
    assert verdict.answer == "it is exited: it ended with exit code 4: no route to db"


@pytest.mark.parametrize("policy", ["no", "always"])
def test_a_kill_for_memory_is_called_that(tmp_path: Path, policy: str) -> None:
    if docker("info", "--format", "{{.MemoryLimit}}").strip() != "true":
        pytest.skip("NOT TESTED: the control groups of this machine cannot limit memory")
    grow = "{<<: *base, mem_limit: 32m, entrypoint: [python, -c, \"print('loading'); bytearray(256 << 20)\"]"
    with stack(tmp_path, f'  api: {grow}, restart: "{policy}"}}') as made:
        verdict = start(made, "api")
    assert verdict.hopeless
    assert "killed because it used more memory than its limit (OOM)" in verdict.answer
    assert verdict.answer.endswith(" loading")
    assert policy == "always" or "it ended with exit code 137 (signal 9), killed" in verdict.answer


# --- it runs and is not right ---------------------------------------------------------------------


def test_a_health_check_that_fails_says_why_itself(tmp_path: Path) -> None:
    probe = "{test: [CMD-SHELL, 'echo disk is full >&2; exit 3'], interval: 1s, retries: 2}"
    with stack(tmp_path, f"  api: {{<<: *base, command: [sleep 600], healthcheck: {probe}}}") as made:
        carry_out(made, StartService(("api",)))
        asked = ask(made, ServiceIs("api"), 0)
        seen = looking(made)
        until(lambda: "times in a row" in ask(seen, ServiceIs("api"), 0).answer)
        looked = ask(seen, ServiceIs("api"), 0)
    assert asked.answer == "it is running: its health check ended with exit code 3: disk is full"
    assert not looked.passed
    assert looked.answer.startswith("it is running: its health check ended with exit code 3, ")
    assert looked.answer.endswith(" times in a row: disk is full")


def test_a_health_check_that_hangs_is_no_yes_and_does_not_hang_the_wait(tmp_path: Path) -> None:
    probe = "{test: [CMD, sleep, '600'], interval: 1s, timeout: 1s}"
    with stack(tmp_path, f"  api: {{<<: *base, command: [sleep 600], healthcheck: {probe}}}") as made:
        carry_out(made, StartService(("api",)))
        verdict = ask(made, ServiceIs("api"), 0)
    assert not verdict.passed
    assert verdict.answer == "it is running: its health check did not end within 1 s: sleep 600"


def test_a_health_check_whose_program_is_missing_is_no_yes(tmp_path: Path) -> None:
    with stack(tmp_path, "  api: {<<: *base, command: [sleep 600], healthcheck: {test: [CMD, pg_isreedy]}}") as made:
        carry_out(made, StartService(("api",)))
        verdict = ask(made, ServiceIs("api"), 0)
    assert not verdict.passed
    assert "pg_isreedy" in verdict.answer


def test_healthy_but_wrong_is_told_in_the_services_words(tmp_path: Path) -> None:
    port, health = free_port(), "{test: [CMD, curl, -fsS, 'http://127.0.0.1:8000/health']}"
    text = (
        f"  api: {{<<: *base, entrypoint: [python, /srv.py], ports: ['127.0.0.1:{port}:8000'], "
        f"healthcheck: {health}, volumes: ['{tmp_path}/srv.py:/srv.py:ro']}}"
    )
    (tmp_path / "srv.py").write_text(WRONG)
    with stack(tmp_path, text) as made:
        assert start(made, "api").passed
        verdict = ask(made, HttpAnswers(f"http://127.0.0.1:{port}/users"), 0)
    assert not verdict.passed
    assert verdict.answer == "status 500, wanted 200: relation users does not exist"


def test_without_a_health_check_it_is_ready_when_it_has_stayed_up(tmp_path: Path) -> None:
    text = "  api: {<<: *base, command: [sleep 600]}\n  bad: {<<: *base, command: ['sleep 0.4; echo no disk; exit 4']}"
    with stack(tmp_path, text) as made:
        good, bad = start(made, "api"), start(made, "bad")
        began = made.runtime.state("api").started_at
    assert good.passed
    assert began
    assert (good.seen_at - began).total_seconds() >= SETTLED
    assert bad.hopeless
    assert bad.answer == "it is exited: it ended with exit code 4: no disk"


@pytest.mark.parametrize("only_looking", [False, True])
def test_healthy_from_before_the_start_does_not_count(tmp_path: Path, *, only_looking: bool) -> None:
    probe = "{test: [CMD, test, -e, /dev/shm/ready], interval: 1s}"  # gone with the container's processes
    with stack(tmp_path, f"  db: {{<<: *base, command: [sleep 600], healthcheck: {probe}}}") as made:
        seen, be_ready = looking(made) if only_looking else made, ("touch", "/dev/shm/ready")
        carry_out(made, StartService(("db",)))
        docker("exec", made.container("db"), *be_ready)
        assert ask(looking(made), ServiceIs("db")).passed  # the engine has noted that it is healthy
        carry_out(made, StopService(("db",)))
        assert not ask(seen, ServiceIs("db"), 0).passed
        carry_out(made, StartService(("db",)))
        again = ask(seen, ServiceIs("db"), 0)
        assert not again.passed
        assert "its health check" in again.answer
        docker("exec", made.container("db"), *be_ready)
        assert ask(seen, ServiceIs("db")).passed


# --- it is meant to end ---------------------------------------------------------------------------


def test_a_one_shot_that_fails_ends_the_wait_with_its_last_words(tmp_path: Path) -> None:
    text = "  migrate: {<<: *base, restart: 'no', command: ['echo begin; echo revision 7 is unknown; exit 5']}"
    with stack(tmp_path, text) as made:
        verdict = start(made, "migrate")
    assert verdict.hopeless
    assert verdict.answer == "it is exited: it ended with exit code 5: begin | revision 7 is unknown"


def test_a_one_shot_that_succeeded_is_done_and_not_started_again(tmp_path: Path) -> None:
    with stack(tmp_path, "  migrate: {<<: *base, restart: 'no', command: [sleep 0.2]}") as made:
        assert start(made, "migrate").passed
        first = instance(made, "migrate")
        assert carry_out(made, StartService(("migrate",), within=GENEROUS)) == ()
        assert start(made, "migrate").passed
        assert instance(made, "migrate") == first
