# SPDX-License-Identifier: MIT
"""Servers that give wrong bytes, or another message's: what is read is true, or it is an error."""

import os
import socket
from dataclasses import replace
from datetime import timedelta

import pytest

from citizen import Box, Citizen, Stored, literal
from hostile import (LETTER, OTHER, PASSWORD, Host, LeanHome, besiege, content, content_or_error,
                     fails, idle_memory, letters, uids)
from messages import of_size
from processes import wait_until

BLOCK = 1 << 16
LARGE = of_size(5 * BLOCK + 123, seed=7)
NOISE = b"EVIL" * 50_000


def same_size(seed: int) -> bytes:
    return of_size(1000, seed)


def box_of(*contents: bytes, name: str = "INBOX", **how) -> Box:
    return Box(name, [Stored(uid, content) for uid, content in enumerate(contents, 1)], **how)


# Answers to FETCH that are not what was asked for.

def rewritten(old: bytes, new: bytes):
    """A fetch_response() that is another where it carries a body."""
    def fetch_response(host, number, stored, items):
        told = Citizen.fetch_response(host, number, stored, items)
        return told.replace(old, new, 1) if b"BODY[" in told else told
    return {"fetch_response": fetch_response}


def body(value):
    """A body() that is another value: of the true content, the origin and the length asked for."""
    return {"body": lambda host, stored, section, origin, length: value(
        stored.content, origin, length)}


def partial(value):
    """The same, but true where the whole message is asked for."""
    return body(lambda content, origin, length: literal(
        content if length is None else value(content[origin:][:length])))


def behind(items: bytes):
    """A fetch_response() that goes on after the body."""
    def fetch_response(host, number, stored, asked):
        told = Citizen.fetch_response(host, number, stored, asked)
        return told[:-3] + items + b")\r\n" if b"BODY[" in told else told
    return {"fetch_response": fetch_response}


def without_body(host, number, stored, items):
    told = Citizen.fetch_response(host, number, stored, items)
    return b"" if b"BODY[" in told else told


def refusing(answer: str):
    return {"do_uid_fetch": lambda host, peer, command: (
        answer if "BODY" in command.text else Citizen.do_uid_fetch(host, peer, command))}


LIES = {
    "other uid": rewritten(b"UID 1 ", b"UID 2 "),
    "no uid": rewritten(b"UID 1 ", b""),
    "uid 0": rewritten(b"UID 1 ", b"UID 0 "),
    "header": rewritten(b"BODY[]", b"BODY[HEADER]"),
    "part": rewritten(b"BODY[]", b"BODY[1]"),
    "binary": rewritten(b"BODY[]", b"BINARY[]"),
    "later origin": rewritten(b"BODY[]<", b"BODY[]<9"),
    "origin beyond all": rewritten(b"BODY[]<", b"BODY[]<1844674407370955161"),
    "negative origin": rewritten(b"BODY[]<", b"BODY[]<-"),
    "nil": body(lambda content, origin, length: b"NIL"),
    "empty": body(lambda content, origin, length: b'""'),
    "empty literal": body(lambda content, origin, length: b"{0}\r\n"),
    "empty at the end": body(
        lambda content, origin, length: b'""' if origin else literal(content[:length])),
    "a number": body(lambda content, origin, length: b"12"),
    "a list": body(lambda content, origin, length: b'("x" "y")'),
    "missing": {"fetch_response": without_body},
    "no": refusing("NO not this one"),
    "bad": refusing("BAD syntax"),
    "one byte at a time": partial(lambda data: data[:1]),
    "half": partial(lambda data: data[:len(data) // 2]),
    "short at the end": partial(lambda data: data[:-7]),
    "empty parts": partial(lambda data: b""),
    "junk behind": partial(lambda data: data + b"junk"),
    "other date": rewritten(b"2026", b"2025"),
    "other size": rewritten(b"RFC822.SIZE ", b"RFC822.SIZE 1"),
    "two bodies": rewritten(b" BODY[]", b" BODY[2] {3}\r\nxyz BODY[]"),
    "a long item behind": behind(b" X-N " + literal(NOISE)),
    "a long body behind": behind(b" BODY[]<0> " + literal(NOISE)),
    "an odd item behind": behind(b" ODD"),
}


@pytest.mark.parametrize("text", [LETTER, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("lie", LIES)
def test_true_bytes_or_an_error(besiege, lie, text):
    host = Host(box_of(text, OTHER), **LIES[lie])
    mounted = besiege(host)
    assert content_or_error(mounted, 1) in (None, text)
    assert content_or_error(mounted, 1) in (None, text)
    host.restore(*LIES[lie])
    wait_until(lambda: uids(mounted) == [1, 2], 5)
    wait_until(lambda: content_or_error(mounted, 1) == text)
    assert content(mounted, 2) == OTHER


def test_a_server_that_is_short_of_the_whole_is_believed(besiege):
    """There is no other truth than what it sends when asked for all."""
    host = Host(box_of(LETTER), **body(
        lambda content, origin, length: literal(content[:-7][origin:][:length])))
    mounted = besiege(host)
    wait_until(lambda: content_or_error(mounted, 1) == LETTER[:-7])
    assert (mounted / "INBOX/u1.eml").stat().st_size == len(LETTER) - 7


def whole_without_origin(host, number, stored, items):
    return Citizen.fetch_response(host, number, stored, [item.partition("<")[0] for item in items])


def body_first(host, number, stored, items):
    return Citizen.fetch_response(host, number, stored, items[::-1])


def without_date_and_size(host, number, stored, items):
    if "ENVELOPE" not in items:
        items = [item for item in items if item not in ("INTERNALDATE", "RFC822.SIZE")]
    return Citizen.fetch_response(host, number, stored, items)


def between_others(host, number, stored, items):
    return (b"* OK a\r\n* 3 EXISTS\r\n* FLAGS (\\Seen)\r\n* 7 FETCH (FLAGS ())\r\n" +
            Citizen.fetch_response(host, number, stored, items) +
            b"* 2 EXISTS\r\n* X-UNKNOWN {5}\r\nhello (a b)\r\n")


TRUTHS = {
    "whole message, no origin": {"fetch_response": whole_without_origin},
    "more than was asked": body(
        lambda content, origin, length: literal(content[origin:][:length + 100_000])),
    "literal8": body(lambda content, origin, length: b"~" + literal(content[origin:][:length])),
    "lower case": rewritten(b"BODY[", b"body["),
    "body first": {"fetch_response": body_first},
    "no date and size": {"fetch_response": without_date_and_size},
    "unknown items": rewritten(b"(UID", b"(X-GM (a (b NIL) {3}\r\n)\"( \"]\") X-Y {0}\r\n UID"),
    "much in between": {"fetch_response": between_others},
}


@pytest.mark.parametrize("truth", TRUTHS)
def test_unusual_answers_are_understood(besiege, truth):
    mounted = besiege(Host(box_of(LETTER, LARGE), **TRUTHS[truth]))
    assert (content(mounted, 1), content(mounted, 2)) == (LETTER, LARGE)


@pytest.mark.parametrize("order", [body_first, without_date_and_size])
def test_long_bodies_of_which_nothing_is_told_before(besiege, order):
    text = of_size(100 * BLOCK)
    told = []

    def count(host, stored, section, origin, length):
        told.append(length)
        return literal(stored.content[origin:][:length])

    host = Host(box_of(text), fetch_response=order, body=count)
    assert content(besiege(host), 1) == text
    # One long answer goes to waste; from then on no more is asked for than can be kept.
    assert told[0] > 16 * BLOCK + 1
    assert max(told[1:]) <= 16 * BLOCK + 1 and len(told) < 40


# Sizes that are not true.

@pytest.mark.parametrize("text", [LETTER, LARGE, LARGE[:2 * BLOCK], of_size(20 * BLOCK + 1)],
                         ids=["small", "large", "on the edge", "over the literal limit"])
@pytest.mark.parametrize("lie", [-1, 1, -100, -BLOCK, BLOCK, 10 * BLOCK])
def test_a_size_that_lies_is_found_out(besiege, text, lie):
    host = Host(box_of(text, text), size=lambda host, stored: max(len(stored.content) + lie, 1))
    mounted = besiege(host)
    letters(mounted)
    path = mounted / "INBOX/u1.eml"
    assert content_or_error(mounted, 1) in (None, text)
    wait_until(lambda: path.stat().st_size == len(text))
    assert content(mounted, 1) == text
    # From now on no size is told before it is known.
    assert (mounted / "INBOX/u2.eml").stat().st_size == len(text)
    assert content(mounted, 2) == text


def test_a_message_that_is_said_to_be_empty(besiege):
    """Nobody reads what has no size: that one is asked for as if sizes had lied before."""
    mounted = besiege(Host(box_of(LETTER), size=lambda host, stored: 0))
    assert content(mounted, 1) == LETTER


# Another mailbox under the same name.

def swapped(**how) -> tuple[Box, Box]:
    """Two mailboxes alike in all but what the messages are: same UIDs, sizes and UIDVALIDITY."""
    old, new = (box_of(*(same_size(seed + n) for n in range(4)), **how) for seed in (1, 11))
    for stored in new.messages:
        stored.date += timedelta(seconds=1)
    return old, new


def read_all(mounted) -> list:
    return [content_or_error(mounted, uid) for uid in (1, 2, 3, 4)]


def assert_not_mixed(mounted, old: Box, new: Box) -> None:
    """What is read is all of the new one, as soon as a listing has looked."""
    olds, news = ([stored.content for stored in box.messages] for box in (old, new))
    for told, was, is_now in zip(read_all(mounted), olds, news):
        assert told in (None, was, is_now)
    wait_until(lambda: uids(mounted) == [1, 2, 3, 4] and read_all(mounted) == news, pause=0.1)


@pytest.mark.parametrize("uidvalidity", [1, 4294967295, 0])
@pytest.mark.parametrize("cached", [True, False])
def test_a_mailbox_that_was_swapped_between_connections(besiege, cached, uidvalidity):
    old, new = swapped(uidvalidity=uidvalidity)
    host = Host(old)
    mounted = besiege(host)
    assert uids(mounted) == [1, 2, 3, 4]
    if cached:
        assert read_all(mounted) == [stored.content for stored in old.messages]
    host.boxes = [new]
    host.turn()
    assert_not_mixed(mounted, old, new)


def test_a_name_in_use_while_its_mailbox_is_swapped(besiege):
    """The kernel keeps the names of open files, whatever becomes of the directory."""
    old, new = swapped()
    host = Host(old)
    mounted = besiege(host)
    assert read_all(mounted) == [stored.content for stored in old.messages]
    with (mounted / "INBOX/u1.eml").open("rb"):
        host.boxes = [new]
        host.turn()
        assert_not_mixed(mounted, old, new)


def test_a_mailbox_that_was_swapped_between_mounts(besiege, stack):
    old, new = swapped()
    host, home = Host(old), LeanHome(password=PASSWORD)
    stack.callback(home.remove)
    mounted = besiege(host, f"cache_dir={home.path}/cache/own", home=home)
    assert read_all(mounted) == [stored.content for stored in old.messages]
    mounted.finish()
    host.boxes = [new]
    again = besiege(host, f"cache_dir={home.path}/cache/own", home=home)
    assert read_all(again) == [stored.content for stored in new.messages]


def test_a_connection_that_stayed_in_the_old_mailbox(besiege):
    """Another one, compared, saw that the mailbox was replaced: UIDVALIDITY and all else are equal."""
    old, new = swapped(uidvalidity=1)
    host = Host(old)
    mounted = besiege(host)
    assert read_all(mounted) == [stored.content for stored in old.messages]
    held = host.peers[1:]  # those of bodies
    host.boxes = [new]
    lister, = [peer for peer in host.peers if peer not in held]
    lister.socket.shutdown(socket.SHUT_RDWR)
    assert_not_mixed(mounted, old, new)


def test_a_mailbox_that_is_swapped_while_it_is_open(besiege):
    """The server goes on answering with the other one's messages under the same UIDs."""
    old, new = swapped()
    host = Host(old)
    mounted = besiege(host)
    assert uids(mounted) == [1, 2, 3, 4]
    assert content(mounted, 1) == old.messages[0].content
    before = replace(old, messages=old.messages)
    old.messages = new.messages
    assert_not_mixed(mounted, before, new)


def test_an_open_file_never_goes_on_with_another_message(besiege):
    old, new = (box_of(of_size(40 * BLOCK, seed)) for seed in (1, 2))
    new.messages[0].date += timedelta(seconds=1)
    host = Host(old)
    mounted = besiege(host)
    was = old.messages[0].content
    with open(mounted / "INBOX/u1.eml", "rb", buffering=0) as file:
        assert file.read(100) == was[:100]
        old.messages = new.messages
        for block in range(39, 0, -1):
            try:
                assert os.pread(file.fileno(), BLOCK, block * BLOCK) == was[block * BLOCK:][:BLOCK]
            except OSError:
                break
        else:
            raise AssertionError("all of the old message is still there")


@pytest.mark.parametrize("told", ["", "* OK [UIDVALIDITY 0] none\r\n",
                                  "* OK [UIDVALIDITY 1528896777421] greenmail\r\n",
                                  "* OK [UIDVALIDITY] empty\r\n", "* OK [UIDVALIDITY x] word\r\n"])
def test_without_uidvalidity_nothing_is_believed_later(besiege, told):
    old, new = swapped()
    for stored, before in zip(new.messages, old.messages):
        stored.date = before.date

    class Nameless(Host):
        def do_examine(self, peer, command):
            peer.box = self.find(command.words[0])
            peer.untagged(f"{len(peer.box.messages)} EXISTS")
            peer.send(told)
            return "OK [READ-ONLY] open"

    host = Nameless(old)
    mounted = besiege(host)
    assert read_all(mounted) == [stored.content for stored in old.messages]
    host.boxes = [new]
    host.turn()
    assert_not_mixed(mounted, old, new)


def test_uidvalidity_that_changes_at_each_look(besiege):
    class Fickle(Host):
        def do_examine(self, peer, command):
            self.find(command.words[0]).uidvalidity += 1
            return super().do_examine(peer, command)

    host = Fickle(box_of(LETTER, OTHER))
    mounted = besiege(host)
    for _ in range(3):
        try:
            letters(mounted)
        except OSError:
            pass
        assert content_or_error(mounted, 1) in (None, LETTER)
        assert content_or_error(mounted, 2) in (None, OTHER)


# A message that goes while it is looked at.

VANISHED = {
    "empty": b'""', "nil": b"NIL", "a word instead": literal(b"This message is no more.\r\n"),
}


@pytest.mark.parametrize("value", VANISHED.values(), ids=VANISHED)
def test_a_vanished_message_is_never_a_short_one(besiege, value):
    """Some servers say such things of a message that another client has expunged."""
    text = of_size(40 * BLOCK)
    host = Host(box_of(LETTER, text))
    mounted = besiege(host)
    assert uids(mounted) == [1, 2]
    with open(mounted / "INBOX/u2.eml", "rb", buffering=0) as file:
        assert file.read(100) == text[:100]
        host.replace(**body(lambda content, origin, length: value))
        assert fails(os.pread, file.fileno(), BLOCK, 30 * BLOCK) in ("ESTALE", "EIO", "ENOENT")
    assert fails(content, mounted, 2) in ("ESTALE", "EIO", "ENOENT")
