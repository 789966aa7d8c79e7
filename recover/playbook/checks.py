"""Reading `probes`, `check`, `done_when` and `final`: questions, and how patiently they are asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from recover.marked_yaml import Marked, MarkedDict, MarkedList, Scalar, did_you_mean, fail
from recover.playbook.decode import check_keys, decode
from recover.playbook.digest import Known, as_name, digest
from recover.playbook.mistakes import Mistakes
from recover.playbook.model import FINAL, CheckSpec
from recover.playbook.scope import Scope
from recover.playbook.values import misfit
from recover.world import Seconds


@dataclass(frozen=True)
class CheckKeys:
    """The keys of a check beside the question itself."""

    within: Seconds | None = None
    during: Seconds | None = None
    every: Seconds | None = None


MAX_VOLUME = 4_000_000
"""Characters of a whole playbook once variables are filled in, probes stand where they are used and each item of a
for_each has its step: far above any real one, and read in two seconds."""

VALUE = 10
"""What a value counts beside its characters."""

CHECK_KEYS = tuple(CheckKeys.__dataclass_fields__)


@dataclass
class CheckReader:
    """Reads checks, notes mistakes and goes on. `scope` holds placeholders for what only a run knows."""

    types: Mapping[str, type]
    scope: Scope
    mistakes: Mistakes
    probes: dict[str, CheckSpec | None] = field(default_factory=dict)
    final: tuple[CheckSpec, ...] = ()
    times: int = 1
    left: int = MAX_VOLUME

    def spend(self, node: Marked) -> None:
        """Count what is filled in here, `times` over. Raises PlaybookError when the playbook becomes too large."""
        known = Known(self.scope.variables, as_name)
        todo = [node]
        while todo and self.left > 0:
            value = todo.pop()
            if isinstance(value, Scalar):
                filled = known.fill(value)
                self.left -= (len(filled) if isinstance(filled, str) else 0) * self.times
            else:
                todo += value.values() if isinstance(value, dict) else value
            self.left -= VALUE * self.times
        if self.left <= 0:
            raise fail(node.mark, f"with its variables, probes and items this is more than {MAX_VOLUME:,} characters")

    def read_probes(self, tree: Marked) -> None:
        """Take in `probes`, and prove each on its own: one that no step uses must be right too."""
        if not isinstance(tree, MarkedDict):
            raise misfit(tree, "probes", "a mapping of names to checks")
        for name, node in tree.items():
            self.probes[name] = None
            with self.mistakes:
                self.spend(node)
                check = self._question(node)
                check.bind(self.scope.inside(name))
                self.probes[name] = replace(check, probe=str(name))

    def checks(self, node: Marked, label: str) -> tuple[CheckSpec, ...]:
        """A list of checks; those with a mistake are left out and noted."""
        if not isinstance(node, MarkedList):
            raise misfit(node, label, "a list of checks")
        found = []
        for entry in node:
            with self.mistakes:
                if (check := self.check(entry)) is not None:
                    found.append(check)
        return tuple(found)

    def check(self, node: Marked) -> CheckSpec | None:
        """One check, or the probe it names; None for a probe that has a mistake of its own."""
        if not (isinstance(node, MarkedDict) and "probe" in node):
            return self._question(node)
        tree = check_keys(node, "a probe's use", ("probe", *CHECK_KEYS))
        return self._probe(tree["probe"], decode(part(tree, CHECK_KEYS), CheckKeys, folder=self.scope.folder))

    def guards(self, node: Marked) -> tuple[CheckSpec, ...]:
        """The probes that stay guarded, each by its name or with times of its own."""
        if not isinstance(node, MarkedList):
            raise misfit(node, "guard", "a list of probes")
        found = (self._guard(entry) for entry in node)
        return tuple(check for check in found if check is not None)

    def _guard(self, node: Marked) -> CheckSpec | None:
        if isinstance(node, Scalar):
            return self._probe(node, CheckKeys())
        tree = check_keys(node, "a guard", ("probe", "within", "every"), ("probe",))
        return self._probe(tree["probe"], decode(part(tree, CHECK_KEYS), CheckKeys, folder=self.scope.folder))

    def _question(self, node: Marked) -> CheckSpec:
        tree = check_keys(node, "a check", (*self.types, *CHECK_KEYS))
        key = only(tree, self.types, "a check", "question")
        if key is None:
            raise fail(tree.mark, "a check needs a question", f"one of: probe, {', '.join(self.types)}")
        times = decode(part(tree, CHECK_KEYS), CheckKeys, folder=self.scope.folder)
        known = Known(self.scope.variables, as_name)
        names = known.mentioned(tree[key])
        return CheckSpec(
            kind=str(key),
            check_type=self.types[key],
            args=tree[key],
            within=times.within,
            during=times.during,
            every=times.every,
            probe="",
            where=str(key.mark),
            services=frozenset(n[len("services.") :].rpartition(".")[0] for n in names if n.startswith("services.")),
            varies=names & {"item", "kept"},
            sha256=digest([str(key), known.plain(tree[key])]),
        )

    def _probe(self, node: Marked, times: CheckKeys) -> CheckSpec | None:
        """The probe; a time said where it is used goes before its own."""
        if not isinstance(node, Scalar):
            raise misfit(node, "probe", "the name of a probe")
        if node not in self.probes:
            hint = did_you_mean(node, self.probes) or f"known probes: {', '.join(self.probes) or 'none'}"
            raise fail(node.mark, f"there is no probe {str(node)!r}", hint)
        probe = self.probes[node]
        if probe is not None:
            self.spend(probe.args)
        said = {key: value for key, value in vars(times).items() if value is not None}
        return replace(probe, **said) if probe is not None and said else probe

    def read_final(self, node: Marked) -> None:
        """Take in `final`."""
        self.times = 1
        self.spend(node)
        self.final = self.checks(node, FINAL)
        self.prove(self.final, self.scope)

    def prove(self, checks: tuple[CheckSpec, ...], scope: Scope) -> None:
        """Fill the checks in with placeholders, and note what is wrong with them."""
        for check in checks:
            with self.mistakes:
                check.bind(scope)


def only(tree: MarkedDict, kinds: Collection[str], label: str, what: str) -> Scalar | None:
    """The one key of the mapping that is of these kinds."""
    found = [key for key in tree if key in kinds]
    if len(found) > 1:
        raise fail(found[1].mark, f"{label} has one {what}, and {found[0]} and {found[1]} are two")
    return found[0] if found else None


def part(tree: MarkedDict, keys: Collection[str]) -> MarkedDict:
    """The mapping with these keys only."""
    found = MarkedDict(tree.mark)
    found.update((key, value) for key, value in tree.items() if key in keys)
    return found
