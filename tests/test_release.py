"""What is released has one version: in the code, in CHANGELOG.md and in the tag."""

from __future__ import annotations

import re
import subprocess
from datetime import date
from pathlib import Path

from packaging.version import Version

import recover

ROOT = Path(__file__).parents[1]
HEADINGS = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
RELEASE = re.compile(r"\[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)")


def test_the_changelog_has_dated_releases_newest_first_and_none_newer_than_the_code() -> None:
    assert HEADINGS[0] == "[Unreleased]"
    releases = [RELEASE.fullmatch(heading) for heading in HEADINGS[1:]]
    assert all(releases), "a heading is [1.2.3] - 2026-01-31"
    versions = [Version(release[1]) for release in releases if release]
    days = [date.fromisoformat(release[2]) for release in releases if release]
    assert [Version(recover.__version__), *versions] == sorted([Version(recover.__version__), *versions], reverse=True)
    assert days == sorted(days, reverse=True)


def test_a_tag_is_the_version_and_has_a_section() -> None:
    words = ["git", "-C", str(ROOT), "tag", "--points-at", "HEAD", "v*"]
    tags = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    for tag in tags:
        assert tag == f"v{recover.__version__}"
        assert HEADINGS[1].startswith(f"[{recover.__version__}] - ")


def test_no_possessive_group_holds_a_choice() -> None:
    """Python 3.11.0 to 3.11.4, that of Debian 12 too, matches with them what it should not: gh-106052."""
    choice = re.compile(r"\((?:\?:)?[^()]*\|[^()]*\)[*+?]\+")
    found = [str(path) for path in Path("recover").rglob("*.py") if choice.search(path.read_text())]
    assert not found
