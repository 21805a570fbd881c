# SPDX-License-Identifier: MIT
"""A mounted maildrop: what it shows, what its spool has, and what a watcher of it hears."""

import ctypes
import os
import re
import select
import struct
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from mount import Home, Mount
from place import uid_of
from processes import wait_until

PLACES = {"INBOX": "", "Read": ".Read", "Trash": ".Trash"}  # in the Maildir

MOVED_FROM, MOVED_TO = 0x40, 0x80
_LIBC = ctypes.CDLL(None, use_errno=True)
_EVENT = struct.Struct("iIII")


class Event(NamedTuple):
    """Something happened to a name in a directory."""

    box: str
    mask: int
    cookie: int
    name: str


class Watch:
    """Hears of renames in directories, as a file manager does.  A context manager."""

    def __init__(self, *folders: Path):
        self._fd = _LIBC.inotify_init1(os.O_CLOEXEC)
        assert self._fd >= 0
        self._boxes = {self._add(folder): folder.name for folder in folders}

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_) -> None:
        os.close(self._fd)

    def next(self, count: int) -> list[Event]:
        """The next so many events."""
        deadline, events = time.monotonic() + 10, []
        while len(events) < count:
            ready, _, _ = select.select([self._fd], [], [], deadline - time.monotonic())
            assert ready, f"of {count} events there were only {events}"
            events += self._read()
        return events

    def _add(self, folder: Path) -> int:
        number = _LIBC.inotify_add_watch(self._fd, os.fsencode(folder), MOVED_FROM | MOVED_TO)
        assert number >= 0, folder
        return number

    def _read(self) -> list[Event]:
        data, events = os.read(self._fd, 1 << 16), []
        while data:
            number, mask, cookie, size = _EVENT.unpack_from(data)
            name = data[_EVENT.size:_EVENT.size + size].rstrip(b"\0").decode()
            events.append(Event(self._boxes[number], mask, cookie, name))
            data = data[_EVENT.size + size:]
        return events


class PopPlace:
    """A mount of a maildrop; messages are told by parts of their names, as by their subjects."""

    def __init__(self, mounted: Mount):
        self.mount = mounted
        self.spool = spool_of(mounted.home)

    def __truediv__(self, name: str) -> Path:
        return self.mount / name

    def names(self, box: str = "INBOX") -> list[str]:
        """As a listing shows them, the oldest first."""
        listed = self.mount.run("ls", "-U", box, check=True).stdout.decode().splitlines()
        return sorted(listed, key=uid_of)

    def find(self, part: str, box: str = "INBOX") -> Path:
        """The only message of that name."""
        found = [name for name in self.names(box) if part in name]
        assert len(found) == 1, f"{part} is in {box} as {found}"
        return self.mount / box / found[0]

    def has(self, part: str, box: str) -> bool:
        return any(part in name for name in self.names(box))

    def await_in(self, box: str, *parts: str) -> None:
        """Returns when the mailbox shows these."""
        wait_until(lambda: all(self.has(part, box) for part in parts))

    def cat(self, *parts: str) -> bytes:
        """Reads messages in INBOX to their ends, and waits until they are in Read."""
        paths = [self.find(part).relative_to(self.mount.path) for part in parts]
        read = self.mount.run("cat", *paths, check=True).stdout
        self.await_in("Read", *parts)
        return read

    def look_for_mail(self) -> None:
        """As "touch INBOX": a visit that is under way ends, and there is another one."""
        self.mount.run("touch", "INBOX")

    def kept(self, place: str) -> list[bytes]:
        """What the spool has there, in the order of the numbers, when all changes were made."""
        wait_until(lambda: "changes not sent: 0\n" in self.status())
        return kept(self.spool, place)

    def status(self) -> str:
        return (self.mount / ".mailfs/status").read_text()


def spool_of(home: Home) -> Path:
    """The Maildir of the only maildrop of a home."""
    [spool] = (home.path / "state/mailfs").glob("pop3*/spool")
    return spool


def kept(spool: Path, place: str) -> list[bytes]:
    """The messages that are there, each at one moment: a file that moves meanwhile is not missed."""
    folder = spool / PLACES[place]
    while True:
        files = sorted([*folder.glob("cur/*"), *folder.glob("new/*")], key=_number_of)
        try:
            found = [path.read_bytes() for path in files]
        except FileNotFoundError:
            continue
        if files == sorted([*folder.glob("cur/*"), *folder.glob("new/*")], key=_number_of):
            return found


def subjects(names: list[str]) -> Counter[str]:
    """The last words of messages' names."""
    return Counter(re.search(r"([^_]*)\.u\d+,[A-Za-z]*\.eml$", name)[1] for name in names)


def _number_of(path: Path) -> int:
    found = re.search(r"U(\d+)\.mailfs", path.name)
    return int(found[1]) if found else 0
