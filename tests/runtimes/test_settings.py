"""A container that compose has just made differs in nothing from its file; after one change in exactly that."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml
from engines import IMAGE, Project, docker, own_name, own_tag, project
from ports import free_port

from recover.checks.service import undeclared

pytestmark = pytest.mark.docker

DOCKERFILE = r"""
ENV OF_IMAGE=image SPACE="a b" EQ="x=y"
WORKDIR /work
LABEL OF_IMAGE=image
VOLUME /var/kept
USER 1000
EXPOSE 9999
HEALTHCHECK --interval=1h --retries=2 CMD ["true"]
ENTRYPOINT ["sh", "-c", "exec \"$0\" \"$@\""]
CMD ["sleep", "600"]
"""
FILE = r"""
x-base: &base {image: "${RICH}", command: [sleep, "600"]}
services:
  bare: {image: "${RICH}"}
  strings: {image: "${RICH}", entrypoint: "sh -c", command: "'sleep 600; echo \"a b\"'"}
  lists: {image: "${RICH}", entrypoint: [sh, -c], command: ["sleep 600; echo $$HOME $${A}"]}
  entrypoint: {image: "${RICH}", entrypoint: [sleep, "600"]}
  no_entrypoint: {image: "${RICH}", entrypoint: [], command: [sleep, "600"]}
  empty_entrypoint: {image: "${RICH}", entrypoint: []}
  empty_command: {image: "${RICH}", command: []}
  both_empty: {image: "${RICH}", entrypoint: [sleep, "600"], command: []}
  env:
    <<: *base
    env_file: [vars.env]
    environment: {NOTHING: , EMPTY: "", PRICE: "a$$b $${HOME}", OF_IMAGE: other, NUMBER: 1.50, LINES: "a\nb=c"}
  env_list: {<<: *base, environment: [A=1, FROM_HOST, "B=x=y"]}
  files:
    <<: *base
    secrets: [short, {source: short, target: other}, {source: short, target: /abs/secret}]
    configs: [conf, {source: conf, target: /etc/conf.d/app.conf}]
  mounts:
    <<: *base
    read_only: true
    tmpfs: [/run/tmp, "/run/two:size=1m"]
    volumes:
    - data:/data
    - logs:/logs:ro
    - named:/named
    - /nameless
    - ./bound:/bound
    - ./bound:/bound-ro:ro
    - {type: bind, source: ./bound/sub, target: /long, read_only: true}
    - {type: volume, source: data, target: /again, volume: {nocopy: true}}
    - {type: tmpfs, target: /tmpfs-long, tmpfs: {size: 1000000}}
  networks: {<<: *base, networks: {front: {aliases: [www, web]}, back: {}}}
  net_host: {<<: *base, network_mode: host}
  net_none: {<<: *base, network_mode: none}
  net_shared: {<<: *base, network_mode: "service:networks"}
  ports:
    <<: *base
    ports:
    - "${P1}:80"
    - "127.0.0.1:${P2}:81"
    - "82"
    - "127.0.0.1::83"
    - "${P3}:84/udp"
    - {target: 85, published: "${P4}", host_ip: 127.0.0.1, mode: host}
    expose: ["7000", "7100-7102"]
  port_range: {<<: *base, ports: ["127.0.0.1:${P5}-${P6}:95"]}
  limits:
    <<: *base
    mem_limit: 64m
    cpus: 0.5
    cap_add: [NET_ADMIN, CAP_SYS_TIME]
    cap_drop: [ALL]
    init: true
    privileged: true
  deployed:
    <<: *base
    deploy:
      resources: {limits: {memory: 50M, cpus: "0.5"}, reservations: {memory: 20M}}
      restart_policy: {condition: on-failure, max_attempts: 3}
  deployed_any: {<<: *base, deploy: {restart_policy: {condition: any}}}
  health_off: {<<: *base, healthcheck: {disable: true}}
  health_none: {<<: *base, healthcheck: {test: [NONE]}}
  health_text:
    <<: *base
    healthcheck: {test: "echo  \"$$HOME\" | cat", interval: 1h, timeout: 2s, retries: 4, start_period: 3500ms}
  health_list: {<<: *base, healthcheck: {test: [CMD, sh, -c, "exit 0"], interval: 1h}}
  health_shell: {<<: *base, healthcheck: {test: [CMD-SHELL, "true  &&  true"], interval: 1h}}
  health_times: {<<: *base, healthcheck: {interval: 1h30m}}
  restart_no: {<<: *base, restart: "no"}
  restart_always: {<<: *base, restart: always}
  restart_unless: {<<: *base, restart: unless-stopped}
  restart_failure: {<<: *base, restart: on-failure}
  restart_times: {<<: *base, restart: "on-failure:5"}
  label_map: {<<: *base, labels: {a.b: "x$$y", number: 3, OF_IMAGE: image, empty: ""}}
  label_list: {<<: *base, labels: ["a=b", "c"]}
  extended: {extends: {service: label_map}, environment: {MORE: "1"}}
  profiled: {<<: *base, profiles: [extra]}
  who: {<<: *base, hostname: somebody, user: "1001:1001", working_dir: /tmp}
  twice: {<<: *base, scale: 2}
  rest:
    <<: *base
    logging: {driver: json-file, options: {max-size: 10m}}
    ulimits: {nofile: 1024}
    sysctls: {net.core.somaxconn: 100}
    shm_size: 100m
    extra_hosts: ["a:10.0.0.1"]
    dns: [10.0.0.2]
    stop_signal: SIGINT
    tty: true
volumes: {data: {}, logs: {labels: {x: y}}, named: {name: "${NAMED}"}}
networks: {front: {}, back: {name: "${NAMED}"}}
secrets: {short: {file: ./secret.txt}}
configs: {conf: {file: ./conf.txt}}
"""
SERVICES = tuple(yaml.safe_load(FILE)["services"])


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image that has everything that a file can leave open."""
    tag, folder = own_tag("rich"), tmp_path_factory.mktemp("image")
    (folder / "Dockerfile").write_text(f"FROM {IMAGE}\n{DOCKERFILE}")
    classic = {**os.environ, "DOCKER_BUILDKIT": "0"}
    subprocess.run(["docker", "build", "--quiet", "--tag", tag, str(folder)], env=classic, check=True)
    yield tag
    docker("image", "rm", "--force", tag)


@pytest.fixture(scope="module")
def made(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The whole project, made by compose alone."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "bound" / "sub").mkdir(parents=True)
    (folder / "vars.env").write_text("FROM_FILE='q $ d'\nEMPTY_THERE=\nWITH_DEFAULT=${UNDEFINED:-dflt}\n")
    (folder / "secret.txt").write_text("secret")
    (folder / "conf.txt").write_text("configuration")
    first = 20000 + secrets.randbelow(12000)  # below what Linux gives to anybody who asks for a port
    ports = {**{f"P{n}": free_port() for n in range(1, 5)}, "P5": first, "P6": first + 9}
    named = own_name()
    with project(folder, FILE, {"RICH": image, "NAMED": named, "FROM_HOST": "host", **ports}) as made:
        made.compose("--profile", "*", "up", "--detach")
        yield made
        made.file.write_text(FILE)
        made.compose("--profile", "*", "down", "--volumes", "--timeout", "0")


def test_the_table_names_every_service(made: Project) -> None:
    assert set(made.runtime.names()) == set(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_what_compose_has_just_made_is_as_its_file_says(made: Project, service: str) -> None:
    state = made.runtime.state(service)
    assert state.running
    assert undeclared(state) == []
    assert len(state.settings) > 12  # nothing is compared by leaving it out


def test_environment_is_that_of_the_file_not_of_the_image(made: Project) -> None:
    assert made.runtime.state("bare").environment == {}
    assert made.runtime.state("env").environment == {
        "FROM_FILE": "q $ d",
        "EMPTY_THERE": "",
        "WITH_DEFAULT": "dflt",
        "EMPTY": "",
        "PRICE": "a$b ${HOME}",
        "OF_IMAGE": "other",
        "NUMBER": "1.5",
        "LINES": "a\nb=c",
    }
    assert made.runtime.state("env_list").environment == {"A": "1", "FROM_HOST": "host", "B": "x=y"}


CHANGES: list[tuple[str, str, Any, str]] = [
    ("bare", "command", ["sleep", "7"], "command is 'sleep 600', wanted 'sleep 7'"),
    ("strings", "command", "'sleep 7'", "command is *sleep 600; echo*a b*, wanted *'sleep 7'*"),
    ("lists", "entrypoint", ["bash", "-c"], "entrypoint is 'sh -c', wanted 'bash -c'"),
    ("restart_no", "user", "0", "user is '1000', wanted '0'"),
    ("restart_no", "working_dir", "/tmp", "working_dir is '/work', wanted '/tmp'"),
    ("restart_no", "hostname", "other", "hostname is '', wanted 'other'"),
    ("who", "hostname", None, "hostname is 'somebody', wanted ''"),
    ("env", "environment.PRICE", "$$", "PRICE is 'a$b ${HOME}', wanted '$'"),
    ("env", "environment.EMPTY", None, "EMPTY is '', wanted unset"),
    ("env", "environment.NEW", "", "NEW is unset, wanted ''"),
    ("env", "environment.OF_IMAGE", "third", "OF_IMAGE is 'other', wanted 'third'"),
    ("env", "environment.ANTHROPIC_API_KEY", "sk-1", "ANTHROPIC_API_KEY is unset, wanted ***"),
    ("bare", "environment", {"OF_IMAGE": "image"}, ""),  # the image's own value: the same container
    ("bare", "labels", {"OF_IMAGE": "image"}, ""),
    ("files", "secrets.1", None, "mount /run/secrets/other is 'bind FOLDER/secret.txt (read only)', wanted unset"),
    ("files", "configs.0", None, "mount /conf is 'bind FOLDER/conf.txt (read only)', wanted unset"),
    ("mounts", "read_only", False, "read_only is 'yes', wanted 'no'"),
    ("mounts", "tmpfs", ["/run/tmp", "/run/two:size=2m"], "mount /run/two is 'tmpfs size=1m', wanted 'tmpfs size=2m'"),
    ("mounts", "volumes.0", "logs:/data", "mount /data is 'volume PROJECT_data', wanted 'volume PROJECT_logs'"),
    (
        "mounts",
        "volumes.1",
        "logs:/logs",
        "mount /logs is 'volume PROJECT_logs (read only)', wanted 'volume PROJECT_logs'",
    ),
    (
        "mounts",
        "volumes.3",
        "data:/nameless",
        "mount /nameless is 'a volume without a name', wanted 'volume PROJECT_data'",
    ),
    (
        "mounts",
        "volumes.4",
        "./conf.txt:/bound",
        "mount /bound is 'bind FOLDER/bound', wanted 'bind FOLDER/conf.txt'",
    ),
    (
        "mounts",
        "volumes.8",
        {"type": "tmpfs", "target": "/tmpfs-long", "tmpfs": {"size": 2000000}},
        "mount /tmpfs-long is 'tmpfs size=1000000', wanted 'tmpfs size=2000000'",
    ),
    (
        "bare",
        "volumes",
        ["data:/var/kept"],
        "mount /var/kept is 'a volume without a name', wanted 'volume PROJECT_data'",
    ),
    ("bare", "volumes", ["/var/kept"], ""),  # the image's own volume
    ("bare", "volumes", ["/other"], "mount /other is unset, wanted 'a volume without a name'"),
    (
        "networks",
        "networks.front",
        {"aliases": ["www"]},
        "aliases is '*PROJECT_front:networks,web,www*', wanted '*PROJECT_front:networks,www*'",
    ),
    ("net_host", "network_mode", "none", "networks is 'host', wanted 'none'"),
    ("ports", "ports.0", "127.0.0.1:1:80", "ports is '*', wanted '*127.0.0.1:1->80/tcp*'"),
    ("ports", "ports.2", "127.0.0.1::82", "ports is '* :->82/tcp*', wanted '*127.0.0.1:->82/tcp*'"),
    ("limits", "mem_limit", "32m", "mem_limit is '67108864', wanted '33554432'"),
    ("limits", "cpus", 0.25, "cpus is '0.5', wanted '0.25'"),
    ("limits", "cap_add", ["NET_ADMIN"], "cap_add is 'NET_ADMIN SYS_TIME', wanted 'NET_ADMIN'"),
    ("limits", "cap_drop", [], "cap_drop is 'ALL', wanted ''"),
    ("limits", "init", False, "init is 'yes', wanted 'no'"),
    ("limits", "privileged", False, "privileged is 'yes', wanted 'no'"),
    ("deployed", "deploy.resources.limits.memory", "32M", "mem_limit is '52428800', wanted '33554432'"),
    ("deployed", "deploy.resources.limits.cpus", "1", "cpus is '0.5', wanted '1'"),
    ("deployed", "deploy.resources.reservations.memory", "10M", "mem_reservation is '20971520', wanted '10485760'"),
    ("deployed", "deploy.restart_policy.max_attempts", 4, "restart is 'on-failure:3', wanted 'on-failure:4'"),
    ("deployed_any", "deploy.restart_policy.condition", "none", "restart is 'always', wanted 'no'"),
    ("restart_times", "restart", "on-failure:6", "restart is 'on-failure:5', wanted 'on-failure:6'"),
    ("restart_no", "restart", "always", "restart is 'no', wanted 'always'"),
    (
        "health_off",
        "healthcheck",
        None,
        "healthcheck is 'none', wanted 'true, interval 3600 s, retries 2'",
    ),
    (
        "health_list",
        "healthcheck.test",
        ["CMD", "false"],
        "healthcheck is *sh -c 'exit 0', interval 3600 s, retries 2*, wanted 'false, interval 3600 s, retries 2'",
    ),
    (
        "health_times",
        "healthcheck.interval",
        "90s",
        "healthcheck is 'true, interval 5400 s, retries 2', wanted 'true, interval 90 s, retries 2'",
    ),
    ("label_map", "labels.number", 4, "label number is '3', wanted '4'"),
    ("label_list", "labels", ["a=b"], "label c is '', wanted unset"),
]


@pytest.mark.parametrize(("service", "path", "value", "said"), CHANGES, ids=lambda each: str(each)[:40])
def test_one_change_in_the_file_is_named_and_nothing_else(
    made: Project, service: str, path: str, value: Any, said: str
) -> None:
    made.file.write_text(yaml.safe_dump(_changed(yaml.safe_load(FILE), f"services.{service}.{path}", value)))
    found = undeclared(made.runtime.state(service))
    wanted = said.replace("PROJECT", made.name).replace("FOLDER", str(made.file.parent))
    assert len(found) == bool(wanted), found
    assert all(fnmatchcase(each, wanted) for each in found), found


def test_another_image_under_the_same_name_is_a_difference(made: Project, image: str) -> None:
    made.file.write_text(FILE.replace('bare: {image: "${RICH}"}', f"bare: {{image: {IMAGE}}}"))
    found = undeclared(made.runtime.state("bare"))
    assert found[0].startswith(f"image is '{image} ")
    assert f"wanted '{IMAGE} " in found[0]


def test_a_container_taken_off_its_network_by_hand_is_different(made: Project) -> None:
    made.file.write_text(FILE)
    name, network = made.container("restart_unless"), f"{made.name}_default"
    docker("network", "disconnect", network, name)
    assert f"networks is '', wanted '{network}'" in undeclared(made.runtime.state("restart_unless"))
    docker("network", "connect", network, name)  # without compose's alias: no other service finds it
    assert undeclared(made.runtime.state("restart_unless")) == [
        f"aliases is '{network}:', wanted '{network}:restart_unless'"
    ]
    docker("network", "disconnect", network, name)
    docker("network", "connect", "--alias", "restart_unless", network, name)
    assert undeclared(made.runtime.state("restart_unless")) == []


def test_the_image_of_a_container_may_lose_its_name(image: str, tmp_path: Path) -> None:
    """A container cannot be made anew without its image, so that it is gone is no reason to try."""
    tag = own_tag("lost")
    docker("tag", image, tag)
    with project(tmp_path, f"services: {{bare: {{image: '{tag}'}}}}") as made:
        made.compose("create")
        docker("image", "rm", "--force", tag)
        assert undeclared(made.runtime.state("bare")) == []
        docker("tag", IMAGE, tag)
        assert undeclared(made.runtime.state("bare")) != []
        docker("image", "rm", "--force", tag)


def _changed(file: Any, path: str, value: Any) -> Any:
    """The file with one value set, or removed for None."""
    changed = deepcopy(file)
    at, keys = changed, path.split(".")
    for key in keys[:-1]:
        at = at[int(key) if isinstance(at, list) else key]
    last: Any = int(keys[-1]) if isinstance(at, list) else keys[-1]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return changed
