# SPDX-License-Identifier: MIT
"""Servers that go away or fall silent, daemons that are killed, caches that are damaged."""

import errno
import os
import random
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator

import pytest

import messages
from citizen import Box, Citizen, Stored
from messages import Message
from mount import MountFailed, is_mounted
from processes import PATIENCE, run, wait_until

TIMEOUT = 3
LATE = TIMEOUT + 20  # a call has ended by then, on a busy machine too
AT_ONCE = 10  # seconds, on a busy machine; a command has 60
LETTER = messages.message(b"The letter that is read beforehand.\r\n", subject="Letter")
FILM = messages.with_attachment(300_000)
PAPER = messages.of_size(40_000)  # of one block, too large to be kept in the index
SEED = 20260215


def read_cold(path: Path) -> bytes:
    """Reads from the daemon, not from the kernel's page cache."""
    with open(path, "rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return file.readall()


@contextmanager
def ends_within(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def failure(act: Callable[[], object]) -> int:
    """The errno with which it fails, as it must."""
    with pytest.raises(OSError) as caught:
        act()
    return caught.value.errno


def reads_as(path: Path, content: bytes) -> bool:
    """Whether it can be read; if so, it must be the content."""
    try:
        found = read_cold(path)
    except OSError as error:
        assert error.errno in (errno.EHOSTUNREACH, errno.ETIMEDOUT), error
        return False
    assert found == content
    return True


class Desk:
    """A mounted INBOX of two messages, listed; the letter was read, the film was not."""

    def __init__(self, mount, account, port: int, *options: str):
        self.uids = account.deliver_all([Message(LETTER), Message(FILM)])
        self.mounted = mount(account.url("imap+insecure", port), *options)
        self.inbox = self.mounted / "INBOX"
        self.names = sorted(os.listdir(self.inbox))
        self.letter, self.film = (self.inbox / f"u{uid}.eml" for uid in self.uids)
        assert self.letter.read_bytes() == LETTER and self.film.stat().st_size == len(FILM)

    def status(self) -> str:
        return (self.mounted / ".mailfs/status").read_text()

    def blocked(self, *command) -> subprocess.Popen:
        """Starts a command, and returns when it waits in the mount."""
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, cwd=self.inbox)
        wait_until(lambda: "waiting calls: 0" not in self.status())
        return process


# The server goes away, and comes back.

def stop(server, between):
    server.stop()
    return server.start


def pause(server, between):
    server.pause()
    return server.resume


def stall(server, between):
    between.stall()
    return between.resume


def drop(server, between):
    between.newcomers("drop")
    between.cut()
    return lambda: between.newcomers("serve")


def refuse(server, between):
    between.newcomers("refuse")
    between.cut(reset=True)
    return lambda: between.newcomers("serve")


SILENT = [pause, stall]


@pytest.mark.parametrize("begin", [stop, pause, stall, drop, refuse])
def test_outage(special_account, proxy, mount, begin):
    account = special_account()
    between = proxy(account.server.port)
    desk = Desk(mount, account, between.port, f"timeout={TIMEOUT}")
    end = begin(account.server, between)
    try:
        with ends_within(AT_ONCE):
            assert read_cold(desk.letter) == LETTER
        with ends_within(LATE):
            expected = errno.ETIMEDOUT if begin in SILENT else errno.EHOSTUNREACH
            assert failure(lambda: read_cold(desk.film)) == expected
        with ends_within(LATE):
            assert sorted(os.listdir(desk.inbox)) == desk.names
        with ends_within(LATE):
            assert failure(lambda: read_cold(desk.film)) in (errno.ETIMEDOUT, errno.EHOSTUNREACH)
        with ends_within(AT_ONCE):
            assert read_cold(desk.letter) == LETTER
        assert "read INBOX/u2.eml: " in desk.status()
    finally:
        end()
    wait_until(lambda: reads_as(desk.film, FILM), pause=0.1)
    assert "state: online\n" in desk.status()


def test_a_short_stall_harms_nobody(account, proxy, mount):
    between = proxy()
    desk = Desk(mount, account, between.port, f"timeout={TIMEOUT}")
    between.stall()
    reader = desk.blocked("cmp", "-s", desk.film, "-")
    between.resume()
    reader.wait(LATE)
    assert read_cold(desk.film) == FILM
    assert between.totals().connections == 2  # the same as without it


def test_a_cut_connection_is_made_again_unnoticed(account, proxy, mount):
    between = proxy()
    desk = Desk(mount, account, between.port)
    for n_messages in (3, 4):
        between.cut()
        account.deliver(LETTER)
        wait_until(lambda: len(os.listdir(desk.inbox)) == n_messages, LATE)
    between.cut(after=100_000)  # in the middle of the film
    assert read_cold(desk.film) == FILM
    assert "\nlast failures:\n" == desk.status()[-16:]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_frees_a_blocked_reader(account, proxy, mount, number):
    between = proxy()
    desk = Desk(mount, account, between.port)
    between.stall()
    reader = desk.blocked("cat", desk.film)
    reader.send_signal(number)
    with ends_within(AT_ONCE):
        assert reader.wait(PATIENCE) == -number
    between.resume()
    assert read_cold(desk.film) == FILM


def test_a_signal_that_is_caught_interrupts_the_call(account, proxy, mount):
    account.create("Other")
    between = proxy()
    desk = Desk(mount, account, between.port)
    between.stall()
    lister = desk.blocked("/usr/bin/python3", "-c", "import os; os.listdir('../Other')")
    lister.send_signal(signal.SIGINT)
    with ends_within(AT_ONCE):
        _, said = lister.communicate(timeout=PATIENCE)
    assert b"KeyboardInterrupt" in said
    wait_until(lambda: "waiting calls: 0" in desk.status(), AT_ONCE)
    between.resume()
    assert os.listdir(desk.mounted / "Other") == []


def test_a_blocked_mailbox_does_not_block_others(account, proxy, mount):
    between = proxy()
    desk = Desk(mount, account, between.port)
    between.stall()
    readers = [desk.blocked("cat", desk.film)]
    readers += [subprocess.Popen(["cat", desk.film], stdout=subprocess.DEVNULL) for _ in range(40)]
    with ends_within(AT_ONCE):
        assert read_cold(desk.letter) == LETTER
    between.resume()
    assert [reader.wait(PATIENCE) for reader in readers] == [0] * 41


def test_no_storm_of_connections(account, proxy, mount):
    between = proxy()
    desk = Desk(mount, account, between.port)
    between.newcomers("drop")
    before = between.totals().connections
    between.cut()
    until = time.monotonic() + 5
    while time.monotonic() < until:
        assert failure(lambda: read_cold(desk.film)) == errno.EHOSTUNREACH
    assert 1 <= between.totals().connections - before <= 6


class Moody(Citizen):
    """Takes the password only while it is in the mood; counts the attempts to log in."""

    is_moody = False
    logins = 0

    def admit(self, password: str) -> str:
        self.logins += 1
        return "NO [AUTHENTICATIONFAILED] no" if self.is_moody else super().admit(password)


def test_no_storm_of_logins(script, proxy, mount):
    citizen = Moody(Box("INBOX", [Stored(1, LETTER), Stored(2, FILM)]))
    between = proxy(script(citizen).port)
    mounted = mount(f"imap+insecure://alice@localhost:{between.port}/")
    assert len(os.listdir(mounted / "INBOX")) == 2
    citizen.is_moody, before = True, citizen.logins
    between.cut()
    until = time.monotonic() + 5
    while time.monotonic() < until:
        assert failure(lambda: read_cold(mounted / "INBOX/u2.eml")) == errno.EACCES
    assert citizen.logins - before <= 2  # accounts get locked


# A connection that is cut anywhere.

def session(mount, account, home, port: int) -> None:
    """Mounts and reads all there is; what fails is tried again and must then work."""
    source = account.url("imap+insecure", port)
    mounted = mount(source, f"timeout={TIMEOUT}", home=home)
    wait_until(lambda: _lists_all(mounted / "INBOX"))
    for uid, content in ((1, LETTER), (2, FILM)):
        wait_until(lambda path=mounted / f"INBOX/u{uid}.eml", wanted=content:
                   reads_as(path, wanted))
    mounted.finish()


def _lists_all(inbox: Path) -> bool:
    try:
        return len(os.listdir(inbox)) == 2
    except OSError as error:
        assert error.errno in (errno.EHOSTUNREACH, errno.ETIMEDOUT), error
        return False


def cut_everywhere(account, proxy, mount, home, choose: Callable[[int], list[int]]) -> None:
    account.deliver_all([Message(LETTER), Message(FILM)])
    with (between := proxy()).count() as whole:
        session(mount, account, home(), between.port)
    for from_client, size in ((False, whole.bytes_down), (True, whole.bytes_up)):
        for after in choose(size):
            between.cut(after=after, from_client=from_client)
            try:
                session(mount, account, home(), between.port)
            except MountFailed as failed:
                assert failed.stderr.startswith("mailfs: ") and failed.stderr.count("\n") == 1
            except BaseException:
                print(f"cut after {after} bytes of the {'client' if from_client else 'server'}")
                raise
            between.resume()


def test_cut_at_some_bytes(account, proxy, mount, home):
    numbers = random.Random(SEED)
    cut_everywhere(account, proxy, mount, home,
                   lambda size: [*(numbers.randrange(min(size, 3000)) for _ in range(7)),
                                 numbers.randrange(size)])


@pytest.mark.full
@pytest.mark.timeout(7200)
def test_cut_at_every_byte(account, proxy, mount, home):
    cut_everywhere(account, proxy, mount, home,
                   lambda size: [*range(min(size, 3000)), *range(3000, size, 997)])


# The daemon ends.

@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "SIGHUP", "fusermount3"])
def test_a_clean_end(account, mount, how):
    account.deliver(LETTER)
    mounted = mount(account.url())
    assert (mounted / "INBOX/u1.eml").read_bytes() == LETTER
    if how == "fusermount3":
        run(["fusermount3", "-u", mounted.path], check=True)
    else:
        mounted.signal(getattr(signal, how))
    mounted.wait()
    assert not is_mounted(mounted.path)
    mounted.finish()  # which looks at the exit status


@pytest.mark.parametrize("begin", [stall, refuse])
def test_a_clean_end_without_a_server(account, proxy, mount, begin):
    between = proxy()
    desk = Desk(mount, account, between.port)
    begin(account.server, between)
    readers = [desk.blocked("cat", desk.film)] if begin is stall else []
    desk.mounted.signal(signal.SIGTERM)
    with ends_within(LATE):
        desk.mounted.wait()
    assert [reader.wait(PATIENCE) for reader in readers] == [1] * len(readers)
    assert not is_mounted(desk.mounted.path)


@pytest.mark.parametrize("end", ["", "/"], ids=["plain", "slash"])
def test_killed_and_mounted_again(account, proxy, mount, home, user, end):
    uids = account.deliver_all([Message(LETTER), Message(FILM)])
    between, shared = proxy(record=True), home(user)
    source = account.url("imap+insecure", between.port)
    killed = mount(source, home=shared)
    assert killed.run("cat", f"INBOX/u{uids[0]}.eml", check=True).stdout == LETTER
    time.sleep(0.3)  # what was fetched in the last tenth of a second may be fetched again
    killed.kill(clean=False)
    assert is_mounted(killed.path)
    assert b"not connected" in killed.run("ls", ".").stderr
    seen = len(between.said(from_client=True))

    mounted = mount(source, home=shared, called=f"{shared.mountpoint}{end}")
    assert mounted.run("cat", f"INBOX/u{uids[0]}.eml", check=True).stdout == LETTER
    assert b"BODY" not in between.said(from_client=True)[seen:]
    assert mounted.run("cat", f"INBOX/u{uids[1]}.eml", check=True).stdout == FILM


def test_killed_while_it_writes(account, proxy, mount, home):
    contents = [message.content for message in messages.bulk(300)]
    uids = account.deliver_all(map(Message, contents))
    between, shared = proxy(), home()
    source = account.url("imap+insecure", between.port)
    for after in (20_000, 60_000, 150_000):
        mounted = mount(source, home=shared)
        between.stall(after=after)
        reader = subprocess.Popen(["grep", "-r", "x", mounted / "INBOX"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: "waiting calls: 0" not in (mounted / ".mailfs/status").read_text())
        mounted.kill()
        reader.wait(PATIENCE)
        between.resume()
    mounted = mount(source, home=shared)
    for uid, content in zip(uids, contents):
        assert (mounted / f"INBOX/u{uid}.eml").read_bytes() == content


# The cache is damaged.

def cache_of(home) -> Path:
    folder, = (home.path / "cache" / "mailfs").iterdir()
    return folder


def block_files(cache: Path) -> list[Path]:
    return [path for path in (cache / "blocks").rglob("*") if path.is_file()]


def index_files(cache: Path) -> list[Path]:
    return [path for path in cache.iterdir() if path.is_file()]


def flip(path: Path, offset: int = -1) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


def flip_data(cache: Path) -> None:
    for path in block_files(cache):
        flip(path)


def flip_heads(cache: Path) -> None:
    for path in block_files(cache):
        flip(path, 9)


def truncate_blocks(cache: Path) -> None:
    for path in block_files(cache):
        os.truncate(path, path.stat().st_size // 2)


def empty_blocks(cache: Path) -> None:
    for path in block_files(cache):
        os.truncate(path, 0)


def swap_blocks(cache: Path) -> None:
    first, second = block_files(cache)[:2]
    other = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(other)


def blocks_are_folders(cache: Path) -> None:
    for path in block_files(cache):
        path.unlink()
        path.mkdir()


def blocks_are_links(cache: Path) -> None:
    for path in block_files(cache):
        path.unlink()
        path.symlink_to("/etc/passwd")


def remove_blocks(cache: Path) -> None:
    shutil.rmtree(cache / "blocks")


def remove_index(cache: Path) -> None:
    for path in index_files(cache):
        path.unlink()


def truncate_index(cache: Path) -> None:
    for path in index_files(cache):
        os.truncate(path, path.stat().st_size // 2)


def flip_index(cache: Path) -> None:
    numbers = random.Random(SEED)
    for path in index_files(cache):
        for _ in range(20 if path.stat().st_size else 0):
            flip(path, numbers.randrange(path.stat().st_size))


def garble_index(cache: Path) -> None:
    for path in index_files(cache):
        path.write_bytes(random.Random(SEED).randbytes(20_000))


def remove_all(cache: Path) -> None:
    shutil.rmtree(cache)


DAMAGES = [flip_data, flip_heads, truncate_blocks, empty_blocks, swap_blocks, blocks_are_folders,
           blocks_are_links, remove_blocks, remove_index, truncate_index, flip_index, garble_index,
           remove_all]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_between_mounts(account, mount, home, damage):
    account.deliver_all([Message(PAPER), Message(FILM)])
    shared = home()
    for act in (lambda cache: None, damage, damage):
        mounted = mount(account.url(), home=shared)
        assert sorted(uid_name.split(".u")[1] for uid_name in os.listdir(mounted / "INBOX")) == [
            "1,.eml", "2,.eml"]
        assert (mounted / "INBOX/u1.eml").read_bytes() == PAPER
        assert (mounted / "INBOX/u2.eml").read_bytes() == FILM
        mounted.finish()
        act(cache_of(shared))


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_while_mounted(account, mount, home, damage):
    shared = home()
    mounted = mount(account.url(), home=shared)
    account.deliver_all([Message(PAPER), Message(FILM)])
    assert (mounted / "INBOX/u1.eml").read_bytes() == PAPER
    assert (mounted / "INBOX/u2.eml").read_bytes() == FILM
    damage(cache_of(shared))
    account.deliver(PAPER)
    wait_until(lambda: len(os.listdir(mounted / "INBOX")) == 3, LATE)
    for uid, content in ((1, PAPER), (2, FILM), (3, PAPER)):
        # ESTALE, when it is just then that the index is found to be none.
        wait_until(lambda: reads_as(mounted / f"INBOX/u{uid}.eml", content), LATE)
    mounted.finish()
    again = mount(account.url(), home=shared)
    for uid, content in ((1, PAPER), (2, FILM), (3, PAPER)):
        assert (again / f"INBOX/u{uid}.eml").read_bytes() == content


def test_damage_shows_in_the_status(account, mount, home):
    account.deliver(PAPER)
    shared = home()
    first = mount(account.url(), home=shared)
    assert (first / "INBOX/u1.eml").read_bytes() == PAPER
    first.finish()
    flip_data(cache_of(shared))
    second = mount(account.url(), home=shared)
    assert (second / "INBOX/u1.eml").read_bytes() == PAPER
    assert ", 1 damaged blocks\n" in (second / ".mailfs/status").read_text()


def test_damaged_and_offline_is_an_error(account, proxy, mount, home):
    between = proxy()
    shared = home()
    desk = Desk(lambda *how: mount(*how, home=shared), account, between.port)
    assert read_cold(desk.film) == FILM
    desk.mounted.finish()
    mounted = mount(account.url("imap+insecure", between.port), home=shared)
    flip_data(cache_of(shared))
    refuse(account.server, between)
    assert failure(lambda: read_cold(mounted / "INBOX/u2.eml")) == errno.EHOSTUNREACH


# A listing that had to stop.

def test_a_short_listing_is_no_whole_one(account, proxy, mount):
    """Of a mailbox that was listed in part, the rest is not passed over: neither while the server
    is away nor, by what the kernel keeps, when it is back."""
    count = account.bulk(messages.bulk(3000))
    between = proxy()
    mounted = mount(account.url("imap+insecure", between.port), f"timeout={TIMEOUT}")
    inbox = mounted / "INBOX"
    with os.scandir(inbox) as entries:
        next(entries)
    refuse(account.server, between)
    wait_until(lambda: "state: online" not in (mounted / ".mailfs/status").read_text(), LATE)
    assert failure(lambda: os.listdir(inbox)) == errno.EHOSTUNREACH
    assert run(["cp", "-a", inbox, mounted.home.path / "copy"]).returncode != 0
    between.newcomers("serve")
    wait_until(lambda: "state: online" in (mounted / ".mailfs/status").read_text())
    assert len(os.listdir(inbox)) == count
    assert inbox.stat().st_mtime_ns % 1_000_000_000
