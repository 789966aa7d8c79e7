"""The worker and the stand-ins: what they answer, and that no stand-in passes for the real thing."""

from __future__ import annotations

import json
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from recover.drill.certificates import make

FOLDER = Path(__file__).parents[3] / "playbooks" / "enum-cascade" / "stack"
SERVICES: dict[str, Any] = yaml.safe_load((FOLDER / "local.yaml").read_text())["services"]
ERROR_TEXT = "is not among the defined enum values"
EXPORTERS = {
    "postgres_exporter": {"pg_up", "pg_stat_database_xact_commit", "pg_database_size_bytes"},
    "redis_exporter": {"redis_up", "redis_connected_clients", "redis_commands_processed"},
    "node_exporter": {"node_load1", "node_memory_MemAvailable_bytes", "node_cpu_seconds"},
}


@contextmanager
def stand_in(stack: Any, helpers: Any, name: str, **extra: str) -> Iterator[tuple[str, Path]]:
    """The stand-in as a process; its address and log."""
    port = helpers.free_port()
    environ = stack.environ("seeded", **extra)
    tls = certificates(stack.folder) if name == "caddy" else None
    environ |= {"TLS_CERTIFICATE": str(tls / "caddy.crt"), "TLS_KEY": str(tls / "caddy.key")} if tls else {}
    with stack.process(f"stand_ins.{name}_stand_in", str(port), environ=environ) as log:
        url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        ready = f"{url}/ready" if tls else url
        helpers.eventually(lambda: get(stack, ready).status_code == 200)
        yield url, log


def certificates(folder: Path) -> Path:
    """The folder with those of a replica."""
    make(folder, {"caddy": ("caddy", "127.0.0.1")}, datetime.now(UTC))
    return folder / "certs"


def get(stack: Any, url: str) -> httpx.Response:
    """The answer, over TLS from whoever has a certificate of the replica."""
    if url.startswith("http:"):
        return httpx.get(url)
    return httpx.get(url, verify=ssl.create_default_context(cafile=str(certificates(stack.folder) / "ca.crt")))


def test_the_worker_leaves_a_heartbeat_and_changes_no_row(
    stack: Any, helpers: Any, repaired: str, fresh_redis: None
) -> None:
    import redis

    before = stack.admin("SELECT status::text, count(*) FROM tasks GROUP BY status ORDER BY status", repaired)
    port = helpers.free_port()
    environ = stack.environ(repaired, WORKER_PORT=str(port))
    url = f"http://127.0.0.1:{port}"
    with stack.process("aiwfe.worker", environ=environ) as log, redis.Redis(port=stack.redis_port) as store:
        helpers.eventually(lambda: httpx.get(f"{url}/health").status_code == 200)
        assert json.loads(store.get("worker:heartbeat"))["task"] == 4  # type: ignore[arg-type]  # typed for async too
        helpers.eventually(lambda: log.read_text().count("picked task") >= 2)
        assert "aiwfe_worker_good 1.0" in httpx.get(f"{url}/metrics").text
    assert before == stack.admin("SELECT status::text, count(*) FROM tasks GROUP BY status ORDER BY status", repaired)


def test_the_worker_goes_on_with_wrong_labels_but_is_not_healthy(
    stack: Any, helpers: Any, lower_case: str, fresh_redis: None
) -> None:
    port = helpers.free_port()
    environ = stack.environ(lower_case, WORKER_PORT=str(port))
    with stack.process("aiwfe.worker", environ=environ) as log:
        helpers.eventually(lambda: log.read_text().count(f"LookupError: 'in_progress' {ERROR_TEXT}") >= 2)
        assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 503


def test_the_worker_of_the_release_before_is_healthy_on_the_migrations_labels(
    stack: Any, helpers: Any, lower_case: str, fresh_redis: None
) -> None:
    port = helpers.free_port()
    environ = stack.environ(lower_case, WORKER_PORT=str(port), RELEASE="before")
    with stack.process("aiwfe.worker", environ=environ):
        helpers.eventually(lambda: httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200)


@pytest.mark.parametrize("name", EXPORTERS)
def test_an_exporter_reads_the_real_thing(stack: Any, helpers: Any, name: str) -> None:
    with stand_in(stack, helpers, name) as (url, _):
        answer = httpx.get(f"{url}/metrics")
        families = {family.name: family for family in text_string_to_metric_families(answer.text)}
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert families.keys() >= EXPORTERS[name]
        assert next(value.samples[0].value for key, value in families.items() if key.endswith("_up")) == 1


def test_an_exporter_says_when_its_source_is_gone(stack: Any, helpers: Any) -> None:
    with stand_in(stack, helpers, "redis_exporter", REDIS_PORT="1") as (url, _):
        answer = httpx.get(f"{url}/metrics")
        assert answer.status_code == 200
        assert "redis_up 0.0" in answer.text


def test_prometheus_knows_which_targets_are_up(stack: Any, helpers: Any) -> None:
    with (
        stand_in(stack, helpers, "node_exporter") as (node, _),
        stand_in(stack, helpers, "grafana", DASHBOARDS="") as (page, _),
    ):
        # Something answers at the page, but no exposition: that must not count as up.
        targets = f"node={node[7:]}/metrics page={page[7:]}/api/health gone=127.0.0.1:1/metrics"
        with stand_in(stack, helpers, "prometheus", TARGETS=targets) as (url, _):
            assert httpx.get(f"{url}/-/ready").status_code == 200
            helpers.eventually(lambda: len(vector(url, "up")) == 3)
            assert vector(url, "up") == {"node": "1", "page": "0", "gone": "0"}
            listed = httpx.get(f"{url}/api/v1/targets").json()["data"]["activeTargets"]
            found = {each["labels"]["job"]: (each["health"], each["lastError"]) for each in listed}
            assert found["node"] == ("up", "")
            assert found["page"] == ("down", 'received unsupported Content-Type "application/json"')
            assert found["gone"][0] == "down"
            assert "refused" in found["gone"][1]
            assert vector(url, 'node_load1{job="node"}').keys() == {"node"}
            assert vector(url, 'node_load1{job="gone"}') == {}
            refused = httpx.get(f"{url}/api/v1/query", params={"query": "sum(up)"})
            assert (refused.status_code, refused.json()["errorType"]) == (400, "bad_data")


def vector(url: str, query: str) -> dict[str, str]:
    """The values of an instant vector, by job."""
    answer = httpx.get(f"{url}/api/v1/query", params={"query": query}).json()
    assert (answer["status"], answer["data"]["resultType"]) == ("success", "vector")
    return {each["metric"]["job"]: each["value"][1] for each in answer["data"]["result"]}


def test_the_web_page_sends_the_login_to_the_api(stack: Any, helpers: Any, repaired: str, fresh_redis: None) -> None:
    with stack.app(repaired) as api, stand_in(stack, helpers, "webui", API_URL=api.url) as (url, _):
        assert "stand-in" in httpx.get(url).text
        page = type(api)(url)
        assert page.login("probe", "wrong").status_code == 401
        token = page.bearer()
        assert page.get("/api/v1/users/me", Authorization=token).json()["email"] == "probe@example.com"
    with stand_in(stack, helpers, "webui", API_URL="http://127.0.0.1:1") as (url, _):
        assert type(api)(url).login("probe").status_code == 502


def test_the_proxy_says_which_file_it_lacks_and_that_key_and_certificate_do_not_match(stack: Any) -> None:
    certs = certificates(stack.folder)
    make(stack.folder / "other", {"caddy": ("caddy",)}, datetime.now(UTC))
    cases = {
        str(certs / "none.key"): f"open {certs / 'none.key'}: no such file or directory",
        str(stack.folder / "other" / "certs" / "caddy.key"): "key values mismatch",
    }
    for key, words in cases.items():
        environ = stack.environ("seeded", WEBUI_URL="", TLS_CERTIFICATE=str(certs / "caddy.crt"), TLS_KEY=key)
        command = [sys.executable, "-m", "stand_ins.caddy_stand_in", "1"]
        done = subprocess.run(command, env=environ, cwd=FOLDER, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith("Error: loading certificates: ")
        assert words in done.stderr


def test_the_noise_has_the_proportions_of_the_report_and_each_line_its_level(
    stack: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    from aiwfe.noise import exporter_lines, make_noise, request_lines

    exporter, requests = list(exporter_lines(1e9)), list(request_lines(1e9))
    assert round(100 * len(exporter) / (len(exporter) + len(requests))) == 85
    assert exporter[0].startswith("ts=2001-09-08T01:46:40.000Z caller=stdlib.go:105 level=error msg=")
    assert exporter == sorted(exporter)
    assert {"broken pipe", "connection reset by peer"} == {line.rpartition(": ")[2].rstrip('"') for line in exporter}
    assert all(" INFO error_middleware: GET /api/v1/" in line for line in requests)
    make_noise({}, lambda _: iter(["never"]))
    assert capsys.readouterr().out == ""
    make_noise({"NOISE": "report"}, lambda _: iter(["once", "twice"]))
    assert capsys.readouterr().out == "once\ntwice\n"


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if "stand_in" in service])
def test_a_stand_in_says_that_it_is_one(stack: Any, helpers: Any, name: str) -> None:
    assert f"stand_ins.{name}_stand_in" in SERVICES[name]["command"]
    with (
        stand_in(stack, helpers, "webui", API_URL="http://127.0.0.1:1") as (webui, _),
        stand_in(stack, helpers, name, TARGETS="", DASHBOARDS="", API_URL="http://127.0.0.1:1", WEBUI_URL=webui) as (
            url,
            log,
        ),
    ):
        assert "stand-in" in get(stack, url).text
        assert log.read_text().startswith("stand-in:")


def test_every_stand_in_is_declared_and_every_service_is_in_the_readme() -> None:
    files = {path.name.removesuffix("_stand_in.py") for path in (FOLDER / "stand_ins").glob("*_stand_in.py")}
    assert files == {name for name, service in SERVICES.items() if "stand_in" in service}
    table = (FOLDER / "README.md").read_text().partition("## Services")[2].partition("##")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|", table, re.MULTILINE))
    assert list(rows) == list(SERVICES)
    assert {name for name, text in rows.items() if text.startswith("stand-in")} == files


def test_the_local_runtime_reads_the_stack_file_and_a_replica_has_every_variable_of_it() -> None:
    from recover.marked_yaml import read
    from recover.runtimes.local_file import Reader

    numbered = enumerate(f"{name.upper()}_PORT" for name, service in SERVICES.items() if "ports" in service)
    ports = {name: str(40000 + number) for number, name in numbered}
    values = {"python": "python", "stack": str(FOLDER), "project": "/replica", "RELEASE": "", "BROKEN_MIDDLEWARE": ""}
    values |= dict.fromkeys(("BROKEN_EXPORTER", "NOISY_EXPORTER", "LOGIN_BREAKER"), "")
    values |= {"GRAFANA_DASHBOARDS": "dashboards"}
    values |= {"LABELS": "", "DATABASE_NAME": "aiwfe", "HOLD_LOCK": "", "NOISE": ""}
    values |= {"RATE_LIMIT_REQUESTS": "1200", "RATE_LIMIT_LOGINS": "2000"}
    services = Reader({**values, **ports}).services(read(FOLDER / "local.yaml"))
    assert list(services) == list(SERVICES)
    assert {name for name, service in services.items() if service.oneshot} == {"migrate", "seed"}
    assert all(service.ready and service.ports for service in services.values() if not service.oneshot)
    assert set(re.findall(r"\$\{(\w+)\}", json.dumps(SERVICES))) == {*values, *ports}
