"""The replica on Docker Compose: what the file promises, and the whole stack from nothing on a real engine."""

from __future__ import annotations

import json
import re
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from engines import own_name

from recover.drill.replica import Replica
from recover.drill.scenario import ReplicaSpec, Scenario

pytestmark = pytest.mark.docker

FOLDER = Path(__file__).parents[3] / "playbooks" / "enum-cascade" / "stack"
FILE = FOLDER / "compose.yaml"
PLAIN: dict[str, Any] = yaml.safe_load(FILE.read_text())
LOCAL: dict[str, Any] = yaml.safe_load((FOLDER / "local.yaml").read_text())["services"]
LABEL = "dev.recover.replica"
SECRETS = ("postgres_password", "app_password", "jwt_key", "degraded_jwt_key", "probe_password")
PORTS = tuple(sorted(set(re.findall(r"\b[A-Z_]+_PORT(?=\}:)", FILE.read_text()))))
ONCE = {"migrate", "seed"}
UNCHECKED = {"redis_exporter", "loki", *ONCE}
PATIENCE = 180.0  # seconds; on two cores it takes 30
TARGETS = {
    *("api", "worker", "postgres_exporter", "redis_exporter", "pgbouncer_exporter"),
    *("node_exporter", "cadvisor", "alertmanager", "blackbox_exporter"),
}


def docker(*words: str) -> str:
    """Its output; a failure shows what Docker said."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"docker {' '.join(words)}\n{done.stdout}{done.stderr}"
    return done.stdout


def lines(*words: str) -> list[str]:
    return docker(*words).split()


@dataclass(frozen=True)
class Containers:
    """One replica of the stack, under a project name of its own."""

    replica: Replica
    project: str

    def compose(self, *words: str) -> str:
        env = str(self.replica.folder / ".env")
        return docker("compose", "--env-file", env, "-p", self.project, "-f", str(FILE), *words)

    def down(self) -> None:
        """`down --volumes`. Under load the engine (20.10) may keep the endpoint of a container that is gone in its
        network, and then does not remove that: it is freed, and asked for again.
        """
        try:
            self.compose("down", "--volumes")
        except AssertionError as error:
            if "has active endpoints" not in str(error):
                raise
            own = f"label=com.docker.compose.project={self.project}"
            for network in lines("network", "ls", "--quiet", "--filter", own):
                [facts] = json.loads(docker("network", "inspect", network))
                for endpoint in facts["Containers"].values():
                    docker("network", "disconnect", "--force", network, endpoint["Name"])
            self.compose("down", "--volumes")

    def config(self) -> dict[str, Any]:
        return json.loads(self.compose("config", "--format", "json"))  # type: ignore[no-any-return]

    def inspect(self) -> dict[str, dict[str, Any]]:
        """Every container of the project, stopped ones too, by service."""
        found = json.loads(docker("inspect", *self.compose("ps", "-a", "-q").split()))
        return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in found}

    def states(self) -> dict[str, str]:
        """The health, or where there is no health check the state, of each service."""
        states = {name: each["State"] for name, each in self.inspect().items()}
        return {name: state.get("Health", {}).get("Status", state["Status"]) for name, state in states.items()}

    def url(self, port: str) -> str:
        return f"http://127.0.0.1:{self.replica.env()[port]}"

    def login(self, password: str, port: str = "API_PORT") -> int:
        form = {"username": "probe@example.com", "password": password}
        return httpx.post(f"{self.url(port)}/api/v1/auth/jwt/login", data=form, timeout=10).status_code

    def secret(self, name: str) -> str:
        return (self.replica.folder / "secrets" / name).read_text()

    @property
    def replica_id(self) -> str:
        return self.replica.env()["REPLICA_ID"]

    def leftovers(self) -> list[str]:
        """Everything with the replica's label."""
        ours = ("--filter", f"label={LABEL}={self.replica_id}", "-q")
        return [*lines("ps", "-a", *ours), *lines("volume", "ls", *ours), *lines("network", "ls", *ours)]


def images() -> dict[str, str]:
    """What `make images` made."""
    made = FOLDER / "images" / "built.env"
    assert made.is_file(), "next: make images"
    return dict(line.split("=", 1) for line in made.read_text().split())


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Containers:
    """A replica's folder: secrets of 0600, free ports, the images, nothing started."""
    project = own_name()
    env = {**images(), "APP_IMAGE": "recover-replica/app:before", "RATE_LIMIT_LOGINS": "2000"}
    replica = Replica(tmp_path_factory.mktemp("replica") / "folder")
    spec = ReplicaSpec(secrets=SECRETS, ports=PORTS, env=env, certificates={"caddy": ("caddy", "127.0.0.1")})
    replica.prepare(Scenario("1", "the stack alone", Path("none"), "compose", "none", spec))
    return Containers(replica, project)


@pytest.fixture(scope="module")
def running(prepared: Containers) -> Iterator[Containers]:
    """The whole stack, started from nothing."""
    try:
        prepared.compose("up", "-d")
        yield prepared
    finally:
        prepared.down()


def test_there_are_24_services_and_the_local_ones_among_them(prepared: Containers) -> None:
    services = prepared.config()["services"]
    assert len(services) == 24
    assert services.keys() >= LOCAL.keys()


def test_every_image_is_a_variable_and_only_ours_have_no_public_default() -> None:
    found = {name: service["image"] for name, service in PLAIN["services"].items()}
    public = {name for name, image in found.items() if re.fullmatch(r"\$\{[A-Z_]+_IMAGE:-[\w./-]+:[\w.-]+\}", image)}
    ours = {
        name for name, image in found.items() if re.fullmatch(r"\$\{(APP|CADVISOR)_IMAGE:\?run make images\}", image)
    }
    assert public | ours == found.keys()
    assert ours == {*ONCE, "api", "worker", "webui", "google_sync", "log_watcher", "cadvisor"}


def test_only_the_one_shots_are_never_restarted(prepared: Containers) -> None:
    restart = {name: service["restart"] for name, service in prepared.config()["services"].items()}
    assert restart == {name: "no" if name in ONCE else "unless-stopped" for name in restart}


def test_ports_are_published_on_this_machine_only(prepared: Containers) -> None:
    ports = [port for service in prepared.config()["services"].values() for port in service.get("ports", [])]
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}
    assert sorted(port["published"] for port in ports) == sorted(prepared.replica.env()[name] for name in PORTS)
    assert len(PORTS) == 13


def test_the_api_gets_the_variables_of_the_local_replica(prepared: Containers) -> None:
    at_home = LOCAL["api"]["environment"].keys() - {"PYTHONPATH", "RELEASE"}  # both are the image's
    assert prepared.config()["services"]["api"]["environment"].keys() == at_home | {"API_HOST"}


def test_every_long_running_service_but_two_has_a_health_check(prepared: Containers) -> None:
    services = prepared.config()["services"]
    assert {name for name, service in services.items() if "test" not in service.get("healthcheck", {})} == UNCHECKED
    times = {
        tuple(services[name]["healthcheck"][key] for key in ("interval", "timeout", "retries", "start_period"))
        for name in services.keys() - UNCHECKED
    }
    assert times == {("5s", "10s", 3, "1m0s")}


def test_the_whole_stack_comes_up_from_nothing(running: Containers, helpers: Any) -> None:
    states = running.states()
    wanted = dict.fromkeys(states, "healthy") | {"redis_exporter": "running", "loki": "running"}
    wanted |= dict.fromkeys(ONCE, "exited")
    assert len(wanted) == 24
    helpers.eventually(lambda: running.states() == wanted, PATIENCE)
    assert {running.inspect()[name]["State"]["ExitCode"] for name in ONCE} == {0}


def test_everything_it_made_has_the_label_of_the_replica(running: Containers) -> None:
    ours = ("--filter", f"label=com.docker.compose.project={running.project}", "-q")
    labelled = ("--filter", f"label={LABEL}={running.replica_id}", *ours)
    for kind, number in ((("ps", "-a"), 24), (("volume", "ls"), 10), (("network", "ls"), 2)):
        assert len(lines(*kind, *labelled)) == len(lines(*kind, *ours)) == number


def test_prometheus_itself_says_that_its_targets_are_up(running: Containers, helpers: Any) -> None:
    def health() -> dict[str, str]:
        targets = httpx.get(f"{running.url('PROMETHEUS_PORT')}/api/v1/targets").json()["data"]["activeTargets"]
        return {target["labels"]["job"]: target["health"] for target in targets}

    helpers.eventually(lambda: health() == dict.fromkeys(TARGETS, "up"), PATIENCE)
    found = httpx.get(f"{running.url('PROMETHEUS_PORT')}/api/v1/query", params={"query": "sum(up) - min(pg_up)"})
    assert float(found.json()["data"]["result"][0]["value"][1]) == len(TARGETS) - 1  # PromQL: it is the real one


def test_a_login_works_before_and_fails_in_the_incident(running: Containers, helpers: Any) -> None:
    password = running.secret("probe_password")
    assert (running.login(password), running.login("wrong")) == (200, 401)
    helpers.eventually(lambda: running.login(password, "CADDY_PORT") == 200)
    trusted = ssl.create_default_context(cafile=str(running.replica.folder / "certs" / "ca.crt"))
    secure = running.url("CADDY_TLS_PORT").replace("http:", "https:")
    assert httpx.get(f"{secure}/api/health", verify=trusted).status_code == 200
    try:
        running.replica.set({"APP_IMAGE": "recover-replica/app:incident"})
        running.compose("up", "-d", "--no-deps", "api", "worker")
        helpers.eventually(lambda: running.login(password) == 500)
        assert httpx.get(f"{running.url('API_PORT')}/api/health").status_code == 200
        helpers.eventually(lambda: running.states()["worker"] == "unhealthy", PATIENCE)
        assert "is not among the defined enum values" in running.compose("logs", "api")
    finally:
        running.replica.set({"APP_IMAGE": "recover-replica/app:before"})
        running.compose("up", "-d", "--no-deps", "api", "worker")
    helpers.eventually(lambda: running.login(password) == 200)


def test_the_database_health_check_asks_for_our_database_with_our_password(running: Containers) -> None:
    check = running.config()["services"]["postgres"]["healthcheck"]["test"][1].replace("$$", "$")

    def ask(changed: str) -> None:
        running.compose("exec", "-T", "postgres", "sh", "-c", changed)

    ask(check)
    with pytest.raises(AssertionError, match='database "other" does not exist'):
        ask(check.replace("aiwfe", "other"))
    with pytest.raises(AssertionError, match="password authentication failed"):
        ask(check.replace("/run/secrets/app_password", "/etc/hostname"))


def test_a_stand_in_says_that_it_is_one(running: Containers) -> None:
    shown = {name: each for name, each in running.inspect().items() if each["Config"]["Image"].endswith(":stand-in")}
    shown |= {name: running.inspect()[name] for name in ("webui", "google_sync", "log_watcher")}
    assert len(shown) >= 4
    for each in shown.values():
        assert docker("logs", each["Id"]).startswith("stand-in:")


def test_no_secret_is_in_a_container_configuration(running: Containers) -> None:
    shown = json.dumps(running.inspect()) + running.compose("logs")
    assert [name for name in SECRETS if running.secret(name) in shown] == []


def test_the_image_that_was_built_again_is_another_one_with_the_same_release() -> None:
    found = json.loads(docker("image", "inspect", *(f"recover-replica/app:{tag}" for tag in ("incident", "rebuilt"))))
    releases = [{word for word in image["Config"]["Env"] if word.startswith("RELEASE")} for image in found]
    assert releases == [{"RELEASE=incident"}] * 2
    assert len({image["Id"] for image in found}) == 2


def test_down_removes_this_replica_and_nothing_else(running: Containers) -> None:
    other = ("--label", f"{LABEL}=another")
    image = images()["REDIS_IMAGE"]
    container, volume = docker("create", *other, image).strip(), docker("volume", "create", *other).strip()
    try:
        running.down()
        assert running.leftovers() == []
        docker("inspect", container, volume)
    finally:
        docker("rm", "-v", container)
        docker("volume", "rm", volume)
