"""Key `targets`: can Prometheus scrape what it should?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recover.checks.prometheus import asked
from recover.evidence import Evidence, few
from recover.marked_yaml import did_you_mean
from recover.world import Resource, Seconds, View


@dataclass(frozen=True)
class TargetsUp:
    """Each job of `up` has a target, and all its targets have health "up"; without `up` so do all active targets.

    `url` is Prometheus' own address. A target that was not scraped yet ("unknown") is not up yet. `timeout` in
    seconds. Source: Prometheus documentation, "HTTP API", section "Targets".
    """

    url: str
    up: tuple[str, ...] = ()
    timeout: Seconds = Seconds(5)

    @property
    def about(self) -> frozenset[Resource]:
        """Nothing by itself: the services come from the URL's ${services.…}."""
        return frozenset()

    def ask(self, view: View) -> Evidence:
        """Read the list of active targets once."""
        question = f"does Prometheus reach {', '.join(self.up) or 'all its targets'}?"
        told = asked(view, self.url, "targets?state=active", self.timeout)
        if told.missed:
            return Evidence(question, told.missed, passed=False, attachment=told.body)
        active: list[Mapping[str, Any]] = told.data.get("activeTargets") or []
        wanted = [target for target in active if not self.up or _job(target) in self.up]
        missed = [*self._without(active), *(_says(target) for target in wanted if target.get("health") != "up")]
        answer = few(missed) or f"yes: {len(wanted)} up"
        return Evidence(question, answer, passed=not missed, attachment="\n".join(missed) or None)

    def _without(self, active: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        """The jobs that have no target."""
        known = sorted({_job(target) for target in active})
        if not known:
            yield "Prometheus has no active target"
            return
        others = f"known jobs: {', '.join(known)}"
        yield from (f"{job}: no target, {did_you_mean(job, known) or others}" for job in self.up if job not in known)


def _job(target: Mapping[str, Any]) -> str:
    return str(target.get("labels", {}).get("job", target.get("scrapePool", "")))


def _says(target: Mapping[str, Any]) -> str:
    """Job, instance, health, and why in Prometheus' own words."""
    health, instance = target.get("health"), target.get("labels", {}).get("instance")
    told = "not scraped yet" if health == "unknown" else f"{health}: {target.get('lastError') or 'no reason given'}"
    return f"{_job(target)} at {instance or target.get('scrapeUrl')}: {told}"
