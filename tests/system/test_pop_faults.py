# SPDX-License-Identifier: MIT
"""Whatever breaks between the first connection and QUIT, each message is there once, and readable.

Somebody reads three messages, looks into one and removes one, with keep=none.  That is played once
undisturbed, and then for many points at which it is disturbed; then it is mounted again, and played
to its end.  Points are chosen as in test_crashes.py.
"""

import os
import random
import re
import shlex
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Callable, Iterator, NamedTuple, Optional

import pytest

import messages
from messages import Message
from mount import BINARY, RELEASE, Home, MountFailed, is_mounted
from pop_place import PLACES, PopPlace, kept, subjects
from processes import PATIENCE, run, wait_until
from proxy import Proxy
from test_crashes import N_POINTS, POINTS, SEED, Bounded, Doomed
from test_write_faults import Disk

READ, SEEN, REMOVED, UNTOUCHED = ["Apple", "Birch", "Cedar"], "Daisy", "Elder", "Fern"
N_LINES = {"Apple": 2000, "Birch": 10, "Cedar": 300, "Daisy": 500, "Elder": 50, "Fern": 20}
LETTERS = {subject: messages.message(b"One of many lines, all alike.\r\n" * count, subject=subject)
           for subject, count in N_LINES.items()}
STAY = [SEEN, UNTOUCHED]  # at the server, in the end
AT_ONCE = 4  # plays
DISK = "4m"
PAGE = 4096

# What may happen after one of these calls and not before, or the other way round.
WRITES = "fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,pwrite64,ftruncate"
SYNCS = "fsync,fdatasync"
TALK = "sendto,recvfrom"

pytestmark = pytest.mark.timeout(600)


class Beside:
    """A mount beside others: what is being started for them may have files of it open still."""

    def unmount(self) -> None:
        wait_until(lambda: not is_mounted(self.path) or
                   run(["fusermount3", "-u", self.path]).returncode == 0, pause=0.1)
        super().unmount()


class Living(Beside, Bounded):
    """One whose daemon has to live."""


class Dying(Beside, Doomed):
    """One whose daemon is killed, perhaps."""


class Play:
    """The story, in an account and a home of its own.  A context manager."""

    def __init__(self, server):
        self.account = server.new_account()
        self.account.deliver_all(map(Message, LETTERS.values()))
        self.home = Home()
        self.stack = ExitStack()
        self.stack.callback(self.home.remove)
        self.here: Optional[PopPlace] = None

    def __enter__(self) -> "Play":
        return self

    def __exit__(self, *_) -> None:
        self.stack.close()

    def mount(self, port: Optional[int] = None, kind=Living, binary: Path = BINARY) -> None:
        mounted = kind(self.account.url("pop3+insecure", port), "keep=none", home=self.home,
                       binary=binary)
        self.stack.callback(mounted.finish)
        self.here = PopPlace(mounted)

    def disturbed(self, **how) -> bool:
        """As far as that goes, until nothing more happens; then nothing is lost.

        Tells whether it came to its end.
        """
        is_done = False
        self.patience = 10  # for what may never come
        try:
            self.mount(**how)
        except MountFailed:
            pass
        else:
            is_done = self._try_all()
            self.here.mount.finish()
        self._assert_nothing_is_lost()
        return is_done

    def undisturbed(self, **how) -> None:
        """To the end; each message is there once, before and after it."""
        self.patience = PATIENCE
        self.mount(**how)
        self._assert_each_is_there_once()
        for step in self._steps():
            step()
        wait_until(lambda: self._at_server() == STAY, pause=0.1)
        assert subjects(self.here.names()) == dict.fromkeys(STAY, 1)
        assert self._told(self._in_directory("Read")) == READ
        assert self._told(self.here.kept("Trash")) == [REMOVED]
        self.here.mount.finish()

    # What is done.

    def _steps(self) -> Iterator[Callable[[], None]]:
        for subject in READ:
            yield lambda: self._read(subject)
        yield lambda: self._look(SEEN)
        yield lambda: self._remove(REMOVED)
        yield lambda: self._await_moves()
        yield lambda: os.utime(self.here / "INBOX")  # ends the visit

    def _find(self, subject: str) -> Optional[Path]:
        """Where it is in INBOX, if it is there still."""
        folder = self.here / "INBOX"
        found = [name for name in os.listdir(folder) if f"_{subject}.u" in name]
        return folder / found[0] if found else None

    def _read(self, subject: str) -> None:
        if path := self._find(subject):
            with open(path, "rb", 0) as file:
                assert b"".join(iter(lambda: file.read(1 << 16), b"")) == LETTERS[subject]

    def _look(self, subject: str) -> None:
        if path := self._find(subject):
            with open(path, "rb", 0) as file:
                assert file.read(1000) == LETTERS[subject][:1000]

    def _remove(self, subject: str) -> None:
        if path := self._find(subject):
            path.unlink()

    def _await_moves(self) -> None:
        wait_until(lambda: len(os.listdir(self.here / "Read")) == len(READ) and
                   "changes not sent: 0\n" in self.here.status(), self.patience)

    def _try_all(self) -> bool:
        failures = []
        for step in self._steps():
            try:
                step()
            except (OSError, TimeoutError) as failure:
                failures.append(failure)
        try:
            wait_until(lambda: self._is_in_trouble() or self._at_server() == STAY, self.patience,
                       pause=0.1)
        except TimeoutError as failure:
            failures.append(failure)
        return not failures and not self._is_in_trouble()

    def _is_in_trouble(self) -> bool:
        try:
            return "state: online\n" not in self.here.status()
        except OSError:
            return True

    # What must be so.

    def _assert_nothing_is_lost(self) -> None:
        there = [content for place in PLACES for content in self._kept(place)]
        assert set(there) <= set(LETTERS.values())
        with self.account.pop() as raw:
            there += raw.messages()
        assert self._told(set(there)) == sorted(LETTERS)

    def _assert_each_is_there_once(self) -> None:
        shown = self.here.names() + self.here.names("Read")
        counts = subjects(shown) + Counter(self._told(self.here.kept("Trash")))
        assert counts == dict.fromkeys(LETTERS, 1)
        for content in self._in_directory("Read"):
            assert content in LETTERS.values()

    def _kept(self, place: str) -> list[bytes]:
        spools = list((self.home.path / "state/mailfs").glob("*/spool"))
        return kept(spools[0], place) if spools else []

    def _in_directory(self, box: str) -> list[bytes]:
        return [path.read_bytes() for path in (self.here / box).iterdir()]

    def _at_server(self) -> list[str]:
        with self.account.pop() as raw:
            return self._told(raw.messages())

    @staticmethod
    def _told(contents) -> list[str]:
        """The subjects of messages, each of which must be whole."""
        subjects_of = {content: subject for subject, content in LETTERS.items()}
        return sorted(subjects_of[content] for content in contents)


class Traced(Play):
    """Its daemon runs under strace, with these words."""

    def __init__(self, server, *words: str):
        super().__init__(server)
        self.calls = self.home.path / "calls"
        self.script = self.home.path / "traced"
        line = shlex.join(map(str, ["strace", "-f", "-o", self.calls, *words, RELEASE]))
        self.script.write_text(f'#!/bin/sh\nexec {line} "$@"\n')
        self.script.chmod(0o755)


class Course(NamedTuple):
    """What there was when nothing disturbed it: how many points there are to disturb."""

    n_calls: dict[str, int]  # by what was traced: in the thread that had most
    bytes_up: int
    bytes_down: int
    n_pages: int  # of the state on the disk


@pytest.fixture(scope="module")
def course(dovecot) -> Course:
    if os.geteuid() != 0:
        pytest.skip("needs root, to trace what may not be dumped")
    kinds = (WRITES, SYNCS, TALK)
    with Traced(dovecot, "--trace=" + ",".join(kinds)) as play, Proxy(dovecot.pop_port) as between:
        play.undisturbed(port=between.port, binary=play.script)
        counts = between.totals()
        calls = Counter(re.findall(r"^(\d+) +(\w+)\(", play.calls.read_text(), re.M))
        state = sum(path.stat().st_blocks for path in (play.home.path / "state").rglob("*")) * 512
    n_calls = {}
    for kind in kinds:
        by_thread = Counter()
        for (thread, name), count in calls.items():
            by_thread[thread] += count if name in kind.split(",") else 0
        n_calls[kind] = max(by_thread.values())
    return Course(n_calls, counts.bytes_up, counts.bytes_down, state // PAGE)


# Each of these plays it disturbed at one point, and then to its end; tells whether it did disturb.

def injected(server, calls: str, what: str, point: int, kind=Living) -> bool:
    """Something becomes of the nth of some system calls, in each thread."""
    with Traced(server, f"--trace={calls}", f"--inject={calls}:{what}:when={point}") as play:
        is_done = play.disturbed(kind=kind, binary=play.script)
        play.undisturbed()
    return not is_done


def cut(server, point: int, from_client: bool) -> bool:
    """All connections are cut when the server, or the client, has said so many bytes."""
    with Play(server) as play, Proxy(server.pop_port) as between:
        between.cut(after=point, from_client=from_client)
        play.disturbed(port=between.port)
        passed = between.totals()
        between.resume()
        play.undisturbed(port=between.port)
    return (passed.bytes_up if from_client else passed.bytes_down) >= point


def fill(server, point: int) -> bool:
    """The disk is full but for so many pages."""
    with Play(server) as play:
        disk = Disk(play.home.path / "state", DISK)
        play.stack.callback(disk.remove)
        disk.fill()
        os.truncate(disk.ballast, disk.ballast.stat().st_size - point * PAGE)
        is_done = play.disturbed()
        disk.clear()
        play.undisturbed()
    return not is_done


class Fault(NamedTuple):
    play: Callable[..., bool]  # given the server and the point
    n_points: Callable[[Course], int]


FAULTS = {
    "killed-writing": Fault(
        lambda server, point: injected(server, WRITES, "signal=KILL", point, Dying),
        lambda course: course.n_calls[WRITES]),
    "killed-talking": Fault(
        lambda server, point: injected(server, TALK, "signal=KILL", point, Dying),
        lambda course: course.n_calls[TALK]),
    "disk-that-loses": Fault(
        lambda server, point: injected(server, SYNCS, "error=EIO", point),
        lambda course: course.n_calls[SYNCS]),
    "full-disk": Fault(fill, lambda course: course.n_pages // 2),
    "cut-replies": Fault(lambda server, point: cut(server, point, False),
                         lambda course: course.bytes_down),
    "cut-commands": Fault(lambda server, point: cut(server, point, True),
                          lambda course: course.bytes_up),
}


def points_of(name: str, course: Course) -> list[int]:
    """All, or those that are asked for."""
    if POINTS:
        return [int(point) for point in POINTS.split(",")]
    return list(range(1, FAULTS[name].n_points(course) + 1))


def sweep(server, trials: list[tuple[str, int]]) -> None:
    """Plays it once for each (fault, point); each fault must disturb it somewhere."""
    failures, effective = [], set()

    def attempt(name: str, point: int) -> None:
        try:
            if FAULTS[name].play(server, point):
                effective.add(name)
        except Exception:  # pylint: disable=broad-except
            failures.append(f"--- {name}, at point {point} (MAILFS_SEED={SEED}, or MAILFS_POINTS="
                            f"{point} with --full -k {name}):\n{traceback.format_exc(limit=-4)}")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for trial in trials:
            pool.submit(attempt, *trial)
    assert not failures, "\n".join(failures)
    assert effective == {name for name, _ in trials}


def test_some_faults(dovecot, course):
    trials = []
    for name in FAULTS:
        points = points_of(name, course)
        chosen = random.Random(f"{SEED} {name}").sample(points, min(N_POINTS, len(points)))
        trials += [(name, point) for point in chosen]
    sweep(dovecot, trials)


@pytest.mark.full
@pytest.mark.timeout(36_000)
@pytest.mark.parametrize("name", FAULTS)
def test_faults_anywhere(dovecot, course, name):
    sweep(dovecot, [(name, point) for point in points_of(name, course)])
