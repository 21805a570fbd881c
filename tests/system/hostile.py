# SPDX-License-Identifier: MIT
"""Mounts of hostile servers, and what none of them may do to us.

The fixture `besiege` mounts a server; at the end of the test it makes sure that the mount still
answers, that memory did not grow, and that the password is not in the log.
"""

import base64
import errno
import os
import socket
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Callable

import pytest

from citizen import Box, Citizen, Stored
from messages import message
from mount import Home, Mount, MountFailed
from processes import ended, wait_until
from script import Peer, ScriptServer

PASSWORD = 'xyzzy"plugh\\Wort'
MEMORY = 48 << 20  # 32 MiB, and half as much again for what the sanitizer takes
TIMEOUT = 2  # seconds: the option
LATE = 2 * TIMEOUT + 20  # every call has returned by then, on a busy machine too
LETTER = message()
OTHER = message(b"Quite another letter.\r\n", subject="Another")


class Host(Citizen):
    """A Citizen some of whose methods are replaced, from the beginning or from some moment on.

    The keywords name methods; what is given is called with the host before the usual arguments:

        Host(do_login=lambda host, peer, command: "NO go away")
    """

    password = PASSWORD

    def __init__(self, *boxes: Box, **methods: Callable):
        super().__init__(*boxes or [Box("INBOX", [Stored(1, LETTER)])])
        self.peers: list[Peer] = []
        self.replace(**methods)

    def __call__(self, peer: Peer) -> None:
        self.peers.append(peer)
        super().__call__(peer)

    def replace(self, **methods: Callable) -> None:
        for name, method in methods.items():
            assert hasattr(Citizen, name) or name.startswith("do_"), name
            setattr(self, name, partial(method, self))

    def restore(self, *names: str) -> None:
        for name in names:
            delattr(self, name)

    def turn(self, **methods: Callable) -> None:
        """Replaces methods and hangs up on everybody; returns when the first has come back."""
        seen = len(self.peers)
        self.replace(**methods)
        self.hang_up()
        wait_until(lambda: len(self.peers) > seen)

    def hang_up(self) -> None:
        for peer in list(self.peers):
            try:
                socket.socket.shutdown(peer.socket, socket.SHUT_RDWR)
            except OSError:
                pass

    def count(self, *names: str) -> int:
        """How many commands of these names came."""
        return sum(command.name in names for command in self.commands)

    @property
    def logins(self) -> int:
        return self.count("LOGIN", "AUTHENTICATE")

    def examined(self) -> list[str]:
        """The mailboxes that were opened, as they were written."""
        return [command.words[0] for command in self.commands if command.name == "EXAMINE"]


class LeanHome(Home):
    """A home in which the sanitizer gives back what is freed, so that memory can be measured."""

    def environment(self) -> dict[str, str]:
        usual = super().environment()
        return usual | {"ASAN_OPTIONS": usual["ASAN_OPTIONS"] + ":quarantine_size_mb=1:"
                        "thread_local_quarantine_size_kb=64:allocator_release_to_os_interval_ms=0"}


@pytest.fixture(scope="session")
def idle_memory():
    """What a mount takes of which nothing is asked."""
    with ExitStack() as stack:
        server = stack.enter_context(ScriptServer(Host()))
        home = LeanHome(password=PASSWORD)
        stack.callback(home.remove)
        return peak_memory(stack.enter_context(Mount(server.url(), home=home)))


@pytest.fixture
def besiege(script, mount, stack, idle_memory):
    """besiege(host, *options, certificate=None, implicit_tls=False, home=None): the mount."""
    mounts = []

    def make(host, *options, certificate=None, implicit_tls=False, home=None):
        server = script(host, certificate, implicit_tls=implicit_tls)
        if home is None:
            home = LeanHome(password=PASSWORD)
            stack.callback(home.remove)
        with silent_about_password(home):
            mounted = mount(server.url(), "-d", f"timeout={TIMEOUT}", *options, home=home)
        mounts.append(mounted)
        return mounted

    yield make
    for mounted in mounts:
        inspect(mounted, idle_memory)


@pytest.fixture
def refusal(besiege):
    """refusal(host, …): as besiege(), but nothing may be mounted; returns what mailfs said last."""
    def make(host, *options, **how):
        began = time.monotonic()
        with pytest.raises(MountFailed) as failure:
            besiege(host, *options, **how)
        assert time.monotonic() - began < LATE
        assert failure.value.code > 0
        said = failure.value.stderr.strip().splitlines()[-1]
        assert len(said) < 600 and said.isprintable(), said
        return said
    return make


def inspect(mounted: Mount, idle_memory: int, most: int = MEMORY) -> None:
    if ended(mounted.pid):  # by the test
        check_log(mounted.stderr)
        return
    assert "INBOX" in os.listdir(mounted.path)
    assert "state: " in status(mounted)
    grown = peak_memory(mounted) - idle_memory
    assert grown < most, f"memory grew by {grown >> 20} MiB"
    mounted.finish()
    check_log(mounted.stderr)


@contextmanager
def silent_about_password(home: Home):
    try:
        yield
    finally:
        for log in Path(home.path).glob("stderr-*"):
            check_log(log.read_text(errors="replace"))


def check_log(log: str) -> None:
    """No password in any dress, nor anything that a terminal would act upon."""
    secret = PASSWORD.encode()
    for form in (PASSWORD, PASSWORD.replace("\\", "\\\\").replace('"', '\\"'),
                 base64.b64encode(secret).decode(), plain_response("alice")):
        assert form not in log
    assert not any(ord(letter) < 32 and letter not in "\n\t" for letter in log)


def plain_response(user: str) -> str:
    """The password as AUTHENTICATE PLAIN sends it."""
    return base64.b64encode(f"\0{user}\0{PASSWORD}".encode()).decode()


def peak_memory(mounted: Mount) -> int:
    for line in Path(f"/proc/{mounted.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    raise AssertionError(f"{mounted.pid} has no memory")


def status(mounted: Mount) -> str:
    return (mounted / ".mailfs/status").read_text()


def wait_for(mounted: Mount, state: str) -> None:
    wait_until(lambda: f"state: {state}" in status(mounted), pause=0.05)


@contextmanager
def in_time():
    """What is done inside takes no longer than any call may."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < LATE


def fails(call, *arguments) -> str:
    """The name of the errno with which the call fails."""
    with in_time(), pytest.raises(OSError) as failure:
        call(*arguments)
    return errno.errorcode[failure.value.errno]


def letters(mounted: Mount, box: str = "INBOX") -> list[str]:
    """The names of messages, oldest first; each can be looked at."""
    with in_time():
        names = [name for name in os.listdir(mounted / box) if name.endswith(".eml")]
        for name in names:
            (mounted / box / name).stat()
        assert len(set(names)) == len(names)
        return sorted(names, key=uid_of)


def uids(mounted: Mount, box: str = "INBOX") -> list[int]:
    return [uid_of(name) for name in letters(mounted, box)]


def uid_of(name: str) -> int:
    return int(name.rpartition(".u")[2].partition(",")[0])


def content(mounted: Mount, uid: int, box: str = "INBOX") -> bytes:
    """The bytes of a message, by its short name."""
    with in_time():
        return (mounted / box / f"u{uid}.eml").read_bytes()


def content_or_error(mounted: Mount, uid: int, box: str = "INBOX"):
    """The bytes, or None when it cannot be read."""
    try:
        return content(mounted, uid, box)
    except OSError:
        return None
