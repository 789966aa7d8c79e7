"""Every way in which a certificate is bad is told with its facts, and none is told of a good one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from authorities import Pair, authority, now
from cryptography.hazmat.primitives import serialization as forms

from recover.certificates import Standard, examine, matches, mismatch, private_key

CA = authority()
OTHER = authority("Other CA")


def findings(leaf: Pair, *names: str, chain: tuple[Pair, ...] = (), ca: Pair = CA, days_left: int = 14) -> list[str]:
    data = b"".join(one.pem for one in (leaf, *chain))
    return [str(found) for found in examine(data, Standard(ca.pem, names or ("db",), now(), days_left)).findings]


def test_a_good_one_is_described() -> None:
    verdict = examine(CA.leaf("db", "10.0.0.1").pem, Standard(CA.pem, ("db", "10.0.0.1"), now(), 14))
    assert verdict.findings == ()
    assert verdict.summary.startswith("valid until 20")
    assert "UTC (89 days), for db, 10.0.0.1, signed by CN=Test CA" in verdict.summary


def test_der_is_read_too() -> None:
    leaf, ca = (one.certificate.public_bytes(forms.Encoding.DER) for one in (CA.leaf("db"), CA))
    assert examine(leaf, Standard(ca, ("db",), now())).findings == ()


# --- time -----------------------------------------------------------------------------------------


def test_an_expired_one_says_since_when() -> None:
    leaf = CA.leaf("db", begin=-9, end=-3)
    end = leaf.certificate.not_valid_after_utc
    assert findings(leaf) == [f"it expired on {end:%Y-%m-%d %H:%M} UTC (3 days ago)"]


def test_one_of_the_future_says_from_when_and_both_times() -> None:
    leaf, here = CA.leaf("db", begin=2), now()
    [found] = examine(leaf.pem, Standard(CA.pem, ("db",), here)).findings
    assert found.fact == f"it is not valid before {leaf.certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
    assert found.now.startswith(f"the clock here says {here:%Y-%m-%d %H:%M} UTC: this clock, or that of the machine")


def test_one_that_ends_soon_says_when_and_how_many_days_are_wanted() -> None:
    leaf = CA.leaf("db", end=6)
    [found] = findings(leaf)
    assert "it is valid only until" in found
    assert "14 days are wanted (5 days left)" in found
    assert findings(leaf, days_left=5) == []


def test_the_fact_does_not_depend_on_the_moment_of_asking() -> None:
    leaf = CA.leaf("db", begin=-9, end=-3)
    told = [examine(leaf.pem, Standard(CA.pem, (), now() + timedelta(days=days))).findings[0] for days in (0, 5)]
    assert told[0].fact == told[1].fact
    assert told[0].now != told[1].now


# --- the path -------------------------------------------------------------------------------------


def test_another_authority_is_named_beside_the_wanted_one() -> None:
    assert findings(OTHER.leaf("db")) == [
        "it does not lead to the authority: its issuer is CN=Other CA, the authority is CN=Test CA"
    ]


def test_an_authority_made_anew_under_the_same_name_is_told_from_another_one() -> None:
    [found] = findings(authority().leaf("db"))
    assert "names CN=Test CA as its issuer, but the authority's key did not sign it" in found


def test_one_that_signed_itself_says_so() -> None:
    alone = authority("db")
    assert "it is signed by itself (CN=db), not by the authority CN=Test CA" in findings(alone)


def test_a_path_through_an_intermediate_is_followed_when_it_is_in_the_file() -> None:
    middle = CA.intermediate()
    leaf = middle.leaf("db")
    assert findings(leaf, chain=(middle,)) == []
    [found] = findings(leaf)
    assert "its issuer is CN=Intermediate, the authority is CN=Test CA" in found


def test_an_intermediate_that_leads_elsewhere_is_the_one_that_is_named() -> None:
    middle = OTHER.intermediate()
    [found] = findings(middle.leaf("db"), chain=(middle,))
    assert found.startswith(
        "the intermediate CN=Intermediate does not lead to the authority: its issuer is CN=Other CA"
    )


def test_a_root_in_the_file_that_is_another_one_ends_the_path() -> None:
    [found] = findings(OTHER.leaf("db"), chain=(OTHER,))
    assert found == "the intermediate CN=Other CA is signed by itself (CN=Other CA), not by the authority CN=Test CA"


def test_an_expired_intermediate_and_one_that_may_not_sign_are_named() -> None:
    old = CA.intermediate(begin=-5, end=-1)
    [found] = findings(old.leaf("db"), chain=(old,))
    assert found.startswith("the intermediate CN=Intermediate expired on")
    no = CA.intermediate(ca=False)
    [found] = findings(no.leaf("db"), chain=(no,))
    assert found == "CN=Intermediate signed it and may not: it is no certificate of an authority"


@pytest.mark.parametrize(
    ("begin", "end", "said"), [(-9, -3, "CN=Old expired on"), (3, 9, "CN=Old is not valid before")]
)
def test_an_authority_that_is_not_valid_is_told_even_when_it_signed_nothing(begin: int, end: int, said: str) -> None:
    old = authority("Old", begin=begin, end=end)
    [found] = findings(old.leaf("db"), ca=old)
    assert found.startswith(f"the authority {said}")
    assert any(one.startswith(f"the authority {said}") for one in findings(OTHER.leaf("db"), ca=old))


def test_any_authority_of_a_bundle_will_do() -> None:
    bundle = OTHER.pem + CA.pem
    assert examine(CA.leaf("db").pem, Standard(bundle, ("db",), now())).findings == ()


# --- names, key, content --------------------------------------------------------------------------


def test_a_missing_name_is_told_with_those_it_has() -> None:
    assert findings(CA.leaf("api", "10.0.0.2"), "db", "api") == ["it is not for db: it is only for api, 10.0.0.2"]
    assert findings(CA.leaf(), "db") == ["it is not for db: it is for no name at all (its subject is CN=server)"]


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("db.example.com", "DB.Example.Com.", True),
        ("*.example.com", "db.example.com", True),
        ("*.example.com", "a.db.example.com", False),
        ("*.example.com", "example.com", False),
        ("*.com", "example.com", False),
        ("d*.example.com", "db.example.com", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("*.0.0.1", "127.0.0.1", False),
        ("::1", "0:0:0:0:0:0:0:1", True),
        ("127.0.0.1", "localhost", False),
    ],
)
def test_names_match_as_rfc_6125_says(pattern: str, name: str, fits: bool) -> None:
    assert matches(pattern, name) is fits


def test_a_key_of_another_certificate_is_told() -> None:
    one, two = CA.leaf("db"), CA.leaf("db")
    assert mismatch(one.pem, one.key_pem) == []
    [found] = mismatch(one.pem, two.key_pem)
    assert "does not belong to the certificate" in found.fact


def test_content_that_is_none_is_named() -> None:
    good = Standard(CA.pem, ("db",), now())
    for junk in (b"", b"junk", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        with pytest.raises(ValueError, match="the certificate's file holds no certificate"):
            examine(junk, good)
    with pytest.raises(ValueError, match="the authority's file holds no certificate"):
        examine(CA.leaf("db").pem, Standard(b"", ("db",), now()))
    with pytest.raises(ValueError, match="the key's file holds no private key"):
        private_key(CA.pem, "the key's file")
    locked = forms.BestAvailableEncryption(b"pass")
    pem = CA.key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, locked)
    with pytest.raises(ValueError, match="passphrase"):
        private_key(pem, "the key's file")
