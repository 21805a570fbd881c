# SPDX-License-Identifier: MIT
"""When the answer to a change is lost, or says little: mail is never lost, and there once.

First a real server whose connection is cut somewhere, then one that answers as it is told.
"""

import errno
import os
import random
import re
import shutil
import sqlite3
from contextlib import closing
from typing import Callable, Optional

import pytest

import messages
from citizen import Box, Citizen, Stored
from messages import Message
from place import Place, with_flags
from processes import wait_until
from script import Gone

LETTER = messages.message()
OTHER = messages.message(subject="Another", message_id="<other@example.org>")
VERSION = LETTER + b"More.\r\n"  # of LETTER: the Message-ID is the same
FOREIGN = LETTER + b"Something quite different, from another client.\r\n"


# --- cut somewhere ---

@pytest.fixture
def place(account, mount, proxy):
    """INBOX with a draft, an empty Archive, and a connection for writing that is up."""
    between = proxy(record=True)
    account.deliver_all([Message(LETTER, ("\\Draft",))])
    account.create("Archive")
    here = Place(account, mount(account.url("imap+insecure", between.port)), between)
    (here.dir("Archive") / "first.eml").write_bytes(OTHER)
    return here


def append(here: Place) -> None:
    (here.dir("Archive") / "new.eml").write_bytes(VERSION)


def copy(here: Place) -> None:
    here.mount.run("cp", here.file("INBOX"), here.dir("Archive") / "new.eml")


def move(here: Place) -> None:
    here.file("INBOX").rename(here.dir("Archive") / "new.eml")


def replace(here: Place) -> None:
    here.file("INBOX").write_bytes(VERSION)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("from_client", [False, True], ids=["down", "up"])
@pytest.mark.parametrize("act, inbox, archive", [
    (append, [LETTER], [OTHER, VERSION]), (copy, [LETTER], [OTHER, LETTER]),
    (move, [], [OTHER, LETTER]), (replace, [VERSION], [OTHER])])
def test_cut_after_some_bytes(place, act, inbox, archive, from_client, seed):
    place.files("INBOX"), place.files("Archive")
    before = place.proxy.totals().connections
    span = 100 if from_client else 300  # of what any of these acts takes
    place.proxy.cut(after=random.Random(seed).randrange(span), from_client=from_client)
    try:
        act(place)
    except OSError:
        pass
    wait_until(lambda: not place.mount.run(
        "sync", place.dir("INBOX"), place.dir("Archive")).returncode)
    assert place.proxy.totals().connections > before
    assert [one.content for one in place.seen("INBOX")] == inbox
    assert [one.content for one in place.seen("Archive")] == archive


# --- answered as told ---

class Clerk(Citizen):
    """Does what it is asked, but for the commands that oddities match.

    An oddity is used once: called with the peer and the command, it gives the answer, or None for
    the usual one, or "" when it has answered itself.
    """

    capabilities = "IMAP4rev1 AUTH=PLAIN LITERAL+ UIDPLUS MOVE"

    def __init__(self, *boxes: Box):
        super().__init__(*boxes)
        self.oddities: list[tuple[str, Callable]] = []
        self.highest = {id(box): 0 for box in self.boxes}

    def be_odd(self, pattern: str, answer: Callable) -> None:
        self.oddities.append((pattern, answer))

    def answer(self, peer, command) -> Optional[str]:
        for oddity in self.oddities:
            if re.match(oddity[0], said(command)):
                self.oddities.remove(oddity)
                answer = oddity[1](peer, command)
                return super().answer(peer, command) if answer is None else answer or None
        return super().answer(peer, command)

    def count(self, pattern: str) -> int:
        return sum(bool(re.match(pattern, said(command))) for command in self.commands)

    def contents(self, name: str) -> list[bytes]:
        return [message.content for message in self.find(name).messages]

    def uidnext(self, box: Box) -> int:
        self.highest[id(box)] = max([self.highest[id(box)], *(one.uid for one in box.messages)])
        return self.highest[id(box)] + 1

    def put(self, name: str, content: bytes) -> int:
        box = self.find(name)
        box.messages.append(Stored(self.uidnext(box), content))
        return box.messages[-1].uid

    def do_append(self, peer, command) -> str:
        name, content = command.words[0], command.words[-1].encode(errors="surrogateescape")
        return f"OK [APPENDUID {self.find(name).uidvalidity} {self.put(name, content)}] done"

    def do_uid_move(self, peer, command) -> str:
        uids, target = command.words
        moved = [message for _, message in peer.box.select(uids)]
        new = [str(self.put(target, message.content)) for message in moved]
        peer.untagged(f"OK [COPYUID {self.find(target).uidvalidity} {uids} {','.join(new)}] moved")
        return self.expunge(peer, moved)

    def do_uid_copy(self, peer, command) -> str:
        uids, target = command.words
        for _, message in peer.box.select(uids):
            self.put(target, message.content)
        return "OK done"

    def do_uid_store(self, peer, command) -> str:
        """Understands +FLAGS.SILENT alone."""
        for _, message in peer.box.select(command.words[0]):
            message.flags += tuple(command.words[2].strip("()").split())
        return "OK done"

    def do_uid_expunge(self, peer, command) -> str:
        return self.expunge(peer, [one for _, one in peer.box.select(command.words[0])
                                   if "\\Deleted" in one.flags])

    def expunge(self, peer, gone: list[Stored]) -> str:
        for message in gone:
            peer.untagged(f"{peer.box.messages.index(message) + 1} EXPUNGE")
            peer.box.messages.remove(message)
        return "OK done"

    def do_create(self, peer, command) -> str:
        self.boxes.append(Box(command.words[0]))
        self.highest[id(self.boxes[-1])] = 0
        return "OK done"

    def do_delete(self, peer, command) -> str:
        self.boxes.remove(self.find(command.words[0]))
        return "OK done"

    def do_subscribe(self, peer, command) -> str:
        return "OK done"

    do_unsubscribe = do_subscribe


def said(command) -> str:
    return f"{command.name} {command.text}"


def hang_up(peer, command) -> None:
    raise Gone


def saying(answer: str) -> Callable:
    return lambda peer, command: answer


@pytest.fixture
def clerk() -> Clerk:
    return Clerk(Box("INBOX", [Stored(1, LETTER)]), Box("Archive"), Box("Work"))


@pytest.fixture
def mounted(clerk, script, mount):
    return mount(script(clerk).url(), "timeout=20")


def only(directory):
    [name] = [name for name in os.listdir(directory) if name.endswith(".eml")]
    return directory / name


def test_version_of_another_client_is_not_taken_for_ours(clerk, mounted):
    def lose(peer, command):
        clerk.put("INBOX", FOREIGN)
        raise Gone
    clerk.be_odd("APPEND", lose)
    only(mounted / "INBOX").write_bytes(VERSION)
    assert clerk.contents("INBOX") == [FOREIGN, VERSION]


def test_old_version_is_not_taken_for_the_new_one(clerk, mounted):
    """Where UIDVALIDITY is not told, all of the mailbox is looked at."""
    def tell(peer, command):
        peer.untagged("STATUS INBOX (MESSAGES 1 UIDNEXT 2)")
        return "OK done"
    clerk.be_odd("STATUS", tell)
    clerk.be_odd("APPEND", hang_up)
    only(mounted / "INBOX").write_bytes(VERSION)
    assert clerk.contents("INBOX") == [VERSION]


@pytest.mark.parametrize("step", ["SELECT", "UID FETCH .*ENVELOPE"])
def test_refused_look_says_nothing(clerk, mounted, step):
    def take(peer, command):
        clerk.do_append(peer, command)
        clerk.be_odd(step, saying("NO not now"))
        raise Gone
    clerk.be_odd("APPEND Archive", take)
    (mounted / "Archive" / "new.eml").write_bytes(OTHER)
    assert not clerk.oddities
    assert clerk.contents("Archive") == [OTHER]


@pytest.mark.parametrize("step, answer", [
    ("UID STORE", "NO not now"), ("UID FETCH 1 .INTERNALDATE", "NO [EXPUNGEISSUED] not all")])
def test_refused_removal_is_tried_again(clerk, mounted, step, answer):
    """Of a move that was cut off when only the copy was there."""
    def copy_only(peer, command):
        clerk.put("Archive", LETTER)
        clerk.be_odd(step, saying(answer))
        raise Gone
    clerk.be_odd("UID MOVE", copy_only)
    only(mounted / "INBOX").rename(mounted / "Archive" / "a.eml")
    mounted.run("sync", mounted / "Archive", check=True)
    assert not clerk.oddities
    assert clerk.contents("Archive") == [LETTER] and clerk.contents("INBOX") == []


def test_move_that_did_nothing(clerk, mounted):
    clerk.be_odd("UID MOVE", saying("OK done"))
    only(mounted / "INBOX").rename(mounted / "Archive" / "a.eml")
    mounted.run("sync", mounted / "Archive", check=True)
    assert clerk.contents("Archive") == [LETTER] and clerk.contents("INBOX") == []


def test_mailbox_that_is_replaced_meanwhile(clerk, mounted):
    """What is refused before it is sent is not sent."""
    def renew(peer, command):
        clerk.find("INBOX").uidvalidity = 2
        before = clerk.count("EXAMINE INBOX")

        def is_seen() -> bool:
            os.listdir(mounted / "Archive")
            os.listdir(mounted / "INBOX")
            return clerk.count("EXAMINE INBOX") > before
        wait_until(is_seen)
    clerk.be_odd("STATUS INBOX", renew)
    with pytest.raises(OSError):
        only(mounted / "INBOX").write_bytes(VERSION)
    (mounted / "Archive" / "new.eml").write_bytes(OTHER)
    assert clerk.contents("INBOX") == [LETTER] and clerk.contents("Archive") == [OTHER]


def test_same_message_twice(clerk, mounted):
    """The first one is not taken for the second, where only SELECT tells UIDNEXT."""
    first = only(mounted / "INBOX")
    first.rename(with_flags(first, "S"))
    mounted.run("sync", mounted / "INBOX", check=True)
    for _ in range(2):
        clerk.be_odd("STATUS INBOX", saying("NO it is selected"))
    (mounted / "INBOX" / "a.eml").write_bytes(OTHER)
    clerk.be_odd("APPEND", hang_up)
    (mounted / "INBOX" / "b.eml").write_bytes(OTHER)
    assert clerk.contents("INBOX") == [LETTER, OTHER, OTHER]


def test_copy_of_what_is_not_known_any_more(clerk, script, mount, home):
    """The copy came, and then the index was lost, by which it would be recognised."""
    own = home()
    url = script(clerk).url()
    first = mount(url, home=own)

    def lose(peer, command):
        clerk.do_uid_copy(peer, command)
        peer.wait()
    clerk.be_odd("UID COPY", lose)
    first.run("cp", only(first / "INBOX"), first / "Archive", check=True)
    wait_until(lambda: clerk.contents("Archive"))
    first.kill()
    shutil.rmtree(own.path / "cache" / "mailfs")
    second = mount(url, home=own)
    second.run("sync", second / "Archive", check=True)
    assert clerk.contents("Archive") == [LETTER]


@pytest.mark.parametrize("is_done", [False, True], ids=["undone", "done"])
def test_move_of_what_is_not_known_any_more(clerk, script, mount, home, is_done):
    """The answer to the move was lost, and then the index."""
    own = home()
    url = script(clerk).url()
    first = mount(url, home=own)

    def lose(peer, command):
        if is_done:
            clerk.do_uid_move(peer, command)
        peer.wait()
    clerk.be_odd("UID MOVE", lose)
    only(first / "INBOX").rename(first / "Archive" / "a.eml")
    wait_until(lambda: clerk.count("UID MOVE"))
    first.kill()
    shutil.rmtree(own.path / "cache" / "mailfs")
    second = mount(url, "timeout=20", home=own)
    second.run("sync", second / "Archive", check=True)
    assert clerk.contents("Archive") == [LETTER] and clerk.contents("INBOX") == []


def test_statuses_out_of_order(clerk, mounted):
    clerk.find("INBOX").messages.append(Stored(2, OTHER))
    clerk.find("Work").uidvalidity = 7

    def swap(peer, command):
        other = peer.command()
        for one in other, command:
            assert clerk.do_status(peer, one).startswith("OK")
        for one in command, other:
            peer.send(f"{one.tag} OK done\r\n")
        return ""
    clerk.be_odd("STATUS (Archive|Work)", swap)
    for path, target in zip(sorted((mounted / "INBOX").glob("*.eml")), ("Archive", "Work")):
        path.rename(mounted / target / path.name)
    mounted.run("sync", mounted / "Archive", mounted / "Work", check=True)
    assert not clerk.oddities
    assert clerk.count(r"UID FETCH .*\(INTERNALDATE RFC822.SIZE ENVELOPE\)") == 0


def test_mailbox_is_not_made_later(clerk, mounted):
    clerk.be_odd("CREATE", saying("NO [INUSE] locked"))
    with pytest.raises(OSError) as failure:
        (mounted / "New").mkdir()
    assert failure.value.errno in (errno.EBUSY, errno.EAGAIN)
    (mounted / "Newer").mkdir()
    assert clerk.count("CREATE New$") == 1 and clerk.find("New") is None


def test_removal_is_noted_before_the_last_look(clerk, mounted, folder):
    """So that nothing slow is between the count of messages and DELETE."""
    noted = []

    def read_journal(peer, command):
        for path in mounted.home.path.glob("state/mailfs/*/journal.sqlite*"):
            shutil.copy(path, folder)
        with closing(sqlite3.connect(folder / "journal.sqlite")) as journal:
            noted.extend(journal.execute("SELECT sent_uidnext FROM change"))
    clerk.be_odd("STATUS Work", read_journal)
    (mounted / "Work").rmdir()
    assert noted == [(1,)] and clerk.find("Work") is None
