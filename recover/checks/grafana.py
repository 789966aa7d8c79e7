"""Key `grafana`: is Grafana well, and are the provisioned dashboards such that it can show them?"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recover import inputs
from recover.checks.http import Expect
from recover.errors import PlaybookError, Unreachable
from recover.evidence import Evidence, few
from recover.secrets import Secret, revealed
from recover.world import Resource, Seconds, Text, View

UNTITLED = "Dashboard title cannot be empty"  # Grafana's own words for it
PAGE = 100  # dashboards asked for at once: so many fit into the 64 KiB that are read
PAGES = 50


@dataclass(frozen=True)
class GrafanaShows:
    """Every *.json below `dashboards` is a dashboard with a title and a uid of its own; Grafana's health is "ok".

    With `user` and `password` Grafana's search also finds each of these titles. `dashboards` is a folder, `url`
    Grafana's own address, `timeout` in seconds for each request. Source: Grafana documentation, "Provision Grafana",
    section "Dashboards", and "HTTP API", sections "Health API" and "Search folders and dashboards".
    Raises PlaybookError when there is nothing to look at, or half of a login.
    """

    url: str | None = None
    dashboards: Path | None = None
    user: Text | None = None
    password: Text | None = None
    timeout: Seconds = Seconds(5)

    def __post_init__(self) -> None:
        if self.url is None and self.dashboards is None:
            raise PlaybookError("grafana needs url or dashboards")
        if (self.user is None) != (self.password is None):
            raise PlaybookError("grafana takes user and password together")
        if self.user is not None and self.url is None:
            raise PlaybookError("grafana needs url where it has a user")

    @property
    def about(self) -> frozenset[Resource]:
        """The folder; the service comes from the URL's ${services.…}."""
        return frozenset({f"file:{self.dashboards}"} if self.dashboards else ())

    def ask(self, view: View) -> Evidence:
        """Read the files, then ask Grafana."""
        asked = "can Grafana show its dashboards?" if self.dashboards else "is Grafana well?"
        titles: dict[str, str] = {}
        try:
            missed = [*self._faults(titles), *self._health(view)]
            missed += self._not_found(view, titles) if self.user is not None and not missed else []
        except Unreachable as error:
            missed = [f"no answer: {error.why}"]
        except OSError as error:
            missed = [f"{error.filename}: {error.strerror}"]
        answer = few(missed) or f"yes{f': {len(titles)} dashboards' if self.dashboards else ''}"
        return Evidence(asked, answer, passed=not missed, attachment="\n".join(missed) or None)

    def _faults(self, titles: dict[str, str]) -> Iterator[str]:
        """What is wrong with which file. `titles` learns the title of each good one."""
        if self.dashboards is None:
            return
        files, uids = _files(self.dashboards), dict[str, str]()
        if not files:
            yield f"there is no *.json below {self.dashboards}"
        for file in files:
            name = str(file.relative_to(self.dashboards))
            found = _read(file)
            if isinstance(found, str):
                yield f"{name}: {found}"
                continue
            titles[name] = found["title"].strip()
            if (uid := str(found.get("uid") or "")) and uids.setdefault(uid, name) != name:
                yield f"{name}: its uid {uid!r} is also that of {uids[uid]}"

    def _health(self, view: View) -> Iterator[str]:
        if self.url is not None:
            reply = view.web.get(f"{self.url.rstrip('/')}/api/health", timeout=self.timeout)
            if missed := Expect(json={"database": "ok"}).misses(reply):
                yield f"health: {missed}"

    def _not_found(self, view: View, titles: Mapping[str, str]) -> list[str]:
        """The titles that Grafana does not have, or why they cannot be asked for."""
        shown = self._shown(view)
        if isinstance(shown, str):
            return [f"search: {shown}"]
        return [f"{name}: Grafana shows no {title!r}" for name, title in titles.items() if title not in shown]

    def _shown(self, view: View) -> set[str] | str:
        """The titles of all dashboards that the user may see, or what was answered instead."""
        titles: set[str] = set()
        for page in range(1, PAGES + 1):
            path = f"/api/search?type=dash-db&limit={PAGE}&page={page}"
            reply = view.web.get(f"{str(self.url).rstrip('/')}{path}", headers=self._login, timeout=self.timeout)
            hits = reply.json()
            if reply.status != 200 or not isinstance(hits, list):  # noqa: PLR2004 - RFC 9110's OK
                return Expect(status=200).misses(reply) or "the answer is no list of dashboards"
            titles |= {str(hit.get("title")) for hit in hits if isinstance(hit, Mapping)}
            if len(hits) < PAGE:
                break
        return titles

    @property
    def _login(self) -> Mapping[str, Text]:
        """Basic authentication (RFC 7617). A secret, because the password can be read in it."""
        pair = ":".join(str(revealed(part)) for part in (self.user, self.password))
        return {"Authorization": Secret("grafana login", f"Basic {b64encode(pair.encode()).decode()}")}


def _files(folder: Path) -> Sequence[Path]:
    """The files that Grafana's provisioning reads: not those in folders whose name begins with a dot."""
    if not folder.is_dir():
        raise NotADirectoryError(0, "it is no folder", str(folder))
    inside = ((file, file.relative_to(folder).parts[:-1]) for file in sorted(folder.rglob("*.json")))
    return [file for file, parents in inside if not any(name.startswith(".") for name in parents)]


def _read(file: Path) -> dict[str, Any] | str:
    """The dashboard in the file, or what is wrong with it."""
    try:
        found = json.loads(inputs.read(file, inputs.SETTINGS).decode())
    except (ValueError, RecursionError) as error:
        return f"it is no JSON: {error}"
    if not isinstance(found, dict):
        return "it is no JSON object"
    title = found.get("title")
    if isinstance(title, str) and title.strip():
        return found
    if isinstance(found.get("dashboard"), dict):
        return f'{UNTITLED}: it is wrapped in "dashboard", and a file holds the dashboard itself'
    return UNTITLED
