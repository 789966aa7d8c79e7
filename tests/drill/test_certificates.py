from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from recover.checks.tls import TlsFiles
from recover.drill.certificates import make, spoil
from recover.drill.damage import Kind, Spoilt

NAMES = ("proxy", "127.0.0.1")
WRONG: dict[Kind, str] = {
    "expired": "it expired on",
    "not-yet-valid": "it is not valid before",
    "wrong-name": "it is not for proxy, 127.0.0.1: it is only for other.example",
    "wrong-authority": "its issuer is CN=Another authority",
    "other-key": "the key does not belong to the certificate",
    "expired-authority": "the authority CN=The replica's authority expired on",
}


def wrong(folder: Path) -> list[str]:
    certs = folder / "certs"
    files = TlsFiles(str(certs / "proxy.crt"), str(certs / "proxy.key"), str(certs / "ca.crt"))
    return [str(finding) for finding in files.judge(NAMES, 14).findings]


def test_a_pair_is_made_good_and_then_bad_in_one_way_at_a_time(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    make(tmp_path, {"proxy": NAMES}, now)
    assert wrong(tmp_path) == []
    for kind, words in [*WRONG.items(), *reversed(WRONG.items())]:
        spoil(tmp_path, Spoilt("proxy", NAMES, kind), now)
        [finding] = wrong(tmp_path)
        assert words in finding, kind
    assert WRONG.keys() == set(get_args(Kind))


def test_without_pairs_there_is_no_authority(tmp_path: Path) -> None:
    make(tmp_path, {}, datetime.now(UTC))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["expired", "other-key"])
def test_keys_stay_private(tmp_path: Path, kind: Kind) -> None:
    now = datetime.now(UTC)
    make(tmp_path, {"proxy": NAMES}, now)
    spoil(tmp_path, Spoilt("proxy", NAMES, kind), now)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "certs").iterdir()}
    assert modes == {"ca.crt": 0o644, "ca.key": 0o600, "proxy.crt": 0o644, "proxy.key": 0o600}
