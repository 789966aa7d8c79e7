"""The Docker engine, asked through its API: every question and act of the compose runtime, and its errors.

`Engine` connects when it is first used and again when the engine was away.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from recover.errors import RecoverError, StepError, Unreachable
from recover.runtimes import container_log
from recover.runtimes.docker_context import Endpoint, endpoint

OLDEST_API = (1, 41)
"""Docker Engine 20.10; older ones report less than is promised here."""
TIMEOUT = 20.0  # seconds one answer of the engine may take
PIECE = 64 * 1024  # bytes of a log that are taken at once
PROBE = 30.0  # seconds a program run in a container may take
OUTPUT = 4000  # bytes kept of what a probe says
BESIDE = "dev.recover.beside"
"""The label of a container that runs one script beside another, and of whose it is."""
COMPOSE = "com.docker.compose."
PROJECT = f"{COMPOSE}project"
CONFLICT = 409
SERVICE = "com.docker.compose.service"
ONEOFF = "com.docker.compose.oneoff"

Facts = Mapping[str, Any]
"""The engine's own answer, as its API reference describes it."""


class Gone(Exception):
    """What was asked for is not there (any more): the engine's 404. Never leaves the runtime."""


@dataclass
class Engine:
    """One engine. Every method raises Unreachable when it does not answer, StepError when it refuses an act."""

    _client: Any = field(default=None, repr=False)
    _images: dict[str, Facts] = field(default_factory=dict, repr=False)  # by id: what that names never changes

    # --- looking: nothing but GET ---------------------------------------------------------------

    def containers(self, project: str, service: str = "") -> list[Facts]:
        """The project's containers, stopped ones too, as the list has them; those of one service when given."""
        labels = [f"{PROJECT}={project}", *([f"{SERVICE}={service}"] if service else [])]
        with self._asking("its containers cannot be listed") as client:
            found = client.containers(all=True, filters={"label": labels})
        return [facts for facts in found if facts["Labels"].get(ONEOFF, "False") == "False"]

    def projects(self) -> list[str]:
        """Every compose project that has a container here."""
        with self._asking("its containers cannot be listed") as client:
            found = client.containers(all=True, filters={"label": PROJECT})
        return sorted({facts["Labels"][PROJECT] for facts in found} - {""})

    @property
    def id(self) -> str:
        """What tells this engine from every other."""
        with self._asking("which engine it is cannot be asked") as client:
            return str(client.info()["ID"])

    def volumes(self, project: str) -> list[str]:
        """The names of the project's volumes."""
        with self._asking("its volumes cannot be listed") as client:
            found = client.volumes(filters={"label": f"{PROJECT}={project}"})
        return [volume["Name"] for volume in found["Volumes"] or ()]

    def volume_labels(self, name: str) -> Mapping[str, str] | None:
        """The labels of the volume, or None when there is none of that name."""
        found = self._found(lambda client: client.inspect_volume(name))
        return None if found is None else found.get("Labels") or {}

    def inspect(self, container: str) -> Facts:
        """Everything about one container. Raises Gone."""
        facts = self._found(lambda client: client.inspect_container(container))
        if facts is None:
            raise Gone(container)
        return facts

    def image(self, reference: str) -> Facts | None:
        """The image of that name or id, or None when the engine does not have it."""
        if reference not in self._images:
            facts = self._found(lambda client: client.inspect_image(reference))
            if facts is None or not reference.startswith("sha256:"):
                return facts
            self._images[reference] = facts
        return self._images[reference]

    def logs(self, container: str, since: datetime | None = None, tail: int | None = None) -> Iterator[str]:
        """Its log lines since then, oldest first, at most the last `tail`. Bytes that are not UTF-8 become U+FFFD."""
        begin = {"since": since.timestamp() - 0.001} if since and since.year > 1 else {}
        wanted = {"stdout": 1, "stderr": 1, "tail": tail or "all", **begin}
        with self._asking(f"the log of {container} cannot be read") as client, suppress(_docker_errors().NotFound):
            framed = not client.inspect_container(container)["Config"]["Tty"]
            yield from container_log.lines(_streamed(client, container, wanted), framed=framed)

    # --- acting ---------------------------------------------------------------------------------

    def make_idle(self, name: str, labels: Mapping[str, str]) -> str | None:
        """The id of a container of that name that is never started; None when the name is taken.

        It is made from any image that is there, and is no container of a compose project: an image that was built by
        compose, or committed, hands its labels on, and a label that is empty takes one of them away. Raises StepError
        with the engine's words.
        """
        with self._acting(f"cannot make the container {name}", "") as client:
            images = sorted(client.images(), key=lambda image: bool(_emptied(image.get("Labels"))))
            for image in images:
                own = {**_emptied(image.get("Labels")), **labels}
                try:
                    made = client.create_container(image["Id"], ["true"], name=name, labels=own, entrypoint=[""])
                except _docker_errors().ImageNotFound:
                    continue  # removed since it was listed
                except _docker_errors().APIError as error:
                    if error.status_code == CONFLICT:
                        return None
                    raise
                return str(made["Id"])
            raise StepError(f"cannot make the container {name}", why="the engine has no image at all")

    def set_shares(self, container: str, shares: int) -> None:
        """Set `CpuShares` of a container, which counts for nothing while it does not run."""
        with self._acting("cannot update a container", container) as client:
            client.update_container(container, cpu_shares=shares)

    def start(self, container: str, name: str) -> None:
        """Start a stopped container. Raises StepError with the engine's words (port taken, no such program)."""
        with self._acting(f"cannot start {name}", container) as client:
            client.start(container)

    def restart(self, container: str, name: str, within: int) -> None:
        """End it as `stop` does and start it again; its count of restarts begins anew."""
        with self._acting(f"cannot restart {name}", container) as client:
            client.restart(container, timeout=within)

    def unpause(self, container: str, name: str) -> None:
        """Let a paused container go on."""
        with self._acting(f"cannot unpause {name}", container) as client:
            client.unpause(container)

    def stop(self, container: str, name: str, within: int) -> None:
        """Signal it, after `within` seconds kill it, and wait until it is gone. Stopping twice is fine."""
        with self._acting(f"cannot stop {name}", container) as client:
            client.stop(container, timeout=within)

    def remove(self, container: str, name: str) -> None:
        """Remove a container that does not run; its volumes stay, anonymous ones too."""
        with self._acting(f"cannot remove {name}", container) as client:
            client.remove_container(container)

    def ask_inside(
        self, container: str, argv: Sequence[str], within: float = PROBE, keep: int = OUTPUT
    ) -> tuple[int, str]:
        """Run a program in the container: its exit code and the last `keep` bytes of what it said.

        Raises Gone when it does not run, TimeoutError when it has not ended `within` seconds: the engine
        cannot end it, and the SDK would wait for it without an end.
        """
        answer: Future[tuple[int, str]] = Future()

        def run() -> None:
            try:
                answer.set_result(self._run_inside(container, argv, keep))
            except BaseException as error:  # raised again by result()
                answer.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        return answer.result(within)

    def ask_beside(self, facts: Facts, argv: Sequence[str], within: float) -> tuple[int, str]:
        """Run a program in a new container like that one (image, environment, volumes read-only) without a network.

        It is removed afterwards. Its exit code and what it said; Gone when there is no such program, TimeoutError
        when it has not ended `within` seconds.
        """
        config, ended = facts["Config"], None
        with self._acting(f"cannot run a container like {facts['Name'].lstrip('/')}", facts["Id"]) as client:
            host = client.create_host_config(volumes_from=[f"{facts['Id']}:ro"], network_mode="none")
            made = client.create_container(
                facts["Image"],
                entrypoint=list(argv[:1]),
                command=list(argv[1:]),
                environment=config.get("Env") or [],
                working_dir=config.get("WorkingDir") or None,
                user=config.get("User") or None,
                labels={
                    **_emptied(config.get("Labels")),
                    BESIDE: facts["Id"][:12],
                    **_kept(config.get("Labels") or {}),
                },
                host_config=host,
            )
            try:
                ended = _ended(client, made["Id"], within)
            finally:
                client.remove_container(made["Id"], force=True, v=False)
        if ended is None:  # not raised inside: a TimeoutError there would be taken for the engine's
            raise TimeoutError
        return ended

    def _run_inside(self, container: str, argv: Sequence[str], keep: int) -> tuple[int, str]:
        refused = (_docker_errors().NotFound, _docker_errors().APIError)
        with self._asking(f"{container} cannot be asked") as client:
            try:
                made = client.exec_create(container, list(argv))
                said = client.exec_start(made["Id"])
                return client.exec_inspect(made["Id"])["ExitCode"] or 0, said[-keep:].decode(errors="replace").strip()
            except refused as error:
                raise Gone(_words(error)) from None

    def remove_labelled(self, label: str, value: str) -> None:
        """Remove every container, then every network and volume that has the label with this value."""
        wanted = {"label": f"{label}={value}"}
        with self._acting(f"cannot remove what has the label {label}={value}", "") as client:
            for container in client.containers(all=True, filters=wanted):
                client.remove_container(container["Id"], force=True, v=True)
            for network in client.networks(filters=wanted):
                client.remove_network(network["Id"])
            for volume in client.volumes(filters=wanted)["Volumes"] or ():
                client.remove_volume(volume["Name"])

    # --- the connection -------------------------------------------------------------------------

    @property
    def host(self) -> str:
        """The name under which ports that the engine publishes are reached from here."""
        return urlsplit(endpoint().url).hostname or "127.0.0.1"

    @property
    def said(self) -> str:
        """The engine's URL and what named it."""
        return str(endpoint())

    def _found(self, ask: Callable[[Any], Facts]) -> Facts | None:
        with self._asking("it cannot be asked") as client:
            try:
                return ask(client)
            except _docker_errors().NotFound:
                return None

    @contextmanager
    def _asking(self, what: str) -> Iterator[Any]:
        with self._translated(what, Unreachable):
            yield self._connected()

    @contextmanager
    def _acting(self, what: str, container: str) -> Iterator[Any]:
        with self._translated(what, StepError, where=container[:12]):
            yield self._connected()

    def _connected(self) -> Any:
        if self._client is None:
            self._client = _connect()
        return self._client

    @contextmanager
    def _translated(self, what: str, refused: type[RecoverError], where: str = "") -> Iterator[None]:
        from requests.exceptions import RequestException

        try:
            yield
        except _docker_errors().APIError as error:
            raise refused(what, where=where, why=_words(error)) from None
        except (_docker_errors().DockerException, RequestException, OSError) as error:
            self._client = None
            raise away(_words(error)) from None


def _connect() -> Any:
    """A client that speaks the API version of the engine. Raises Unreachable for an engine that is too old."""
    from docker import APIClient
    from docker.utils import kwargs_from_env

    at = endpoint()
    tls = _tls(at) if at.certificates else kwargs_from_env().get("tls")
    client = APIClient(
        at.url, version="auto", timeout=TIMEOUT, tls=tls or False, use_ssh_client=at.url.startswith("ssh://")
    )
    client.trust_env = not at.url.startswith(("unix://", "npipe://"))  # a proxy is never between us and a socket
    version = tuple(int(part) for part in client.api_version.split("."))
    if version < OLDEST_API:
        need = ".".join(map(str, OLDEST_API))
        raise Unreachable(
            "the Docker engine is too old", where=str(at), why=f"it speaks API {client.api_version}, not {need}"
        )
    return client


def _tls(at: Endpoint) -> Any:
    from docker.tls import TLSConfig

    ca, cert, key = (str(path) if path.is_file() else None for path in _pem(at.certificates or Path()))
    return TLSConfig(client_cert=(cert, key) if cert and key else None, ca_cert=ca, verify=at.verify)


def _pem(folder: Path) -> tuple[Path, ...]:
    return tuple(folder / f"{name}.pem" for name in ("ca", "cert", "key"))


def _streamed(client: Any, container: str, wanted: Mapping[str, object]) -> Iterator[bytes]:
    """Its log as the engine sends it. Not the SDK's own stream: that one waits without end for an engine that hangs."""
    from requests.exceptions import HTTPError

    at = f"{client.base_url}/v{client.api_version}/containers/{container}/logs"
    with client.get(at, params=wanted, stream=True, timeout=TIMEOUT) as answer:
        try:
            answer.raise_for_status()
        except HTTPError as error:
            _docker_errors().create_api_error_from_http_exception(error)
        yield from answer.iter_content(PIECE)


def _ended(client: Any, container: str, within: float) -> tuple[int, str] | None:
    """Start it and wait for its end: its exit code and what it said, or None when it goes on. Raises Gone."""
    from requests.exceptions import ConnectionError as Broken
    from requests.exceptions import ReadTimeout

    try:
        client.start(container)
        code = client.wait(container, timeout=within)["StatusCode"]
    except (_docker_errors().NotFound, _docker_errors().APIError) as error:
        raise Gone(_words(error)) from None
    except (ReadTimeout, Broken) as error:  # over a Unix socket a time-out is the second
        if "timed out" in str(error):
            return None
        raise
    return code, client.logs(container).decode(errors="replace")


def _kept(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels of ours that a container beside it has too: what belongs to a replica goes with it."""
    return {name: value for name, value in labels.items() if name.startswith("dev.recover.")}


def away(why: str) -> Unreachable:
    """The error for an engine that does not answer; `why` in the words of whoever asked it."""
    return Unreachable(
        "the Docker engine does not answer",
        where=str(endpoint()),
        why=why,
        next="docker version; then start the engine, or name another one: DOCKER_HOST, docker context use",
    )


def _words(error: Exception) -> str:
    """The engine's own sentence, or the innermost reason of a connection that failed."""
    said = getattr(error, "explanation", None)
    if said:
        return said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    while (inner := error.__cause__ or error.__context__) is not None and isinstance(inner, Exception):
        error = inner
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _docker_errors() -> Any:
    from docker import errors

    return cast(Any, errors)


def _emptied(labels: Mapping[str, str] | None) -> dict[str, str]:
    """Those of compose, without their values: a container is none of the project that its image was made in."""
    return {label: "" for label in labels or {} if label.startswith(COMPOSE)}
