# SPDX-License-Identifier: MIT
"""Two mounts and another client change one account at random: nothing is lost, doubled or back.

Operations come in rounds.  Most rounds have one, which must have done to the server what it says
and nothing else.  In every fifth several are made before anybody waits for the server, so that they
may concern the same message: then one of them may be refused, but the message must neither be
lost nor doubled.  MAILFS_SEED repeats a run.
"""

import errno
import os
import random
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, NamedTuple, Optional

import pytest

import messages
from mailserver import Account
from messages import Message
from mount import Mount
from place import Place, uid_of, with_flags
from processes import wait_until
from rawimap import quote, uid_set

BOXES = ["INBOX", "Archive", "Work", "Work/2024"]
FLAGS = {"F": "\\Flagged", "R": "\\Answered", "S": "\\Seen"}
SHOWN = FLAGS | {"T": "\\Deleted"}  # for a moment, as long as another removes it
CROWD = 60  # about so many messages
CHECK_EVERY = 100  # rounds
TELLS_ID = re.compile(rb"^X-Id: ([0-9]+)\r$", re.M)
TELLS_UID = re.compile(rb"UID ([0-9]+)")
TELLS_FLAGS = re.compile(rb"FLAGS \(([^)]*)\)")
TELLS_COPIED = re.compile(rb"\[COPYUID [0-9]+ [0-9:,]+ ([0-9:,]+)\]")


class Where(NamedTuple):
    """A message in a mailbox."""

    box: str
    uid: int


class What(NamedTuple):
    """Which message it is, and how it is marked.  Copies have the same number."""

    number: int
    flags: frozenset[str]


State = dict[Where, What]


@dataclass
class Deed:
    """What somebody has done."""

    who: str
    kind: str  # "flag", "unflag", "move", "copy", "append", "delete"
    number: int
    source: Optional[Where] = None
    target: str = ""
    letter: str = ""  # of the flag
    error: Optional[OSError] = None  # it was refused at once

    def expected(self, before: State) -> Counter:
        """What is in the mailboxes after it; the same as before, if the message was not there."""
        after = tally(before)
        if self.kind == "append":
            after[self.target, What(self.number, frozenset())] += 1
        elif self.source in before:
            self._change(after, before[self.source])
        return +after

    def _change(self, after: Counter, what: What) -> None:
        if self.kind != "copy":
            after[self.source.box, what] -= 1
        if self.kind in ("move", "copy"):
            after[self.target, what] += 1
        elif self.kind == "flag":
            after[self.source.box, what._replace(flags=what.flags | {FLAGS[self.letter]})] += 1
        elif self.kind == "unflag":
            after[self.source.box, what._replace(flags=what.flags - {FLAGS[self.letter]})] += 1


def tally(state: State) -> Counter:
    """(mailbox, what): how many."""
    return Counter((where.box, what) for where, what in state.items())


class Client:
    """The account by IMAP: a party that changes it, and the one that tells what is there."""

    name = "client"

    def __init__(self, account: Account):
        self.raw = account.raw()

    def messages(self) -> list[tuple[Where, str]]:
        return [(where, "") for where in self.look()]

    def look(self) -> State:
        found: State = {}
        for box in BOXES:
            self.raw.must(f"SELECT {quote(box)}")
            told = self.raw.must("UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (X-ID)])").untagged
            for one in told:
                if number := TELLS_ID.search(one):
                    uid, flags = TELLS_UID.search(one), TELLS_FLAGS.search(one)
                    found[Where(box, int(uid[1]))] = What(
                        int(number[1]), frozenset(flags[1].decode().split()) - {"\\Recent"})
        return found

    def act(self, deed: Deed, _name: str) -> None:
        if deed.kind == "append":
            self.raw.append(deed.target, Message(letter(deed.number)))
            return
        self.raw.must(f"SELECT {quote(deed.source.box)}")
        uid = deed.source.uid
        if deed.kind in ("move", "copy"):
            self._transfer(deed)
        elif deed.kind == "delete":
            self.raw.must(f"UID STORE {uid} +FLAGS.SILENT (\\Deleted)")
            self.raw.must(f"UID EXPUNGE {uid}")
        else:
            sign = "+" if deed.kind == "flag" else "-"
            self.raw.must(f"UID STORE {uid} {sign}FLAGS.SILENT ({FLAGS[deed.letter]})")

    def _transfer(self, deed: Deed) -> None:
        reply = self.raw.must(f"UID {deed.kind.upper()} {deed.source.uid} {quote(deed.target)}")
        told = b"".join([*reply.untagged, reply.tagged])
        copied = TELLS_COPIED.search(told)
        if not copied or len(uid_set(copied[1].decode())) != 1:
            raise FileNotFoundError(errno.ENOENT, told)

    def settle(self) -> list[OSError]:
        return []


class Mounted:
    """The account as a mount shows it."""

    def __init__(self, name: str, mount: Mount):
        self.name = name
        self.mount = mount

    def messages(self) -> list[tuple[Where, str]]:
        return [(Where(box, uid), name) for box in BOXES for name in os.listdir(self.mount / box)
                if (uid := uid_of(name))]

    def look(self) -> State:
        """By the names in fresh listings, and the messages themselves."""
        return {where: What(self._number(self.mount / where.box / name),
                            frozenset(SHOWN[letter] for letter in letters_of(name)))
                for where, name in self.messages()}

    def _number(self, path: Path) -> int:
        return int(TELLS_ID.search(path.read_bytes())[1])

    def act(self, deed: Deed, name: str) -> None:
        source = self.mount / deed.source.box / name if deed.source else None
        acts: dict[str, Callable[[], object]] = {
            "append": lambda: self._target(deed).write_bytes(letter(deed.number)),
            "move": lambda: source.rename(self._target(deed)),
            "copy": lambda: copy(source, self._target(deed)),
            "delete": lambda: source.unlink(),
            "flag": lambda: self._mark(source, letters_of(name) + deed.letter),
            "unflag": lambda: self._mark(source, letters_of(name).replace(deed.letter, "")),
        }
        acts[deed.kind]()

    def _target(self, deed: Deed) -> Path:
        return self.mount / deed.target / f"{deed.kind}-{time.monotonic_ns()}.eml"

    def _mark(self, source: Path, letters: str) -> None:
        source.rename(with_flags(source, "".join(sorted(letters))))

    def settle(self) -> list[OSError]:
        """Waits for the server; returns what it did not want."""
        refusals = []
        for box in BOXES:
            directory = os.open(self.mount / box, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(directory)
            except OSError as error:
                refusals.append(error)
            finally:
                os.close(directory)
        return refusals


def letters_of(name: str) -> str:
    """The flags in a message's name."""
    return name.removesuffix(".eml").rpartition(",")[2]


def copy(source: Path, target: Path) -> None:
    """As cp does it."""
    with source.open("rb") as old, target.open("xb") as new:
        while os.copy_file_range(old.fileno(), new.fileno(), 1 << 30):
            pass


def letter(number: int) -> bytes:
    return messages.message(b"Number %d.\r\n" % number, x_id=str(number), subject=f"No. {number}",
                            message_id=f"<{number}@example.org>")


@dataclass
class World:
    """The account, who changes it, and what has happened."""

    numbers: random.Random
    eye: Client
    parties: list
    appended: int = 0
    story: list = field(default_factory=list)

    def round(self) -> None:
        """One deed, or several at once; then all wait for the server."""
        before = self.eye.look()
        count = 1 if self.numbers.random() < 0.8 else self.numbers.randrange(2, 6)
        offered = {party.name: party.messages() for party in self.parties}
        deeds = [self._act(before, offered) for _ in range(count)]
        refusals = {party.name: party.settle() for party in self.parties}
        self.story.append((deeds, refusals))
        self._judge(before, self.eye.look(), deeds, refusals)

    def _act(self, before: State, offered: dict) -> Deed:
        party = self.numbers.choice(self.parties)
        deed, name = self._decide(before, party, offered[party.name])
        try:
            party.act(deed, name)
        except OSError as error:
            assert error.errno in (errno.ENOENT, errno.ESTALE), deed
            deed.error = error
        return deed

    def _decide(self, before: State, party, there: list) -> tuple[Deed, str]:
        kinds = ["append"] if len(before) < CROWD else ["delete"]
        kinds += ["flag", "flag", "unflag", "move", "move", "copy", "delete"] if there else []
        kind = self.numbers.choice(kinds)
        target = self.numbers.choice(BOXES)
        if kind == "append":
            self.appended += 1
            return Deed(party.name, kind, self.appended, target=target), ""
        where, name = self.numbers.choice(sorted(there))
        number = before[where].number if where in before else 0
        if kind in ("flag", "unflag"):
            mark = self.numbers.choice("FRS")
            if name:
                kind = "unflag" if mark in letters_of(name) else "flag"
            return Deed(party.name, kind, number, where, letter=mark), name
        target = self.numbers.choice([box for box in BOXES if box != where.box])
        return Deed(party.name, kind, number, where, target), name

    def _judge(self, before: State, after: State, deeds: list[Deed], refusals: dict) -> None:
        """Each message that one deed was about is as that has made it."""
        if len(deeds) == 1 and deeds[0].source in before:
            assert not any(refusals.values()), self._tell(Counter(), Counter())
        touched = Counter(deed.number for deed in deeds)
        wanted = {number: expect(before, deed, any(refusals[deed.who]))
                  for deed in deeds if touched[number := deed.number] == 1}
        here, there = tally(before), tally(after)
        for number in numbers_in(here) | numbers_in(there) | set(touched):
            was, now = only(here, number), only(there, number)
            if number in wanted:
                assert now in [only(one, number) for one in wanted[number]], self._tell(was, now)
            elif number in touched:
                self._assert_bounds(was, now, [one for one in deeds if one.number == number])
            else:
                assert now == was, self._tell(was, now)

    def _assert_bounds(self, was: Counter, now: Counter, deeds: list[Deed]) -> None:
        """The deeds concern one message: they may have been in each other's way."""
        kinds = Counter(deed.kind for deed in deeds)
        assert now.total() <= was.total() + kinds["copy"], self._tell(was, now)
        assert now.total() >= was.total() - kinds["delete"], self._tell(was, now)

    def _tell(self, was: Counter, now: Counter) -> str:
        story = "\n".join(map(str, self.story[-3:]))
        return f"round {len(self.story)}: was {dict(was)}, is {dict(now)} after\n{story}"

    def check_views(self) -> None:
        """Everybody sees the same."""
        truth = self.eye.look()
        for party in self.parties:
            try:
                wait_until(lambda who=party: sees(who, truth), pause=0.2)
            except TimeoutError:
                assert party.look() == truth, f"{party.name} after round {len(self.story)}"


def sees(party, truth: State) -> bool:
    try:
        return party.look() == truth
    except OSError:  # what was listed has just gone
        return False


def expect(before: State, deed: Deed, is_refused: bool) -> list[Counter]:
    """What may be in the mailboxes after the only deed about its message.

    Who sees a message that has gone, or does not see one yet, is told so, early or late; but a
    message that somebody else has deleted may be deleted without an error.
    """
    if deed.error:
        return [tally(before)]
    done = deed.expected(before)
    return [done, tally(before)] if is_refused and deed.source not in before else [done]


def numbers_in(counts: Counter) -> set[int]:
    return {what.number for _, what in counts}


def only(counts: Counter, number: int) -> Counter:
    return Counter({key: count for key, count in counts.items() if key[1].number == number})


@pytest.fixture(params=["dovecot", pytest.param("cyrus", marks=pytest.mark.full)])
def world(request, mount) -> World:
    """An account with four mailboxes, two mounts and a client."""
    account = request.getfixturevalue(request.param).new_account()
    seed = int(os.environ.get("MAILFS_SEED", 0)) or random.SystemRandom().randrange(1, 1 << 32)
    print(f"MAILFS_SEED={seed}")
    account.create(*BOXES[1:])
    mounts = [Mounted(name, mount(account.url("imap+insecure"), "delete=expunge", deadline=3000))
              for name in ("first mount", "second mount")]
    return World(random.Random(seed), Client(account), [*mounts, Client(account)])


def run_rounds(world: World, operations: int) -> None:
    done = 0
    while done < operations:
        world.round()
        done += len(world.story[-1][0])
        if len(world.story) % CHECK_EVERY == 0:
            world.check_views()
    world.check_views()
    failed = sum(bool(deed.error) for deeds, _ in world.story for deed in deeds)
    refused = sum(map(len, (refusals for _, told in world.story for refusals in told.values())))
    print(f"{done} operations, {failed} failed, {refused} refused later")
    assert failed + refused < done / 5


@pytest.mark.timeout(600)
def test_some_changes_by_three(world):
    run_rounds(world, 600)


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_many_changes_by_three(world):
    run_rounds(world, 10_000)


@pytest.mark.parametrize("kind", ["flag", "move", "delete"])
def test_changing_what_another_client_has_just_brought(account, mount, proxy, kind):
    """The mailbox in which the mount has just changed something has a new message since."""
    account.deliver(letter(1))
    account.create("Archive")
    between = proxy()
    mounted = mount(account.url("imap+insecure", between.port), "delete=expunge")
    here = Place(account, mounted, between)
    first = here.file("INBOX")
    first.rename(with_flags(first, "F"))
    here.sync()
    account.deliver(letter(2))
    wait_until(lambda: len(here.files("INBOX")) == 2)
    new = here.files("INBOX")[1]
    acts = {"flag": lambda: new.rename(with_flags(new, "S")), "delete": new.unlink,
            "move": lambda: new.rename(here.dir("Archive") / new.name)}
    acts[kind]()
    here.sync("INBOX", "Archive")
    in_inbox = [(one.content, one.flags) for one in here.seen()[1:]]
    assert in_inbox == ([(letter(2), {"\\Seen"})] if kind == "flag" else [])
    assert [one.content for one in here.seen("Archive")] == [letter(2)] * (kind == "move")
