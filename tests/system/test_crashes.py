# SPDX-License-Identifier: MIT
"""Whenever the daemon is killed or a connection cut, all ends as if nothing had happened.

Each scenario is played once undisturbed, and then again for many points at which it is disturbed:
some, or all with --full.  MAILFS_SEED=$RANDOM chooses others; MAILFS_POINTS=17,18 plays these.
"""

import errno
import os
import random
import shlex
import signal
import traceback
from collections import Counter
from pathlib import Path
from typing import Callable, Optional
from zlib import crc32

import pytest

from mailserver import Dovecot, Options
from mount import BINARY, RELEASE, Home, Mount, MountFailed
from place import Place, Seen, seen, uid_of
from processes import run, wait_until
from proxy import Proxy
from rawimap import quote
from scenarios import BOXES, SCENARIOS, SYNC, Scenario, named, new_account

SEED = int(os.environ.get("MAILFS_SEED", 20260215))
POINTS = os.environ.get("MAILFS_POINTS")
N_POINTS = 4
DEADLINE = 100  # seconds that a daemon has for a scenario
DEAD = (errno.ENOTCONN, errno.ECONNABORTED)
AWAY = (errno.EHOSTUNREACH, errno.ETIMEDOUT)
SPECIAL_USE = {"Drafts": "\\Drafts", "Trash": "\\Trash"}

# What may happen after one of these calls and not before, or the other way round.
WRITES = "pwrite64,write,fdatasync,ftruncate"
TALK = "sendto,recvfrom"

State = Counter[str]

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def server(authority):
    with Dovecot(Options(special_use=SPECIAL_USE), authority=authority) as running:
        yield running


class Bounded(Mount):
    """A mount that lets go of whoever is in it at its deadline, even if its daemon cannot end."""

    def _expire(self, deadline: float) -> None:
        super()._expire(deadline)
        run(["umount", "-f", self.path])


class Play:
    """A scenario on an account of its own.  A context manager, whose folders go at the end."""

    def __init__(self, server, scenario: Scenario):
        self.scenario = scenario
        self.account = new_account(server)
        self.home = Home()
        self.here = Place(self.account, None, None)
        self.first = self._on_server()

    def __enter__(self) -> "Play":
        return self

    def __exit__(self, *_) -> None:
        try:
            if self.here.mount:
                self.here.mount.finish()
        finally:
            self.home.remove()

    def mount(self, port: Optional[int] = None, kind=Bounded, binary: Path = BINARY) -> None:
        """Mounts it, once more if need be; the Mount is of that kind."""
        if self.here.mount:
            self.here.mount.finish()
        self.here.mount = None
        self.here.mount = kind(self.account.url("imap+insecure", port), *self.scenario.options,
                               home=self.home, binary=binary, deadline=DEADLINE)

    def perform(self, recover: Callable[[OSError], None]) -> None:
        """Does all steps, and waits for the server.

        A step that fails is done again after recover(), which raises what should not have happened;
        but not if it is found to have been done, then or when it fails again: what a call has
        begun may still happen after its failure.
        """
        for step in self.scenario.steps + SYNC:
            failed = False
            while True:
                try:
                    if not (failed and step.is_done(self.here)):
                        step.do(self.here)
                    break
                except OSError as error:
                    if failed and step.is_done(self.here):
                        break
                    recover(error)
                    failed = True

    def sync(self) -> None:
        for step in SYNC:
            step.do(self.here)

    def state(self) -> State:
        """What the server has in the end.  The mount must show the same, and owe it nothing.

        What is only marked as deleted may be hidden until the mailbox is compared anew.
        """
        for box in sorted(self.here.boxes()):
            shown = sorted(uid_of(path.name) for path in named(self.here, box, ".eml"))
            assert shown == [one.uid for one in self.here.seen(box)
                             if "\\Deleted" not in one.flags], f"in {box}"
        assert "changes not sent: 0\n" in self.status()
        return self._on_server()

    def _on_server(self) -> State:
        state = Counter(self.here.boxes())
        with self.account.raw() as raw:
            for box in sorted(state):
                raw.must(f"EXAMINE {quote(box)}")
                state.update(described(box, one) for one in seen(raw))
        return state

    def status(self) -> str:
        return (self.here.mount / ".mailfs/status").read_text()


def described(box: str, one: Seen) -> str:
    subject = one.content.partition(b"Subject: ")[2].partition(b"\r")[0].decode()
    return (f"{box}: {subject}, {len(one.content)} bytes ({crc32(one.content):08x}), {one.date}, "
            f"{' '.join(sorted(one.flags))}")


def assert_same(found: State, expected: State) -> None:
    lost, more = (sorted(one.elements()) for one in (expected - found, found - expected))
    assert not lost and not more, "\n".join(["there is not:", *lost, "but there is:", *more])


def sweep(full: bool, n_points: int, what: str, try_point: Callable[[int], None]) -> None:
    """Tries points from 1 to n_points: all, or some."""
    points = list(range(1, n_points + 1))
    if POINTS:
        points = [int(point) for point in POINTS.split(",")]
    elif not full:
        chosen = random.Random(f"{SEED} {what}")
        points = sorted({1 + int(chosen.random() * n_points) for _ in range(N_POINTS)})
    failures = []
    for point in points:
        try:
            try_point(point)
        except Exception:  # pylint: disable=broad-except
            failures.append(f"--- {what}, at point {point} of {n_points} "
                            f"(MAILFS_SEED={SEED}):\n{traceback.format_exc(limit=-4)}")
    assert not failures, "\n".join(failures)


# --- the daemon is killed ---

class Doomed(Bounded):
    """A mount whose daemon may be killed at any time."""

    def __init__(self, *arguments, **how):
        super().__init__(*arguments, **how)
        self._expected_code = None

    def _inspect(self) -> None:
        if self._process.returncode not in (0, -signal.SIGKILL):
            self.complaints.append(f"mailfs exited with {self._process.returncode}")
        super()._inspect()


class Killed(Play):
    """Is killed before the nth of some system calls on the journal (or on any file)."""

    def __init__(self, server, scenario: Scenario, calls: str, nth: Optional[int] = None):
        super().__init__(server, scenario)
        self._log = self.home.path / "calls"
        self._words = ["strace", "-f", "-o", self._log, f"--trace={calls}"]
        if calls == WRITES:
            folder = self.home.path / "state/mailfs" / \
                f"imap+insecure.{self.account.user}@localhost.{server.port}"
            self._words += [f"--trace-path={folder}/journal.sqlite{end}" for end in ("", "-wal")]
        if nth:
            self._words.append(f"--inject={calls}:signal=KILL:when={nth}")
        self.was_killed = False

    def play(self) -> State:
        self._mount_traced()
        self.perform(self._recover)
        self.mount()
        self.sync()
        return self.state()

    def n_calls(self) -> int:
        """How many of the calls there were, in the thread that had most."""
        lines = [line.split() for line in self._log.read_text().splitlines()]
        return max(Counter(words[0] for words in lines if "(" in words[1]).values())

    def _mount_traced(self) -> None:
        script = self.home.path / "traced"
        script.write_text(f"#!/bin/sh\nexec {shlex.join(map(str, [*self._words, RELEASE]))} "
                          '"$@"\n')
        script.chmod(0o755)
        try:
            self.mount(kind=Doomed, binary=script)
        except MountFailed as failed:
            self._revive(failed.code == -signal.SIGKILL, failed)

    def _recover(self, error: OSError) -> None:
        self._revive(error.errno in DEAD, error)

    def _revive(self, is_dead: bool, error: Exception) -> None:
        if not is_dead or self.was_killed:
            raise error
        self.was_killed = True
        self.mount()


@pytest.fixture(params=SCENARIOS)
def scenario(request):
    return request.param


@pytest.fixture
def sweep_kills(server, scenario):
    """sweep_kills(calls, full): plays the scenario, killed before some or all of these calls."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to trace what may not be dumped")

    def make(calls, full=False):
        with Killed(server, SCENARIOS[scenario], calls) as undisturbed:
            expected = undisturbed.play()
            n_calls = undisturbed.n_calls()
            assert expected != undisturbed.first

        kills = []

        def try_point(point):
            with Killed(server, SCENARIOS[scenario], calls, point) as killed:
                assert_same(killed.play(), expected)
                kills.append(killed.was_killed)
        sweep(full, n_calls, f"{scenario} killed at {calls}", try_point)
        assert any(kills)
    return make


@pytest.mark.parametrize("calls", [WRITES, TALK], ids=["writes", "talk"])
def test_killed(sweep_kills, calls):
    sweep_kills(calls)


@pytest.mark.full
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("calls", [WRITES, TALK], ids=["writes", "talk"])
def test_killed_anywhere(sweep_kills, calls):
    sweep_kills(calls, full=True)


# --- the connections are cut ---

class Cut(Play):
    """All connections are cut when the server, or the client, has said so many bytes."""

    def __init__(self, scenario: Scenario, between: Proxy, server, **cut):
        super().__init__(server, scenario)
        self._between = between
        self._cut = cut
        self.counts = None

    def play(self) -> State:
        self.mount(self._between.port)
        for box in BOXES:
            os.listdir(self.here.dir(box))
        if self._cut:
            self._between.cut(**self._cut)
        with self._between.count() as self.counts:
            self.perform(self._recover)
        self._between.resume()
        return self.state()

    def _recover(self, error: OSError) -> None:
        if error.errno not in AWAY:
            raise error
        wait_until(lambda: "state: online\n" in self.status())


@pytest.fixture
def sweep_cuts(server, scenario, proxy):
    """sweep_cuts(from_client, full): plays the scenario, cut after some or all of these bytes."""
    between = proxy(server.port)

    def make(from_client, full=False):
        with Cut(SCENARIOS[scenario], between, server) as undisturbed:
            expected = undisturbed.play()
            assert expected != undisturbed.first
        counts = undisturbed.counts
        n_bytes = counts.bytes_up if from_client else counts.bytes_down

        def try_point(point):
            with Cut(SCENARIOS[scenario], between, server, after=point,
                     from_client=from_client) as cut:
                assert_same(cut.play(), expected)
        whose = "the client's" if from_client else "the server's"
        sweep(full, n_bytes, f"{scenario} cut in {whose} bytes", try_point)
    return make


@pytest.mark.parametrize("from_client", [False, True], ids=["replies", "commands"])
def test_cut(sweep_cuts, from_client):
    sweep_cuts(from_client)


@pytest.mark.full
@pytest.mark.timeout(36_000)
def test_cut_anywhere(sweep_cuts):
    sweep_cuts(from_client=False, full=True)
