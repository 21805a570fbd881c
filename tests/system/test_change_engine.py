# SPDX-License-Identifier: MIT
"""Changes on servers that refuse now and then, hang up over a message, or let in only one."""

import errno
import os
import re
import threading
from pathlib import Path
from typing import Optional

import pytest

import messages
from citizen import Box, Citizen, Stored
from place import uid_of, with_flags
from processes import PATIENCE, wait_until
from script import Gone, unquote

TIMEOUT = 2
PROBE = "(INTERNALDATE RFC822.SIZE)"
POISON = messages.message(subject="Poison")
LETTER = messages.message(subject="Letter")


class Writer(Citizen):
    """Changes mail.  before() sees each command of connections that write, and may answer it."""

    capabilities = "IMAP4rev1 AUTH=PLAIN LITERAL+ MOVE UIDPLUS"

    def before(self, peer, command) -> Optional[str]:
        return None

    def answer(self, peer, command):
        if command.name == "SELECT":
            peer.writes = True
        told = self.before(peer, command) if getattr(peer, "writes", False) else None
        return told or super().answer(peer, command)

    def said(self, name: str) -> list[str]:
        return [command.text for command in self.commands if command.name == name]

    def do_uid_store(self, peer, command):
        uids, how, flags = command.text.split(" ", 2)
        words = set(flags.strip("()").split())
        for _, message in peer.box.select(uids):
            old = set(message.flags)
            message.flags = tuple(old | words if how[0] == "+" else old - words)
        return "OK done"

    def do_uid_copy(self, peer, command):
        uids, name = command.words
        target = self.find(name)
        pairs = []
        for _, message in peer.box.select(uids):
            new = self.put(target, message.content, message.flags)
            pairs.append((message.uid, new.uid))
        old, new = (",".join(map(str, column)) for column in zip(*pairs))
        return f"OK [COPYUID {target.uidvalidity} {old} {new}] done"

    def do_uid_move(self, peer, command):
        moved = peer.box.select(command.words[0])
        told = self.do_uid_copy(peer, command)
        for number, message in reversed(moved):
            peer.box.messages.remove(message)
            peer.untagged(f"{number} EXPUNGE")
        return told

    def do_append(self, peer, command):
        words = command.words
        box = self.find(words[0])
        new = self.put(box, words[-1].encode(), ())
        return f"OK [APPENDUID {box.uidvalidity} {new.uid}] done"

    def put(self, box: Box, content: bytes, flags: tuple[str, ...]) -> Stored:
        box.messages.append(Stored(self.uidnext(box), content, flags))
        return box.messages[-1]


def letters(count: int) -> list[Stored]:
    return [Stored(uid, messages.message(subject=f"Letter {uid}", message_id=f"<{uid}@x.org>"))
            for uid in range(1, count + 1)]


def files(folder: Path) -> list[Path]:
    """The messages in it, the oldest first."""
    return sorted((folder / name for name in os.listdir(folder) if name.endswith(".eml")),
                  key=lambda path: uid_of(path.name))


def sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


# --- what must be known before ---

class Coy(Writer):
    """Answers the first questions of a kind with NO."""

    def __init__(self, question: str, answers: list[str], *boxes: Box):
        super().__init__(*boxes)
        self.question, self.answers = question, answers

    def before(self, peer, command):
        is_asked = f"{command.name} {command.text}".endswith(self.question)
        return self.answers.pop() if is_asked and self.answers else None


@pytest.mark.parametrize("question, answer", [
    (PROBE, "NO [EXPUNGEISSUED] some are gone"), (PROBE, "NO not now"),
    ("UID SEARCH UID 1:5", "NO not now"),
    ("STATUS Archive (MESSAGES UIDNEXT UIDVALIDITY)", "NO not now")],
    ids=["gone", "probe", "presence", "target"])
def test_question_that_is_refused_once(mount, script, question, answer):
    coy = Coy(question, [answer], Box("INBOX", letters(5)), Box("Archive", uidvalidity=7))
    mounted = mount(script(coy).url())
    for path in files(mounted / "INBOX"):
        path.rename(mounted / "Archive" / path.name)
    sync(mounted / "INBOX")
    assert not coy.answers, "nothing was refused"
    assert len(coy.boxes[1].messages) == 5 and not coy.boxes[0].messages
    assert len(files(mounted / "Archive")) == 5


class Forgetful(Writer):
    """Hangs up in place of the second UID COPY."""

    def before(self, peer, command):
        if command.name == "UID COPY" and len(self.said("UID COPY")) == 2:
            raise Gone
        return None


def test_copies_within_a_mailbox(mount, script):
    """The first copy is not taken for the second one, which the server has not made."""
    forgetful = Forgetful(Box("INBOX", letters(1)))
    mounted = mount(script(forgetful).url())
    [path] = files(mounted / "INBOX")
    for name in ("x.eml", "y.eml"):
        with open(path, "rb", 0) as old, open(mounted / "INBOX" / name, "xb", 0) as new:
            while os.copy_file_range(old.fileno(), new.fileno(), 1 << 30):
                pass
        sync(mounted / "INBOX")
    assert len(forgetful.said("UID COPY")) == 3
    assert len(forgetful.boxes[0].messages) == 3


# --- refused ---

class Choosy(Writer):
    """Does nothing to each tenth message, and nothing at all before it may begin."""

    def __init__(self, *boxes: Box):
        super().__init__(*boxes)
        self.may_begin = threading.Event()

    def before(self, peer, command):
        if command.name != "UID STORE":
            return None
        self.may_begin.wait(PATIENCE)
        stored = peer.box.select(command.text.split(" ")[0])
        return "NO [CANNOT] not that one" if any(one.uid % 10 == 0 for _, one in stored) else None


def test_some_refused_among_many(mount, script):
    choosy = Choosy(Box("INBOX", letters(700)))
    mounted = mount(script(choosy).url())
    for path in files(mounted / "INBOX"):
        path.rename(with_flags(path, "S"))
    choosy.may_begin.set()
    with pytest.raises(OSError):
        sync(mounted / "INBOX")
    unseen = [one.uid for one in choosy.boxes[0].messages if "\\Seen" not in one.flags]
    assert unseen == list(range(10, 701, 10))


# --- the connection is lost ---

class Allergic(Writer):
    """Hangs up over one message."""

    def before(self, peer, command):
        if command.name == "APPEND" and "Poison" in command.text:
            raise Gone
        return None


def test_message_that_ends_each_connection(mount, script):
    """It is given up, and others need not wait for that."""
    allergic = Allergic(Box("INBOX"), Box("Archive"))
    mounted = mount(script(allergic).url())
    files(mounted / "Archive")
    errors = []

    def write_poison():
        try:
            (mounted / "INBOX/poison.eml").write_bytes(POISON)
        except OSError as error:
            errors.append(error.errno)
    writer = threading.Thread(target=write_poison)
    writer.start()
    wait_until(lambda: allergic.said("APPEND"))
    (mounted / "Archive/letter.eml").write_bytes(LETTER)
    assert writer.is_alive() and len(allergic.boxes[1].messages) == 1
    writer.join(PATIENCE)
    assert errors == [errno.EIO]
    assert len([text for text in allergic.said("APPEND") if "Poison" in text]) == 5
    (mounted / "INBOX/letter.eml").write_bytes(LETTER)
    assert [one.content for one in allergic.boxes[0].messages] == [LETTER]


class Brittle(Writer):
    """Loses the answer to one message, and hangs up over each look at what became of it."""

    def before(self, peer, command):
        if command.name == "APPEND" and "Poison" in command.text:
            self.do_append(peer, command)
            raise Gone
        if command.name == "UID FETCH" and "ENVELOPE" in command.text:
            raise Gone
        return None


def test_look_that_ends_each_connection(mount, script):
    """It is given up, and others need not wait for that."""
    brittle = Brittle(Box("INBOX"), Box("Archive"))
    mounted = mount(script(brittle).url(), "async")
    lost = mounted / ".mailfs/lost+found"
    (mounted / "INBOX/poison.eml").write_bytes(POISON)
    wait_until(lambda: brittle.said("APPEND"))
    (mounted / "Archive/letter.eml").write_bytes(LETTER)
    wait_until(lambda: brittle.boxes[1].messages, pause=0.1)
    assert os.listdir(lost) == []
    wait_until(lambda: os.listdir(lost), pause=0.1)
    (mounted / "INBOX/letter.eml").write_bytes(LETTER)
    wait_until(lambda: len(brittle.boxes[0].messages) > 1, pause=0.1)
    assert [one.content for one in brittle.boxes[0].messages] == [POISON, LETTER]


# --- while it is busy ---

class Lonely(Writer):
    """Lets in one connection, and takes its time over each message."""

    connection = None

    def admit(self, password):
        if self.connection:
            return "NO [UNAVAILABLE] one is enough"
        self.connection = True
        return super().admit(password)

    def do_append(self, peer, command):
        peer.wait(0.01)
        return super().do_append(peer, command)


def test_listing_during_an_import(mount, script):
    lonely = Lonely(Box("INBOX"), Box("Archive"), Box("Other", letters(3)))
    mounted = mount(script(lonely).url(), "async")
    for number in range(400):
        (mounted / f"Archive/{number}.eml").write_bytes(
            messages.message(message_id=f"<new{number}@x.org>"))
    assert len(files(mounted / "Other")) == 3
    assert len(lonely.boxes[1].messages) < 400
    wait_until(lambda: len(lonely.boxes[1].messages) == 400)


class Idler(Lonely):
    """Tells what happens while it has nothing to do."""

    capabilities = Lonely.capabilities + " IDLE"
    is_idle = False

    def do_idle(self, peer, command):
        self.is_idle = True
        peer.send(b"+ idling\r\n")
        assert peer.line() == b"DONE"
        self.is_idle = False
        return "OK idled"


def test_changes_are_made_over_the_connection_that_idles(mount, script):
    idler = Idler(Box("INBOX", letters(1)))
    mounted = mount(script(idler).url(), "async")
    path = files(mounted / "INBOX")[0]
    wait_until(lambda: idler.is_idle)
    path.rename(with_flags(path, "F"))
    wait_until(lambda: idler.boxes[0].messages[0].flags, 20)


class Thorough(Writer):
    """Is at one command for as long as it likes, in silence."""

    def __init__(self, slow: str, *boxes: Box):
        super().__init__(*boxes)
        self.slow, self.is_done = slow, threading.Event()

    def before(self, peer, command):
        if command.name == self.slow:
            self.is_done.wait(PATIENCE)
        return None


def write_letter(mounted, path: Path) -> None:
    (mounted / "Archive/new.eml").write_bytes(LETTER)


def copy_letter(mounted, path: Path) -> None:
    mounted.run("cp", path, mounted / "Archive/new.eml", check=True)


def move_letter(mounted, path: Path) -> None:
    path.rename(mounted / "Archive/new.eml")


@pytest.mark.parametrize("slow, act", [
    ("APPEND", write_letter), ("UID COPY", copy_letter), ("UID MOVE", move_letter)])
def test_server_that_is_at_it_for_long(mount, script, slow, act):
    """Who waits is let go in time; what the server is at is not sent again."""
    thorough = Thorough(slow, Box("INBOX", [Stored(1, LETTER)]), Box("Archive"),
                        Box("Other", letters(3)))
    mounted = mount(script(thorough).url(), f"timeout={TIMEOUT}")
    act(mounted, files(mounted / "INBOX")[0])
    for _ in range(2):
        with pytest.raises(OSError) as late:
            sync(mounted / "Archive")
        assert late.value.errno == errno.ETIMEDOUT
    assert len(files(mounted / "Other")) == 3
    thorough.is_done.set()
    sync(mounted / "Archive")
    assert len(thorough.said(slow)) == 1
    assert [one.content for one in thorough.boxes[1].messages] == [LETTER]


def test_many_are_moved_in_portions(mount, script):
    """So that its answers show that the server goes on."""
    thorough = Thorough("UID STORE", Box("INBOX", letters(1003)), Box("Archive"))
    mounted = mount(script(thorough).url())
    first, second, *others = files(mounted / "INBOX")
    first.rename(mounted / "Archive" / first.name)
    sync(mounted / "Archive")
    second.rename(with_flags(second, "S"))
    wait_until(lambda: thorough.said("UID STORE"))
    for path in others:
        path.rename(mounted / "Archive" / path.name)
    thorough.is_done.set()
    sync(mounted / "Archive")
    assert len(thorough.said("UID MOVE")) == 3
    assert len(thorough.boxes[1].messages) == 1002


class Slow(Writer):
    """Takes its time over flags."""

    def do_uid_store(self, peer, command):
        peer.wait(TIMEOUT / 3)
        return super().do_uid_store(peer, command)


def test_rights_while_the_server_is_slow(mount, script):
    slow = Slow(Box("INBOX", letters(6)), Box("Other"))
    mounted = mount(script(slow).url(), f"timeout={TIMEOUT}")
    for path, flags in zip(files(mounted / "INBOX"), ("S", "F", "R", "D", "FS", "RS")):
        path.rename(with_flags(path, flags))
    wait_until(lambda: slow.said("UID STORE"))
    (mounted / "Other/new.eml").write_bytes(LETTER)
    assert len(slow.said("UID STORE")) == 6
    assert [one.content for one in slow.boxes[1].messages] == [LETTER]


# --- what a server tells of the messages that it takes ---

class Narrow(Writer):
    """Takes no message of more than 1000 octets into one of its mailboxes, and says so."""

    capabilities = Writer.capabilities + " APPENDLIMIT"

    def do_status(self, peer, command):
        name, items = command.words
        if items != "(APPENDLIMIT)":
            return super().do_status(peer, command)
        peer.untagged(f"STATUS {name} (APPENDLIMIT {1000 if name == 'Archive' else 'NIL'})")
        return "OK done"


def test_too_large_for_a_mailbox(mount, script):
    narrow = Narrow(Box("INBOX"), Box("Archive"))
    mounted = mount(script(narrow).url())
    fitting, large = messages.of_size(1000), messages.of_size(1001)
    with pytest.raises(OSError) as refusal:
        (mounted / "Archive/large.eml").write_bytes(large)
    assert refusal.value.errno == errno.EFBIG
    assert files(mounted / "Archive") == [] and not narrow.said("APPEND")
    (mounted / "Archive/fitting.eml").write_bytes(fitting)
    (mounted / "INBOX/large.eml").write_bytes(large)
    assert [one.content for one in narrow.boxes[1].messages] == [fitting]
    assert [one.content for one in narrow.boxes[0].messages] == [large]


class Worldly(Writer):
    """Takes headers in UTF-8 as what they are, and not as ASCII (RFC 6855 4)."""

    capabilities = Writer.capabilities + " ENABLE UTF8=ACCEPT"
    sent_so = re.compile(r' UTF8 \(~("(?:[^"\\]|\\.)*")\)$')

    def do_enable(self, peer, command):
        peer.untagged("ENABLED UTF8=ACCEPT")
        return "OK done"

    def do_append(self, peer, command):
        box, item = self.find(command.words[0]), self.sent_so.search(command.text)
        if bool(item) == command.text.isascii():
            return "NO [CANNOT] that is not how to send it"
        content = unquote(item[1]) if item else command.words[-1]
        self.put(box, content.encode(errors="surrogateescape"), ())
        return "OK done"


def test_header_in_utf8(mount, script):
    worldly = Worldly(Box("INBOX"))
    mounted = mount(script(worldly).url())
    utf8 = messages.message(subject="Grüße")
    for number, content in enumerate((utf8, LETTER)):
        (mounted / f"INBOX/{number}.eml").write_bytes(content)
    assert [one.content for one in worldly.boxes[0].messages] == [utf8, LETTER]
