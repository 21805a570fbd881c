# SPDX-License-Identifier: MIT
"""A mounted account that is written to, and what a second client sees of it."""

import re
from datetime import datetime
from pathlib import Path
from typing import Iterable, NamedTuple

from mailserver import Account
from mount import Mount
from proxy import Proxy
from rawimap import RawImap, quote

_COMMAND = re.compile(rb"^[A-Z]{4}[0-9]+ (.*)$")
_ITEMS = re.compile(rb"UID ([0-9]+)"), re.compile(rb"FLAGS \(([^)]*)\)"), \
    re.compile(rb'INTERNALDATE "([^"]*)"')


class Seen(NamedTuple):
    """A message as the server has it."""

    uid: int
    flags: frozenset[str]
    date: datetime
    content: bytes


class Place:
    """An account, its mount through a recording proxy, and where things are in both."""

    def __init__(self, account: Account, mounted: Mount, between: Proxy):
        self.account = account
        self.mount = mounted
        self.proxy = between
        self.is_timed = False  # whether the test may ask how long things take

    @property
    def is_courier(self) -> bool:
        return self.account.server.name == "courier"

    def box(self, path: str) -> str:
        """The server's name of a mailbox that is called so elsewhere ("Archive/2024")."""
        if not self.is_courier or path == "INBOX":
            return path
        return "INBOX." + path.replace("/", ".")

    def dir(self, path: str) -> Path:
        """Its directory in the mount."""
        if not self.is_courier or path == "INBOX":
            return self.mount / path
        return self.mount / "INBOX" / path

    def files(self, path: str) -> list[Path]:
        """The messages in it as a listing shows them, the oldest first."""
        listed = self.mount.run("ls", "-U", self.dir(path), check=True).stdout.decode().split("\n")
        names = sorted((name for name in listed if name.endswith(".eml")), key=uid_of)
        return [self.dir(path) / name for name in names]

    def file(self, path: str) -> Path:
        """The only message in it."""
        [one] = self.files(path)
        return one

    def seen(self, path: str = "INBOX") -> list[Seen]:
        """What a second client sees in a mailbox, in the order of UIDs."""
        with self.account.raw() as raw:
            raw.must(f"EXAMINE {quote(self.box(path))}")
            return seen(raw)

    def only(self, path: str = "INBOX") -> Seen:
        [one] = self.seen(path)
        return one

    def boxes(self) -> set[str]:
        """The mailboxes that there are, as the server calls them."""
        with self.account.raw() as raw:
            lines = raw.must('LIST "" "*"').untagged
        return {line.decode().rsplit(" ", 1)[1].strip().strip('"') for line in lines
                if b"\\Noselect" not in line and b"\\NonExistent" not in line}

    def said(self) -> list[str]:
        """The commands of the mount so far, without tags."""
        lines = self.proxy.said(from_client=True).split(b"\r\n")
        found = [_COMMAND.match(line) for line in lines]
        return [line[1].decode(errors="replace") for line in found if line]

    def sync(self, *paths: str) -> None:
        """fsync of directories, of INBOX if none is named: waits for the server."""
        for path in paths or ("INBOX",):
            self.mount.run("sync", self.dir(path), check=True)

    def move(self, old: Path, new: Path) -> None:
        self.mount.run("mv", "-n", old, new, check=True)


def seen(raw: RawImap) -> list[Seen]:
    """All messages of the selected mailbox."""
    found = re.search(rb"\* SEARCH([0-9 ]*)", b"".join(raw.must("UID SEARCH ALL").untagged))
    messages = []
    for uid in sorted(map(int, found[1].split())) if found else []:
        told = b"".join(raw.must(f"UID FETCH {uid} (UID FLAGS INTERNALDATE)").untagged)
        number, flags, date = (item.search(told)[1].decode() for item in _ITEMS)
        messages.append(Seen(int(number), frozenset(flags.split()) - {"\\Recent"},
                             datetime.strptime(date.strip(), "%d-%b-%Y %H:%M:%S %z"),
                             raw.body(uid)))
    return messages


def uid_of(name: str) -> int:
    """The UID in a message's name, or 0."""
    found = re.search(r"\.u([0-9]+),[A-Za-z]*\.eml$", name)
    return int(found[1]) if found else 0


def with_flags(path: Path, letters: str) -> Path:
    """The same message with other flags in its name."""
    return path.with_name(re.sub(r",[A-Za-z]*\.eml$", f",{letters}.eml", path.name))


def touched(commands: Iterable[str]) -> list[str]:
    """Those of the commands that change mail, without their arguments."""
    verbs = [re.match(r"UID (STORE|MOVE|COPY|EXPUNGE|REPLACE)|"
                      r"(APPEND|CREATE|DELETE|RENAME|EXPUNGE|CLOSE|STORE|COPY|MOVE)\b", command)
             for command in commands]
    return [verb[0] for verb in verbs if verb]
