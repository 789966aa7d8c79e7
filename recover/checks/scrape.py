"""Key `scrape`: does an endpoint serve metrics that Prometheus can read?

The grammar is that of the Prometheus documentation, "Exposition formats" (text format 0.0.4 and 1.0.0), and of the
OpenMetrics specification. What Prometheus 2.42 takes passes here too, if it has a sample. A few things that it refuses
and the documentation allows, or newer versions take, pass as well: blanks before a name, quoted UTF-8 names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message

from recover.answers import Reply
from recover.checks.http import Expect
from recover.errors import Unreachable
from recover.evidence import Evidence
from recover.secrets import beginning
from recover.world import Resource, Seconds, View

OPENMETRICS = "application/openmetrics-text"
KINDS = ("text/plain", OPENMETRICS)
ACCEPT = {"Accept": f"{OPENMETRICS};version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"}
"""As Prometheus asks: an endpoint may answer a browser otherwise."""
SHOWN = 120  # characters of a line or a page that are shown

# No possessive group holds a choice: before 3.11.5 Python's `re` then matches what it should not (gh-106052).
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_LABEL = rf"[ \t]*+(?:(?:[a-zA-Z_]\w*+|{_STRING})[ \t]*+=[ \t]*+)?{_STRING}[ \t]*+"  # a lone string is the name
_LABELS = rf"\{{(?:{_LABEL}(?:,{_LABEL})*,?)?[ \t]*+\}}"
_NUMBER = r"[+-]?(?:(?:\d++\.?\d*+|\.\d++)(?:e[+-]?\d++)?|inf(?:inity)?|nan)(?![^ \t])"
_VALUE = rf"[ \t]*(?:(?P<name>[a-z_:][\w:]*+)[ \t]*+(?:{_LABELS})?|(?P<quoted>{_LABELS}))[ \t]*+{_NUMBER}"
_EXEMPLAR = rf"[ \t]++\#[ \t]*+{_LABELS}[ \t]++{_NUMBER}(?:[ \t]++{_NUMBER})?"
_FLAGS = re.ASCII | re.IGNORECASE
_TEXT_SAMPLE = re.compile(rf"{_VALUE}(?:[ \t]++-?\d++)?[ \t]*", _FLAGS)  # with milliseconds
_OPEN_SAMPLE = re.compile(rf"{_VALUE}(?:[ \t]++{_NUMBER})?(?:{_EXEMPLAR})?[ \t]*", _FLAGS)  # with seconds
_QUOTED_NAME = re.compile(rf"(?:^\{{|,)[ \t]*({_STRING})[ \t]*(?=[,}}])")
_TYPE = re.compile(rf"[ \t]*#[ \t]+TYPE[ \t]+([a-zA-Z_:][\w:]*|{_STRING})(?:[ \t]+(\S+))?[ \t]*")
_TYPES = ("counter", "gauge", "histogram", "gaugehistogram", "stateset", "info", "summary", "untyped", "unknown")
_PARTS = ("_bucket", "_sum", "_count", "_total", "_created", "_info", "_gsum", "_gcount")


@dataclass(frozen=True)
class Exposition:
    """What a body holds: the number of its samples, their names, and the types declared; or what is wrong with it."""

    samples: int
    names: frozenset[str]
    types: Mapping[str, str]
    wrong: str = ""

    def has(self, metric: str) -> bool:
        """Is there a sample of that name, or one of the family that is declared under it?"""
        family = {metric + part for part in _PARTS} if metric in self.types else set()
        return metric in self.names or not family.isdisjoint(self.names)


def exposition(text: str, *, openmetrics: bool = False) -> Exposition:
    """The body read line by line, up to the first one that is none of the format."""
    sample = _OPEN_SAMPLE if openmetrics else _TEXT_SAMPLE
    names, types, samples = set[str](), dict[str, str](), 0
    for number, line in enumerate(text.split("\n"), 1):
        if found := sample.fullmatch(line):
            names.add(found["name"] or _quoted(found["quoted"]))
            samples += 1
        elif declared := _TYPE.fullmatch(line):
            types[declared[1].strip('"')] = declared[2] or ""
        if (wrong := "" if found else _misses(line)) or "" in names:
            shown = f"line {number} is {wrong or 'a sample without a name'}: {beginning(line.strip(), SHOWN)!r}"
            return Exposition(samples, frozenset(names), types, shown)
    return Exposition(samples, frozenset(names), types)


def _misses(line: str) -> str:
    """What is wrong with a line that is no sample, or "": comments and blanks are fine."""
    if declared := _TYPE.fullmatch(line):
        return "" if declared[2] in _TYPES else "a TYPE that there is not"
    return "" if line.lstrip(" \t")[:1] in ("", "#") else "no sample of the exposition format"


def _quoted(labels: str) -> str:
    """The name of a sample that stands among its labels, as UTF-8 names do; "" when there is none."""
    name = _QUOTED_NAME.search(labels)
    return re.sub(r"\\(.)", r"\1", name[1][1:-1]) if name else ""


@dataclass(frozen=True)
class ScrapeWorks:
    """The address answers 200 with at least one sample in the text format, and with `metric` among them.

    `metric` is the name of a sample or of a declared family (a histogram's without `_bucket`). Only the first 64 KiB
    of an answer are read: what comes later is not seen. `timeout` in seconds.
    """

    get: str
    metric: str | None = None
    timeout: Seconds = Seconds(5)

    @property
    def about(self) -> frozenset[Resource]:
        """Nothing by itself: the services come from the URL's ${services.…}."""
        return frozenset()

    def ask(self, view: View) -> Evidence:
        """One GET, as Prometheus asks."""
        question = f"does {self.get} serve metrics{f' with {self.metric}' if self.metric else ''}?"
        try:
            reply = view.web.get(self.get, headers=ACCEPT, timeout=self.timeout)
        except Unreachable as error:
            return Evidence(question, f"no answer: {error.why}", passed=False)
        found = exposition(_whole_lines(reply), openmetrics=_kind(reply) == OPENMETRICS)
        missed = next(self._misses(reply, found), "")
        answer = missed or f"{found.samples} samples{' in the first 64 KiB' if reply.cut else ''}"
        return Evidence(question, answer, passed=not missed, attachment=reply.text if missed else None)

    def _misses(self, reply: Reply, found: Exposition) -> Iterator[str]:
        """What is wrong, the first cause first."""
        if refused := Expect(status=200).misses(reply):
            yield refused
        if foreign := _foreign(reply):
            yield foreign
        if found.wrong:
            yield found.wrong
        if not found.samples:
            yield "it holds no sample"
        if _kind(reply) == OPENMETRICS and not reply.cut and not reply.text.rstrip("\n").endswith("# EOF"):
            yield "it is OpenMetrics and does not end with # EOF: it may be cut off"
        if self.metric is not None and not found.has(self.metric):
            yield self._absent(reply, found)

    def _absent(self, reply: Reply, found: Exposition) -> str:
        if self.metric in found.types:
            return f"{self.metric} is declared, but there is no sample of it yet"
        return f"{'the first 64 KiB hold' if reply.cut else 'it holds'} no {self.metric}"


def _whole_lines(reply: Reply) -> str:
    """The body without the line that the limit cut."""
    return reply.text.rpartition("\n")[0] if reply.cut else reply.text


def _kind(reply: Reply) -> str:
    """The media type of the answer, or ""."""
    told = Message()
    told["content-type"] = reply.headers.get("content-type", "")
    return told.get_content_type() if reply.headers.get("content-type") else ""


def _foreign(reply: Reply) -> str:
    """What it serves, when that is not metrics by its own word; or ""."""
    kind, words = _kind(reply), beginning(" ".join(reply.text.split()), SHOWN)
    if kind in KINDS:
        return ""
    if not kind:
        return "it names no Content-Type, and Prometheus 3 refuses it for that"
    page = ", an HTML page" if kind == "text/html" else ""
    return f"it serves {kind}{page}, not metrics: {words}"
