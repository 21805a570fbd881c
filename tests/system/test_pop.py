# SPDX-License-Identifier: MIT
"""A maildrop as people use it, on real servers."""

import errno
import mailbox
import os
import re
import shutil

import pytest

import messages
from mailserver import Account
from messages import Message
from mount import MountFailed
from place import with_flags
from pop_place import MOVED_FROM, MOVED_TO, PopPlace, Watch, kept, spool_of, subjects
from processes import wait_until

NAME = re.compile(r"\d{4}-\d\d-\d\d_\d{4}_Alice-Moller_[A-Z][a-z]+\.u[1-9]\d*,\.eml")
PAPER = b"".join(b"Line %d of this letter is like all the others.\r\n" % n for n in range(200))
LETTERS = {
    "Apple": messages.message(PAPER, subject="Apple"),
    "Birch": messages.message(b"..\r\n.\r\n. .\r\n" + PAPER, subject="Birch"),
    "Cedar": messages.message("Überall bicycles.\r\n".encode(), subject="Cedar"),
}
NEWS = messages.message(subject="Daisy")
SLOW = "disable=LOGIN-DELAY"  # Courier wants 10 s between two visits


def filled(server) -> Account:
    """Somebody with three messages."""
    made = server.new_account()
    made.deliver_all(map(Message, LETTERS.values()))
    return made


@pytest.fixture(params=["dovecot", "courier"])
def account(request) -> Account:
    return filled(request.getfixturevalue(request.param))


on_one_server = pytest.mark.parametrize("account", ["dovecot"], indirect=True)


@pytest.fixture
def place(account, mount):
    """place(*options, port=None, …): the account is mounted, and listed."""
    def make(*options, port=None, **how):
        here = PopPlace(mount(account.url("pop3+insecure", port), SLOW, *options, **how))
        here.names()
        return here
    return make


def at_server(account: Account) -> list[str]:
    """The subjects of what the server has."""
    with account.pop() as raw:
        return sorted(re.search(rb"\r\nSubject: (\w+)\r\n", content)[1].decode()
                      for content in raw.messages())


def n_at_server(account: Account) -> int:
    with account.pop() as raw:
        return len(raw.uidls())


def on_wire(account: Account) -> list[bytes]:
    with account.pop() as raw:
        return sorted(raw.messages())


def fails(call, *arguments) -> int:
    with pytest.raises(OSError) as failure:
        call(*arguments)
    return failure.value.errno


def nothing_was_consumed(here: PopPlace) -> None:
    """What was to become of files that were closed before has: they are taken in their order."""
    here.cat("Cedar")
    assert subjects(here.names("Read")) == {"Cedar": 1}
    assert subjects(here.names()) == {"Apple": 1, "Birch": 1}


# Listing.

def test_there_are_two_directories(place):
    here = place()
    assert sorted(os.listdir(here.mount.path)) == ["INBOX", "Read"]
    assert subjects(here.names()) == dict.fromkeys(LETTERS, 1)
    assert all(NAME.fullmatch(name) for name in here.names())
    assert not here.names("Read")


def test_sizes_are_those_of_the_wire(account, place):
    here = place()
    sizes = sorted(path.stat().st_size for path in (here / "INBOX").iterdir())
    assert sizes == sorted(map(len, on_wire(account)))


@pytest.mark.parametrize("scheme", ["pop3s", "pop3"])
def test_tls(account, mount, scheme):
    here = PopPlace(mount(account.url(scheme), SLOW))
    assert here.cat("Apple") == LETTERS["Apple"]


# Reading.

def test_what_is_read_to_its_end_is_read(account, place):
    here = place()
    assert sorted(here.cat(subject) for subject in LETTERS) == on_wire(account)
    assert not here.names()
    assert sorted(path.read_bytes() for path in (here / "Read").iterdir()) == on_wire(account)
    assert sorted(here.kept("Read")) == on_wire(account) and not here.kept("INBOX")


def test_a_message_without_a_line_end(account, place):
    """What servers announce is less than what they send."""
    account.deliver(NEWS + b"Until tomorrow.")
    here = place()
    here.mount.run("sh", "-ec", "cat INBOX/*Daisy*")  # which may find out and fail
    assert here.has("Daisy", "Read") or here.cat("Daisy") == NEWS + b"Until tomorrow.\r\n"
    assert here.find("Daisy", "Read").read_bytes() == NEWS + b"Until tomorrow.\r\n"
    assert here.find("Daisy", "Read").stat().st_size == len(NEWS) + 17


def test_it_is_the_same_file_and_watchers_see_it_go(place):
    here = place()
    path = here.find("Apple")
    number = path.stat().st_ino
    with Watch(here / "INBOX", here / "Read") as watch:
        here.cat("Apple")
        gone, came = watch.next(2)
    assert (gone.box, gone.mask, gone.name) == ("INBOX", MOVED_FROM, path.name)
    assert (came.box, came.mask, came.name) == ("Read", MOVED_TO, path.name)
    assert gone.cookie == came.cookie
    assert (here / "Read" / path.name).stat().st_ino == number


@on_one_server
@pytest.mark.parametrize("command", [
    "ls -l INBOX", "find INBOX -size +4k", "stat INBOX/*", "du -s INBOX", "head -n 3 INBOX/*Apple*",
    "head -c 4096 INBOX/*Apple*", "tail -c 100 INBOX/*Birch*", "file INBOX/*Apple* INBOX/*Birch*",
    "dd if=$(echo INBOX/*Apple*) bs=4096 count=1", "dd if=$(echo INBOX/*Birch*) bs=1M count=1",
    "getfattr -d INBOX/*"])
def test_who_only_looks_consumes_nothing(place, command):
    here = place()
    here.mount.run("sh", "-ec", command, check=True)
    nothing_was_consumed(here)


@on_one_server
def test_an_ordinary_user_reads(account, mount, ordinary_user):
    here = PopPlace(mount(account.url("pop3+insecure"), SLOW, user=ordinary_user))
    assert here.cat("Apple") == LETTERS["Apple"]
    assert subjects(here.names("Read")) == {"Apple": 1}


@on_one_server
def test_a_thumbnailer_consumes_nothing(place, folder):
    here = place("prefetch=all")
    wait_until(lambda: len(here.kept("INBOX")) == len(LETTERS))
    folder.chmod(0o755)
    thumbnailer = shutil.copy("/usr/bin/cat", folder / "tumblerd")
    here.mount.run(thumbnailer, here.find("Apple"), check=True)
    nothing_was_consumed(here)


def test_views_consume_nothing(place):
    here = place()
    for command in ("cat .mailfs/text/INBOX/*", "cat .mailfs/parts/INBOX/*/*"):
        shown = here.mount.run("sh", "-ec", command, check=True).stdout
        assert "Überall bicycles.".encode() in shown and b"Line 199 of this letter" in shown
    nothing_was_consumed(here)


def test_a_search_consumes_what_it_reads(place):
    here = place()
    found = here.mount.run("grep", "-r", "bicycle", "INBOX", check=True).stdout.decode()
    assert "_Cedar." in found and len(found.splitlines()) == 1
    here.await_in("Read", *LETTERS)
    assert not here.names()


@pytest.mark.parametrize("command", ["cp -a INBOX", "rsync -a INBOX"])
def test_copying_consumes(account, place, folder, command):
    here = place()
    here.mount.run(*command.split(), folder, check=True)
    assert sorted(path.read_bytes() for path in (folder / "INBOX").iterdir()) == on_wire(account)
    here.await_in("Read", *LETTERS)


@on_one_server
def test_nothing_is_consumed_where_nothing_may_change(place):
    here = place("ro")
    here.mount.run("sh", "-ec", "cat INBOX/*", check=True)
    with open(here.find("Apple"), "rb", 0) as file:
        assert file.read() == LETTERS["Apple"]
    assert subjects(here.names()) == dict.fromkeys(LETTERS, 1) and not here.names("Read")


def test_all_of_it_takes_one_connection(account, place, proxy):
    between = proxy(account.server.pop_port, record=True)
    here = place(port=between.port)
    connected = between.totals().connections
    here.mount.run("sh", "-ec", "cat INBOX/*", check=True)
    here.await_in("Read", *LETTERS)
    assert between.totals().connections - connected <= 1
    assert between.said(from_client=True).count(b"RETR ") == len(LETTERS)


def test_a_message_comes_once(account, place, proxy):
    between = proxy(account.server.pop_port, record=True)
    here = place(port=between.port)
    for _ in range(2):
        here.mount.run("sh", "-ec", "head -qn1 INBOX/* && cat .mailfs/text/INBOX/*", check=True)
    here.cat(*LETTERS)
    here.mount.run("sh", "-ec", "cat Read/*", check=True)
    assert between.said(from_client=True).count(b"RETR ") == len(LETTERS)


def test_prefetching_consumes_nothing(account, place):
    here = place("prefetch=all")
    wait_until(lambda: sorted(here.kept("INBOX")) == on_wire(account))
    nothing_was_consumed(here)


# Changing.

def test_flags_are_kept_here(place, home):
    shared = home()
    here = place(home=shared)
    here.cat("Birch")
    for path, letters in ((here.find("Apple"), "F"), (here.find("Birch", "Read"), "RS")):
        path.rename(with_flags(path, letters))
    wait_until(lambda: "changes not sent: 0\n" in here.status())
    here.mount.finish()
    here = place(home=shared)
    assert here.find("Apple").name.endswith(",F.eml")
    assert here.find("Birch", "Read").name.endswith(",RS.eml")
    read, = here.spool.glob(".Read/cur/*")
    assert read.name.endswith(":2,RS")


@pytest.mark.parametrize("is_read", [True, False])
def test_what_is_removed_goes_to_the_trash(account, place, home, is_read):
    shared = home()
    here = place(home=shared)
    if is_read:
        here.cat("Apple")
    here.mount.run("rm", here.find("Apple", "Read" if is_read else "INBOX"), check=True)
    wait_until(lambda: here.kept("Trash") == [LETTERS["Apple"]])
    here.mount.finish()
    here = place(home=shared)
    assert subjects(here.names() + here.names("Read")) == {"Birch": 1, "Cedar": 1}
    assert "Apple" in at_server(account)


def test_messages_move_between_the_two(place):
    here = place()
    there = here.find("Apple")
    number = there.stat().st_ino
    here.mount.run("mv", there, "Read/", check=True)
    moved = here.find("Apple", "Read")
    assert (moved.name, moved.stat().st_ino) == (there.name, number)
    here.mount.run("mv", moved, "INBOX/", check=True)
    assert here.find("Apple").stat().st_ino == number
    assert not here.names("Read")
    assert here.cat("Apple") == LETTERS["Apple"]


@on_one_server
@pytest.mark.parametrize("command", [
    "mkdir Work", "mkdir INBOX/Work", "rmdir Read", "mv INBOX Post", "touch INBOX/new.eml",
    "touch Read/.new", "cp letter INBOX/new.eml", "cp letter Read/.new",
    "cp INBOX/*Apple* Read/copy.eml", "sh -c 'echo x >> INBOX/*Apple*'",
    "truncate -s 0 INBOX/*Apple*"])
def test_nothing_else_can_be_done(place, command):
    here = place()
    (here.mount.home.path / "letter").write_bytes(NEWS)
    command = command.replace("letter", str(here.mount.home.path / "letter"))
    done = here.mount.run("sh", "-c", command)
    assert done.returncode != 0 and b"Read-only file system" in done.stderr, done.stderr
    assert subjects(here.names()) == dict.fromkeys(LETTERS, 1) and not here.names("Read")


# Looking for new mail.

def test_new_mail_is_looked_for_when_asked(account, place, proxy):
    between = proxy(account.server.pop_port)
    here = place(port=between.port)
    account.deliver(NEWS)
    connected = between.totals().connections
    for _ in range(3):
        assert not here.has("Daisy", "INBOX")
    assert between.totals().connections == connected
    here.mount.run("touch", "INBOX", check=True)
    assert here.has("Daisy", "INBOX")


def test_new_mail_is_looked_for_now_and_then(account, place):
    here = place("poll=0")
    account.deliver(NEWS)
    here.await_in("INBOX", "Daisy")


# What stays at the server.

def test_what_stays_at_the_server(account, mount, proxy):
    places = {}
    for keep in ("keep=server", "keep=days:1", "keep=none"):
        between = proxy(account.server.pop_port, record=True)
        other = filled(account.server)
        here = PopPlace(mount(other.url("pop3+insecure", between.port), SLOW, keep))
        here.cat("Apple")
        here.mount.run("head", "-n3", here.find("Birch"), check=True)
        here.mount.run("rm", here.find("Cedar"), check=True)
        places[keep] = other, here, between
    for keep, (other, here, between) in places.items():  # the visits end by themselves
        wait_until(lambda: b"QUIT\r\n" in between.said(from_client=True))
        left = ["Birch"] if keep == "keep=none" else list(LETTERS)
        wait_until(lambda: n_at_server(other) == len(left))
        assert at_server(other) == left
        assert subjects(here.names()) == {"Birch": 1}
        assert subjects(here.names("Read")) == {"Apple": 1} and len(here.kept("Trash")) == 1


def test_what_the_server_forgets_is_kept(account, place, home):
    shared = home()
    here = place(home=shared)
    here.cat("Apple")
    here.mount.run("head", "-n3", here.find("Birch"), check=True)
    here.mount.finish()
    with account.pop() as raw:
        for number in range(1, 4):
            raw.must(f"DELE {number}")
        raw.must("QUIT")
    here = place(home=shared)
    assert subjects(here.names()) == {"Birch": 1}  # the Cedar was never here
    assert here.find("Apple", "Read").read_bytes() == LETTERS["Apple"]
    assert here.cat("Birch") in on_disk(here)


def on_disk(here: PopPlace) -> list[bytes]:
    return [content for box in ("INBOX", "Read") for content in here.kept(box)]


# Who else looks at it.

def test_the_spool_is_a_maildir(account, place, home):
    shared = home()
    here = place("prefetch=all", home=shared)
    here.cat("Apple")
    path = here.find("Birch")
    path.rename(with_flags(path, "F"))
    wait_until(lambda: sorted(here.kept("INBOX")) == sorted(LETTERS[one]
                                                            for one in ("Birch", "Cedar")))
    wait_until(lambda: "changes not sent: 0\n" in here.status())
    here.mount.finish()
    maildir = mailbox.Maildir(spool_of(shared), create=False)
    assert sorted(maildir.list_folders()) == ["Read", "Trash"]
    flags = {one["Subject"]: one.get_flags() for one in maildir}
    assert flags == {"Birch": "F", "Cedar": ""}
    read, = maildir.get_folder("Read").itervalues()
    assert read["Subject"] == "Apple"
    assert kept(spool_of(shared), "Read") == [LETTERS["Apple"]]


# A server that is not there, or not for us.

def test_the_spool_is_served_without_a_server(account, place, proxy):
    between = proxy(account.server.pop_port)
    here = place(port=between.port)
    here.cat("Apple")
    here.mount.run("head", "-n3", here.find("Birch"), check=True)
    between.newcomers("refuse")
    between.cut()
    here.look_for_mail()
    assert "state: offline" in here.status()
    assert subjects(here.names()) == dict.fromkeys(["Birch", "Cedar"], 1)
    assert here.find("Apple", "Read").read_bytes() == LETTERS["Apple"]
    assert here.cat("Birch") == LETTERS["Birch"]
    assert fails(here.find("Cedar").read_bytes) == errno.EHOSTUNREACH
    between.newcomers("serve")
    wait_until(lambda: not os.listdir(here / "INBOX") or fetched(here, "Cedar"))
    here.await_in("Read", "Cedar")


def fetched(here: PopPlace, part: str) -> bool:
    try:
        return bool(here.find(part).read_bytes())
    except OSError:
        return False


@on_one_server
def test_a_wrong_password(account, mount, home):
    shared = home()
    shared.password_file.write_text("xyzzy-plugh\n")
    with pytest.raises(MountFailed) as failure:
        mount(account.url("pop3+insecure"), "-d", home=shared)
    assert failure.value.code > 0
    assert f"log in as {account.user}" in failure.value.stderr.strip().splitlines()[-1]
    assert "xyzzy" not in failure.value.stderr


def test_nobody_there(mount, proxy, dovecot):
    between = proxy(dovecot.pop_port)
    between.newcomers("refuse")
    with pytest.raises(MountFailed) as failure:
        mount(dovecot.new_account().url("pop3+insecure", between.port))
    assert "refused" in failure.value.stderr
