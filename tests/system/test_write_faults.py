# SPDX-License-Identifier: MIT
"""Writing when the server refuses, when it goes away, and when the disk is full.

Whoever writes is told, or what was written is safe and arrives once; the mount lives on.
"""

import errno
import os
import shutil
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import Optional

import pytest

import messages
from citizen import Box, Citizen, Stored
from messages import Message
from place import Place, touched, with_flags
from processes import run, wait_until

TIMEOUT = 3
LETTER = messages.message()
OTHER = messages.message(subject="Another")
PAPER = messages.of_size(300_000)
DATE = datetime(2024, 2, 13, 4, 5, 6, tzinfo=timezone.utc)
REFUSED_BY_CYRUS = LETTER.replace(b"Subject: ", b"Subject : ")


@pytest.fixture
def place(account, mount, proxy):
    """place(*messages, of=account, options=…): INBOX with these, and an empty Archive."""
    def make(*contents, of=account, options=(), **how):
        between = proxy(of.server.port, record=True)
        of.deliver_all([one if isinstance(one, Message) else Message(one) for one in contents])
        of.create("Archive")
        mounted = mount(of.url("imap+insecure", between.port), *options, **how)
        return Place(of, mounted, between)
    return make


def failure(act) -> Optional[int]:
    """The errno with which it fails; None when it does not."""
    try:
        act()
    except OSError as error:
        return error.errno
    return None


def write(path: Path, content: bytes) -> Optional[int]:
    """The first error of writing and closing; None when all went well."""
    return failure(lambda: path.write_bytes(content))


def sync(directory: Path) -> Optional[int]:
    """The error of fsync()."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return failure(lambda: os.fsync(fd))
    finally:
        os.close(fd)


def contents(here: Place, path: str = "INBOX") -> list[bytes]:
    return [one.content for one in here.seen(path)]


def assert_goes_on(here: Place) -> None:
    """The mount still takes messages, and loses none."""
    before = contents(here, "Archive")
    assert write(here.dir("Archive") / "after.eml", OTHER) is None
    here.sync("Archive")
    assert contents(here, "Archive") == [*before, OTHER]


# --- the server refuses ---

def test_quota(place, special_account):
    here = place(LETTER, of=special_account(quota="100K"), options=("disable=QUOTA",))
    path = here.dir("INBOX") / "new.eml"
    assert write(path, PAPER) == errno.EDQUOT
    assert not path.exists() and len(here.files("INBOX")) == 1
    assert contents(here) == [LETTER]
    assert_goes_on(here)


def test_quota_and_copies(place, special_account):
    """A copy is made later: fsync tells that it was not."""
    big = messages.of_size(60_000)
    here = place(big, of=special_account(quota="100K"), options=("disable=QUOTA",))
    here.mount.run("cp", here.file("INBOX"), here.dir("Archive"), check=True)
    assert sync(here.dir("Archive")) == errno.EDQUOT
    assert here.files("Archive") == [] and contents(here, "Archive") == []
    assert here.file("INBOX").read_bytes() == big
    assert_goes_on(here)


def test_header_that_the_server_refuses(place, cyrus):
    here = place(LETTER, of=cyrus.new_account())
    path = here.dir("INBOX") / "new.eml"
    assert write(path, REFUSED_BY_CYRUS) in (errno.EINVAL, errno.EIO, errno.EPERM, errno.EACCES)
    assert touched(here.said()) == ["APPEND"]
    assert not path.exists() and len(here.files("INBOX")) == 1
    assert contents(here) == [LETTER]
    assert_goes_on(here)


def test_nobody_waits_for_the_refusal(place, cyrus):
    """What was written is kept, with the reason."""
    here = place(of=cyrus.new_account(), options=("async",))
    path = here.dir("INBOX") / "new.eml"
    lost = here.mount / ".mailfs/lost+found"
    assert write(path, REFUSED_BY_CYRUS) is None
    wait_until(lambda: len(os.listdir(lost)) == 2)
    [data] = lost.glob("*new.eml")
    [reason] = lost.glob("*new.reason.txt")
    assert data.read_bytes() == REFUSED_BY_CYRUS
    assert "invalid header" in reason.read_text()
    assert not path.exists() and here.files("INBOX") == []
    assert contents(here) == []
    data.unlink()
    assert os.listdir(lost) == []
    assert write(path, OTHER) is None
    wait_until(lambda: contents(here) == [OTHER], pause=0.1)


class Narrow(Citizen):
    """Takes no message of more than 1000 octets, and says so."""

    capabilities = "IMAP4rev1 AUTH=PLAIN LITERAL+ APPENDLIMIT=1000"

    def do_append(self, peer, command):
        raise AssertionError("a message was sent")


def test_too_large_for_the_server(mount, script):
    narrow = Narrow(Box("INBOX", [Stored(1, LETTER)]))
    mounted = mount(script(narrow).url())
    path = mounted / "INBOX/new.eml"
    assert write(path, messages.of_size(1001)) == errno.EFBIG
    assert not path.exists() and len(os.listdir(mounted / "INBOX")) == 1
    assert not [one for one in narrow.commands if one.name == "APPEND"]


def test_mailbox_where_one_may_only_read(place, cyrus):
    account = cyrus.new_account()
    here = place(LETTER, of=account)
    account.deliver(OTHER, "Archive")
    cyrus.set_acl(f"user/{account.user}/Archive", account.user, "lr")
    shut, path = here.dir("Archive"), here.file("Archive")
    assert (shut.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o500, 0o400)
    acts = [path.unlink, lambda: path.rename(with_flags(path, "S")),
            lambda: path.rename(here.dir("INBOX") / "a.eml"),
            lambda: here.file("INBOX").rename(shut / "a.eml"),
            lambda: (shut / "new.eml").write_bytes(LETTER),
            lambda: path.write_bytes(LETTER),
            lambda: os.setxattr(path, "user.xdg.tags", b"work")]
    assert [failure(act) in (errno.EROFS, errno.EACCES) for act in acts] == [True] * len(acts)
    assert shut.stat().st_mode & 0o777 == 0o500
    assert path.stat().st_mode & 0o777 == 0o400
    assert here.dir("INBOX").stat().st_mode & 0o700 == 0o700
    assert touched(here.said()) == []
    assert path.read_bytes() == OTHER and contents(here) == [LETTER]


# --- a server that can do little ---

@pytest.fixture
def bare(place):
    """INBOX with a message and one that somebody else has marked; no UIDPLUS, no MOVE."""
    here = place(LETTER, Message(OTHER, ("\\Deleted",)),
                 options=("disable=MOVE", "disable=UIDPLUS", "delete=expunge"))
    yield here
    said = here.said()
    assert not [line for line in said if "EXPUNGE" in line or line.startswith("CLOSE")]


def test_removing_without_uidplus(bare):
    bare.files("INBOX")[0].unlink()
    bare.sync()
    after = bare.seen()
    assert [one.content for one in after] == [LETTER, OTHER]
    assert all(one.flags == {"\\Deleted"} for one in after)


def test_moving_without_move_and_uidplus(bare):
    path = bare.files("INBOX")[0]
    bare.move(path, bare.dir("Archive") / path.name)
    bare.sync("INBOX", "Archive")
    assert contents(bare, "Archive") == [LETTER]
    assert bare.only("Archive").flags == frozenset()
    after = bare.seen()
    assert [one.content for one in after] == [LETTER, OTHER]
    assert all(one.flags == {"\\Deleted"} for one in after)


def test_rewriting_without_uidplus(bare):
    path = bare.files("INBOX")[0]
    longer = messages.message(b"Much better.\r\n")
    assert write(path, longer) is None
    bare.sync()
    after = bare.seen()
    assert [one.content for one in after] == [LETTER, OTHER, longer]
    assert ["\\Deleted" in one.flags for one in after] == [True, True, False]


# --- the server goes away ---

@pytest.mark.parametrize("after", [0, 1, 100, 150_000, len(PAPER) - 1])
@pytest.mark.parametrize("how", ["cut", "reset", "stall"])
def test_server_gone_while_it_takes_a_message(place, how, after):
    """Closing succeeds and the message arrives once, or it fails and the message is nowhere."""
    here = place(LETTER, options=(f"timeout={TIMEOUT}",))
    path = here.dir("INBOX") / "new.eml"
    with open(path, "wb", 0) as file:
        file.write(PAPER)
        if how == "stall":
            here.proxy.stall(after, from_client=True)
        else:
            here.proxy.cut(after, from_client=True, reset=how == "reset")
        error = failure(file.close)
    here.proxy.resume()
    if error is None:
        wait_until(lambda: PAPER in contents(here), pause=0.2)
    assert_goes_on(here)
    here.sync()
    assert contents(here) == ([LETTER, PAPER] if error is None else [LETTER])
    assert len(here.files("INBOX")) == len(contents(here))


def go_offline(here: Place) -> None:
    """All is lost; both mailboxes have been listed before."""
    assert here.files("INBOX") and here.files("Archive") == []
    here.proxy.newcomers("refuse")
    here.proxy.cut()


def status(here: Place) -> str:
    return (here.mount / ".mailfs/status").read_text()


def change_offline(here: Place) -> None:
    """Makes one change of each kind."""
    marked, moved, copied, removed = here.files("INBOX")
    go_offline(here)
    wait_until(lambda: "\nstate: offline" in status(here))
    marked.rename(with_flags(marked, "FS"))
    moved.rename(here.dir("Archive") / moved.name)
    here.mount.run("cp", copied, here.dir("Archive"), check=True)
    removed.unlink()
    assert write(here.dir("Archive") / "new.eml", LETTER) is None
    assert sync(here.dir("INBOX")) is None and sync(here.dir("Archive")) is None


def assert_changed(here: Place, given: list[bytes]) -> None:
    assert [(one.content, one.flags) for one in here.seen()] == [
        (given[0], {"\\Flagged", "\\Seen"}), (given[2], frozenset())]
    assert sorted(contents(here, "Archive")) == sorted([given[1], given[2], LETTER])


@pytest.fixture
def given() -> list[bytes]:
    return [messages.message(subject=f"No. {number}") for number in range(4)]


def test_connection_lost_while_rights_are_asked_for(place):
    """Offline a change need not be known to be allowed; so it need not be known here, either."""
    here = place(LETTER)
    old = here.file("INBOX")
    here.proxy.stall()
    with subprocess.Popen(["mv", old, with_flags(old, "F")]) as rename:
        wait_until(lambda: "\nwaiting calls: 1" in status(here))
        here.proxy.newcomers("refuse")
        here.proxy.cut()
        here.proxy.resume()
    assert rename.returncode == 0
    here.proxy.newcomers("serve")
    wait_until(lambda: here.only().flags == {"\\Flagged"}, pause=0.2)


def test_changes_made_offline(place, given):
    here = place(*given, options=("delete=expunge",))
    change_offline(here)
    assert len(here.files("INBOX")) == 2 and len(os.listdir(here.dir("Archive"))) == 3
    assert contents(here) == given
    here.proxy.newcomers("serve")
    wait_until(lambda: len(here.seen("Archive")) == 3 and len(here.seen()) == 2, pause=0.2)
    here.sync("INBOX", "Archive")
    assert_changed(here, given)
    assert len(here.files("INBOX")) == 2 and len(here.files("Archive")) == 3


def test_changes_made_offline_outlive_the_mount(place, home, mount, given):
    shared = home()
    here = place(*given, options=("delete=expunge",), home=shared)
    change_offline(here)
    here.mount.finish()
    assert contents(here) == given
    here.proxy.newcomers("serve")
    here.mount = mount(here.account.url("imap+insecure", here.proxy.port), "delete=expunge",
                       home=shared)
    wait_until(lambda: len(here.seen("Archive")) == 3 and len(here.seen()) == 2, pause=0.2)
    here.sync("INBOX", "Archive")
    assert_changed(here, given)


def test_changes_of_an_earlier_mount_are_not_sent_by_one_that_is_read_only(place, home, mount,
                                                                           given):
    shared = home()
    here = place(*given, options=("delete=expunge",), home=shared)
    change_offline(here)
    here.mount.finish()
    here.proxy.newcomers("serve")
    here.mount = mount(here.account.url("imap+insecure", here.proxy.port), "ro", home=shared)
    assert len(here.files("INBOX")) == 2 and len(here.files("Archive")) == 3
    here.sync("INBOX", "Archive")
    assert touched(here.said()) == [] and contents(here) == given
    here.mount.finish()
    here.mount = mount(here.account.url("imap+insecure", here.proxy.port), "delete=expunge",
                       home=shared)
    here.sync("INBOX", "Archive")
    assert_changed(here, given)


def test_offline_changes_of_what_another_client_has_removed(place, given):
    here = place(*given, options=("delete=expunge",))
    change_offline(here)
    with here.account.raw("INBOX") as raw:
        raw.must("UID STORE 1:* +FLAGS (\\Deleted)")
        raw.must("EXPUNGE")
    here.proxy.newcomers("serve")
    wait_until(lambda: here.seen("Archive"), pause=0.2)
    assert sync(here.dir("INBOX")) in (None, errno.ENOENT, errno.ESTALE)
    assert sync(here.dir("Archive")) in (None, errno.ENOENT, errno.ESTALE)
    assert contents(here) == [] and contents(here, "Archive") == [LETTER]
    wait_until(lambda: here.files("INBOX") == [], pause=0.1)
    assert here.file("Archive").read_bytes() == LETTER


# --- dates that are set after close() ---

def copy_in(source: Path, path: Path) -> None:
    """As programs do it that set the date by name; it is shown at once."""
    source.write_bytes(OTHER)
    os.utime(source, (DATE.timestamp(),) * 2)
    shutil.copy2(source, path)
    assert path.stat().st_mtime == DATE.timestamp()


def test_date_of_what_is_copied_in_offline(place, folder):
    here = place(LETTER)
    go_offline(here)
    wait_until(lambda: "\nstate: offline" in status(here))
    copy_in(folder / "a.eml", here.dir("Archive") / "new.eml")
    here.proxy.newcomers("serve")
    wait_until(lambda: contents(here, "Archive") == [OTHER], pause=0.2)
    assert here.only("Archive").date == DATE
    assert here.file("Archive").stat().st_mtime == DATE.timestamp()


def test_date_of_what_waits_to_be_sent(place, folder):
    """Another message is on its way meanwhile, and keeps its own."""
    here = place(LETTER, options=("async",))
    assert write(here.dir("Archive") / "before.eml", LETTER) is None
    wait_until(lambda: contents(here, "Archive") == [LETTER], pause=0.1)
    here.proxy.stall(150_000, from_client=True)
    assert write(here.dir("Archive") / "large.eml", PAPER) is None
    wait_until(lambda: touched(here.said()) == ["APPEND", "APPEND"])
    copy_in(folder / "a.eml", here.dir("Archive") / "new.eml")
    os.utime(here.dir("Archive") / "large.eml", (DATE.timestamp(),) * 2)
    here.proxy.resume()
    wait_until(lambda: contents(here, "Archive") == [LETTER, PAPER, OTHER], pause=0.1)
    dates = {one.content: one.date for one in here.seen("Archive")}
    assert dates[OTHER] == DATE
    assert dates[PAPER].year > DATE.year


# --- the disk is full ---

class Disk:
    """A small file system in place of a folder."""

    def __init__(self, path: Path, size: str):
        self.path = path
        self.ballast = path / "ballast"
        run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", path], check=True)

    def fill(self) -> None:
        with open(self.ballast, "ab", 0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError as error:
                assert error.errno == errno.ENOSPC

    def clear(self) -> None:
        self.ballast.unlink()

    def remove(self) -> None:
        run(["umount", "-l", self.path])


@pytest.fixture
def disk(stack, home):
    """disk(folder, size): a home whose "state" or "cache" is a disk of that size, and the disk."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small disk")

    def make(folder, size):
        shared = home()
        made = Disk(shared.path / folder, size)
        stack.callback(made.remove)
        return shared, made
    return make


def assert_told_or_done(here: Place, error: Optional[int], content: bytes) -> None:
    here.sync()
    assert error in (None, errno.ENOSPC)
    assert contents(here).count(content) == (1 if error is None else 0)
    assert len(here.files("INBOX")) == len(contents(here))


def test_message_larger_than_the_disk(place, disk):
    shared, _ = disk("state", "1M")
    here = place(LETTER, home=shared)
    assert write(here.dir("INBOX") / "new.eml", messages.of_size(2_000_000)) == errno.ENOSPC
    assert here.file("INBOX").read_bytes() == LETTER and contents(here) == [LETTER]
    assert write(here.dir("INBOX") / "new.eml", OTHER) is None
    assert contents(here) == [LETTER, OTHER]


@pytest.mark.parametrize("folder", ["state", "cache"])
def test_full_disk(place, disk, folder):
    """What does not fit fails, and all goes on when there is room again."""
    shared, small = disk(folder, "4M")
    here = place(LETTER, home=shared)
    old = here.file("INBOX")
    small.fill()
    error = write(here.dir("INBOX") / "new.eml", PAPER)
    assert error == errno.ENOSPC or folder == "cache"
    assert_told_or_done(here, error, PAPER)
    error = failure(lambda: old.rename(with_flags(old, "F")))
    assert error in (None, errno.ENOSPC)
    assert sync(here.dir("INBOX")) in (None, errno.ENOSPC)
    assert ("\\Flagged" in here.seen()[0].flags) == (error is None)
    assert here.files("INBOX")[0].read_bytes() == LETTER
    small.clear()
    assert_goes_on(here)


def test_disk_that_fills_up_while_a_message_is_written(place, disk):
    shared, small = disk("state", "4M")
    here = place(LETTER, home=shared)
    path = here.dir("INBOX") / "new.eml"
    told = []
    with open(path, "wb", 0) as file:
        file.write(PAPER[:100_000])
        small.fill()
        told.append(failure(lambda: file.write(PAPER[100_000:])))
        told.append(failure(file.close))
    error = errno.ENOSPC if errno.ENOSPC in told else None
    assert set(told) <= {None, errno.ENOSPC}
    small.clear()
    assert_told_or_done(here, error, PAPER)
    assert_goes_on(here)
