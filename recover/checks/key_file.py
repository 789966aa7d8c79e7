"""Who may read a private key: its service has to, and nobody else may.

The rule is PostgreSQL's ("Secure TCP/IP Connections with SSL"): 0600 or less when the service's user owns the file,
0640 or less when root does. It is strict enough for any other service.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from recover.errors import PlaybookError

_UID = re.compile(r"[0-9]{1,10}")
OWN, SHARED = 0o600, 0o640


@dataclass(frozen=True)
class Account:
    """A user: by name on this machine, or by number, perhaps inside a container only.

    `hosted`: it is a user of this machine, so that the folders above a file matter.
    """

    uid: int
    gid: int
    groups: frozenset[int]
    hosted: bool

    @classmethod
    def of(cls, owner: str) -> Account:
        """The account of that name or number. A number that is nobody here has the group of the same number.

        Raises PlaybookError for a name that is none.
        """
        numbered = bool(_UID.fullmatch(owner))
        try:
            user = pwd.getpwuid(int(owner)) if numbered else pwd.getpwnam(owner)
        except KeyError:
            if not numbered:
                hint = "give the number, where the user is one inside a container"
                raise PlaybookError(f"this machine has no user {owner!r}", next=hint) from None
            return cls(int(owner), int(owner), frozenset({int(owner)}), hosted=False)
        groups = frozenset(os.getgrouplist(user.pw_name, user.pw_gid))
        return cls(user.pw_uid, user.pw_gid, groups, hosted=not numbered)

    def may(self, seen: os.stat_result, bit: int) -> bool:
        """Does the mode let it (bit: 4 read, 1 enter)? Root may always."""
        shift = 6 if seen.st_uid == self.uid else 3 if seen.st_gid in self.groups else 0
        return self.uid == 0 or bool(seen.st_mode & (bit << shift))


def allowed(seen: os.stat_result) -> int:
    """The bits that the mode of a private key with this owner may have."""
    return SHARED if seen.st_uid == 0 else OWN


def faults(path: Path, owner: str | None) -> Iterator[str]:
    """What is wrong with the file's owner and mode; without `owner` only whether others can read it.

    Raises OSError when it cannot be looked at, PlaybookError for an unknown owner.
    """
    seen = path.stat()
    mode = stat.S_IMODE(seen.st_mode)
    if mode & ~allowed(seen) & 0o077:
        fit = f"{allowed(seen):04o}"
        yield f"its mode is {mode:04o}: others can read or change it; a key of {_user(seen.st_uid)} has {fit} or less"
    if owner is not None:
        yield from _out_of_reach(path, seen, owner, Account.of(owner))


def _out_of_reach(path: Path, seen: os.stat_result, owner: str, account: Account) -> Iterator[str]:
    has = f"it belongs to {_user(seen.st_uid)}:{_group(seen.st_gid)} with mode {stat.S_IMODE(seen.st_mode):04o}"
    if seen.st_uid not in (0, account.uid):
        yield f"it has to belong to {owner} or to root: {has}"
    elif not account.may(seen, 4):
        yield f"{owner} cannot read it: {has}"
    for folder in reversed(path.absolute().parents) if account.hosted else ():
        if not account.may(folder.stat(), 1):
            yield f"{owner} cannot enter the folder {folder}"
            return


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
