# SPDX-License-Identifier: MIT
"""Servers that take messages apart wrongly: what a part shows is true, or it is an error."""

import base64
import os
import quopri
import random
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from citizen import Box, Citizen, Stored, literal
from hostile import Host, besiege, content, fails, idle_memory, in_time, uids
from messages import multipart, part
from processes import wait_until

END = 256  # octets of base64 that are looked at at either end


@dataclass(frozen=True)
class Part:
    """A leaf of a message, encoded."""

    kind: str
    body: bytes
    encoding: str = "7bit"

    def decoded(self) -> bytes:
        undo = {"base64": base64.b64decode, "quoted-printable": quopri.decodestring}
        return undo.get(self.encoding, bytes)(self.body)

    def written(self) -> bytes:
        return part(self.body, content_type=self.kind, content_transfer_encoding=self.encoding)

    def structure(self) -> bytes:
        first, second = self.kind.encode().split(b"/")
        lines = b" %d" % self.body.count(b"\n") if first == b"text" else b""
        return b'("%s" "%s" NIL NIL NIL "%s" %d%s)' % (first, second, self.encoding.encode(),
                                                       len(self.body), lines)


def in_base64(size: int) -> bytes:
    lines = base64.encodebytes(random.Random(size).randbytes(size))
    return lines.replace(b"\n", b"\r\n").removesuffix(b"\r\n")


TEXT = Part("text/plain", b"The roof is done.\r\n")
NOTE = Part("text/plain", b"So is the wall.\r\n")
PICTURE = Part("image/png", in_base64(20_000), "base64")
SMALL = Part("image/png", in_base64(1000), "base64")
TABLE = Part("application/octet-stream", b"".join(b"%d;\r\n" % n for n in range(20_000)))
PAPER = Part("application/pdf", b"a=3Db and no more", "quoted-printable")
NOTHING = Part("application/zip", b"")
PARTS = (TEXT, PICTURE, TABLE, PAPER)
FILES = dict(zip(["1-text.txt", "2-image.png", "3-application.bin", "4-application.pdf"],
                 [leaf.decoded() for leaf in PARTS]))


class Office(Host):
    """A Host that takes messages apart.  `parts` are those of each of its messages, by UID."""

    def __init__(self, *parts: tuple[Part, ...], **methods):
        self.parts = dict(enumerate(parts or [PARTS, PARTS], 1))
        super().__init__(Box("INBOX", [
            Stored(uid, multipart("mixed", *(one.written() for one in leaves)))
            for uid, leaves in self.parts.items()]), **methods)

    def replace(self, **methods) -> None:
        own = {name: methods.pop(name) for name in list(methods) if name in vars(Office)}
        super().replace(**methods)
        for name, method in own.items():
            setattr(self, name, partial(method, self))

    def item(self, message: Stored, item: str) -> bytes:
        if item == "BODYSTRUCTURE":
            return b"BODYSTRUCTURE " + self.structure(message)
        return super().item(message, item)

    def structure(self, message: Stored) -> bytes:
        leaves = b"".join(leaf.structure() for leaf in self.parts[message.uid])
        return b'(%s "mixed")' % leaves

    def body(self, message: Stored, section: str, origin: int, length) -> bytes:
        if not section.isdecimal():
            return super().body(message, section, origin, length)
        return literal(self.leaf(message, section).body[origin:][:length])

    def leaf(self, message: Stored, section: str) -> Part:
        return self.parts[message.uid][int(section) - 1]

    def fetched(self, *words: str) -> list[str]:
        """The FETCHes that asked for all of these."""
        return [command.text for command in self.commands
                if command.name == "UID FETCH" and all(word in command.text for word in words)]


def only_of(uid: int, **methods):
    """Methods of an Office that are replaced for one message."""
    def choose(name, method):
        usual = getattr(Office, name)
        return lambda host, message, *rest: (
            method(host, message, *rest) if message.uid == uid else usual(host, message, *rest))
    return {name: choose(name, method) for name, method in methods.items()}


def directory(mounted, uid: int = 1) -> Path:
    return mounted / f".mailfs/parts/INBOX/{uid}"


def names(mounted, uid: int = 1) -> list[str]:
    assert uids(mounted)
    with in_time():
        return sorted(os.listdir(directory(mounted, uid)))


def octets(mounted, name: str, uid: int = 1) -> bytes:
    with in_time(), open(directory(mounted, uid) / name, "rb") as file:
        return b"".join(iter(partial(file.read, 1 << 16), b""))  # its size may be a lie


def octets_or_error(mounted, name: str, uid: int = 1):
    """The octets, or None when they cannot be read."""
    try:
        return octets(mounted, name, uid)
    except OSError:
        return None


def assert_true(mounted, uid: int = 1) -> None:
    assert names(mounted, uid) == [*FILES, "header"]
    assert {name: octets(mounted, name, uid) for name in FILES} == FILES
    for name, data in FILES.items():
        assert (directory(mounted, uid) / name).stat().st_size == len(data)


def test_parts(besiege):
    host = Office()
    mounted = besiege(host)
    assert_true(mounted)
    assert not host.fetched("BODY.PEEK[]")


def test_the_size_of_a_regular_part_is_known_without_its_body(besiege):
    host = Office((PICTURE,))
    mounted = besiege(host)
    assert uids(mounted) == [1]
    assert (directory(mounted) / "1-image.png").stat().st_size == len(PICTURE.decoded())
    size = len(PICTURE.body)
    assert [re.search(r"BODY.*>", asked)[0] for asked in host.fetched("BODY.PEEK")] == [
        f"BODY.PEEK[1]<0.{END}> BODY.PEEK[1]<{size - END}.{END + 1}>"]


# BODYSTRUCTUREs that are no use.

def nested(depth: int) -> bytes:
    return b"(" * depth + TEXT.structure() + b' "mixed")' * depth


STRUCTURES = {
    "101 deep": nested(101),
    "1,000 deep": nested(1000),
    "200,000 deep": b"(" * 200_000 + b")" * 200_000,
    "10,001 parts": b"(" + b'("a" "b" NIL NIL NIL "7bit" 0)' * 10_001 + b' "mixed")',
    "20,000 parameters": b'("text" "plain" (' + b'"a" "b" ' * 20_000 + b'))',
    "20,001 literals": b"(" + b"{1}\r\nx " * 20_001 + b")",
    "a literal that is too big": b'("text" "plain" {99999999999}\r\n',
    "not closed": b'(("text" "plain" NIL NIL NIL "7bit" 0 0) "mixed"',
    "closed twice": b'("text" "plain" NIL NIL NIL "7bit" 0 0))',
    "nil": b"NIL",
    "a number": b"5",
    "a string": b'"text"',
    "nothing": b"",
    "no names": b'(NIL NIL NIL NIL NIL "7BIT" 0 NIL NIL NIL NIL)',
    "nils": b"(NIL NIL)",
    "no parts": b'(NIL "alternative" ("boundary" "x"))',
    "only a subtype": b'("ALTERNATIVE")',
    "fewer than no octets": b'("text" "plain" NIL NIL NIL "7bit" -1 0)',
    "no subtype": b'("text" NIL NIL NIL NIL "7bit" 0 0)',
    "half a parameter": b'("text" "plain" ("charset") NIL NIL "7bit" 0 0)',
    "a message without envelope": b'("message" "rfc822" NIL NIL NIL "7bit" 0)',
}


@pytest.mark.parametrize("structure", STRUCTURES)
def test_a_structure_that_is_no_use(besiege, structure):
    """The message is taken apart here, and the others are not harmed."""
    mounted = besiege(Office(**only_of(1, structure=lambda *_: STRUCTURES[structure])))
    assert_true(mounted)
    assert_true(mounted, 2)


def test_a_structure_that_is_missing(besiege):
    host = Office()
    host.replace(item=lambda host, message, item: (
        b"X NIL" if item == "BODYSTRUCTURE" else Office.item(host, message, item)))
    assert_true(besiege(host))


@pytest.mark.parametrize("answer", ["NO [SERVERBUG] it is broken", "BAD"])
def test_a_structure_that_is_refused(besiege, answer):
    """Together with those of other messages: they are asked for one by one then."""
    def do_uid_fetch(host, peer, command):
        asked = [message.uid for _, message in peer.box.select(command.text.partition(" ")[0])]
        if "BODYSTRUCTURE" in command.text and 15 in asked:
            return answer
        return Citizen.do_uid_fetch(host, peer, command)
    host = Office(*[(TEXT,)] * 20, do_uid_fetch=do_uid_fetch)
    mounted = besiege(host)
    assert len(uids(mounted)) == 20
    for uid in range(1, 21):
        assert octets(mounted, "1-text.txt", uid) == TEXT.body
    assert host.fetched("15 ", "BODYSTRUCTURE")


@pytest.mark.parametrize("answer", ["NO [SERVERBUG] it is broken", "BAD"])
@pytest.mark.parametrize("refused", [range(301, 302), range(1, 1001)], ids=["one", "all"])
def test_structures_of_many_that_are_refused(besiege, answer, refused):
    """Neither one message nor all of them make a command for each out of one for many."""
    def do_uid_fetch(host, peer, command):
        asked = peer.box.select(command.text.partition(" ")[0])
        if "BODYSTRUCTURE" in command.text and any(one.uid in refused for _, one in asked):
            return answer
        return Citizen.do_uid_fetch(host, peer, command)
    host = Office(*[(TEXT,)] * 1000, do_uid_fetch=do_uid_fetch)
    mounted = besiege(host, "timeout=9")
    texts = list((mounted / ".mailfs/text/INBOX").iterdir())
    assert len(texts) == 1000
    for text in texts:
        assert TEXT.body.strip() in text.read_bytes()
    assert len(host.fetched("BODYSTRUCTURE")) < 60


def test_a_structure_of_another_message(besiege):
    host = Office()
    mounted = besiege(host)
    assert uids(mounted) == [1, 2]
    host.replace(internal_date=lambda host, message: '"01-Jan-2020 00:00:00 +0000"')
    assert fails(os.listdir, directory(mounted)) == "ESTALE"
    host.restore("internal_date")
    wait_until(lambda: uids(mounted) == [1, 2])
    assert_true(mounted)


@pytest.mark.parametrize("told", [b"", b"* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n"],
                         ids=["nothing", "news"])
def test_no_answer_about_a_message(besiege, told):
    """What the server tells of its own accord is none."""
    host = Office()
    mounted = besiege(host)
    assert uids(mounted) == [1, 2]
    host.replace(fetch_response=lambda host, number, message, items: (
        told if "BODYSTRUCTURE" in items else Citizen.fetch_response(host, number, message, items)))
    assert fails(os.listdir, directory(mounted)) == "ESTALE"
    host.restore("fetch_response")
    wait_until(lambda: uids(mounted) == [1, 2])
    assert_true(mounted)


# What parts are said to decode to.

def test_a_measure_of_another_message(besiege):
    def fetch_response(host, number, message, items):
        told = Citizen.fetch_response(host, number, message, items)
        return told.replace(b"2026", b"2025") if "<0.256>" in " ".join(items) else told
    host = Office(fetch_response=fetch_response)
    mounted = besiege(host)
    assert uids(mounted) == [1, 2]
    assert fails((directory(mounted) / "2-image.png").stat) == "ESTALE"
    host.restore("fetch_response")
    wait_until(lambda: uids(mounted) == [1, 2])
    assert_true(mounted)


@pytest.mark.parametrize("asked, act", [
    ("BODYSTRUCTURE", os.listdir), ("<0.256>", lambda path: (path / "2-image.png").stat())],
    ids=["tree", "measure"])
def test_not_now(besiege, asked, act):
    """A server that has no time says nothing of the message."""
    def do_uid_fetch(host, peer, command):
        if asked in command.text:
            return "NO [UNAVAILABLE] later"
        return Citizen.do_uid_fetch(host, peer, command)
    host = Office(do_uid_fetch=do_uid_fetch)
    mounted = besiege(host)
    assert uids(mounted) == [1, 2]
    assert fails(act, directory(mounted)) == "EBUSY"
    host.restore("do_uid_fetch")
    assert_true(mounted)
    assert not host.fetched("BODY.PEEK[]")


def test_a_measure_that_breaks_the_connection(besiege):
    """It is done without."""
    def body(host, message, section, origin, length):
        if length in (END, END + 1):
            return b"{99999999999}\r\n"
        return Office.body(host, message, section, origin, length)
    assert_true(besiege(Office(body=body)))


def assert_sizes(mounted, *parts: Part, uid: int = 1) -> None:
    """Exact ones of all parts, which are pictures."""
    assert uid in uids(mounted)
    for nth, picture in enumerate(parts, 1):
        assert (directory(mounted, uid) / f"{nth}-image.png").stat().st_size == len(picture.decoded())


def edges(host: Office) -> list[str]:
    """The commands that asked what parts decode to."""
    return host.fetched(f".{END + 1}>")


def test_the_parts_of_a_message_with_many(besiege):
    """One command asks of many, and its line is not too long for a server."""
    pictures = [Part("image/png", in_base64(size), "base64") for size in range(1000, 1040)]
    host = Office(pictures)
    assert_sizes(besiege(host), *pictures)
    assert len(edges(host)) == 2
    assert max(len(command.text) for command in host.commands) < 8000
    assert not host.fetched("BODY.PEEK[]")


def test_the_parts_of_a_message_with_very_many(besiege):
    """They go in rounds."""
    pictures = [SMALL] * 600
    host = Office(pictures)
    assert_sizes(besiege(host, "timeout=9"), *pictures)
    assert len(edges(host)) == 19
    assert not host.fetched("BODY.PEEK[]")


def peeks(command) -> int:
    return command.text.count("BODY.PEEK")


@pytest.mark.parametrize("answer", ["NO [SERVERBUG] not so many", "BAD too long"])
def test_measures_of_many_that_are_refused(besiege, answer):
    """Fewer are asked for at a time then."""
    def do_uid_fetch(host, peer, command):
        return answer if peeks(command) > 10 else Citizen.do_uid_fetch(host, peer, command)
    host = Office([SMALL] * 20, do_uid_fetch=do_uid_fetch)
    assert_sizes(besiege(host), *[SMALL] * 20)
    assert len(edges(host)) < 10
    assert not host.fetched("BODY.PEEK[]")


@pytest.mark.parametrize("answer", ["NO [SERVERBUG] it is broken", "BAD"])
def test_a_measure_that_is_refused(besiege, answer):
    """Together with others, of which it tells nothing."""
    def do_uid_fetch(host, peer, command):
        if "BODY.PEEK[13]<0.256>" in command.text:
            return answer
        return Citizen.do_uid_fetch(host, peer, command)
    host = Office([SMALL] * 20, do_uid_fetch=do_uid_fetch)
    assert_sizes(besiege(host), *[SMALL] * 20)
    read = {text for text in host.fetched("BODY.PEEK") if f".{END + 1}>" not in text}
    assert all("BODY.PEEK[13]" in text for text in read) and len(read) == 1
    assert len(edges(host)) < 20


@pytest.mark.parametrize("answer", ["NO [SERVERBUG] it is broken", "BAD"])
def test_measures_that_are_all_refused(besiege, answer):
    """There is an end to the attempts."""
    def do_uid_fetch(host, peer, command):
        if f".{END + 1}>" in command.text:
            return answer
        return Citizen.do_uid_fetch(host, peer, command)
    host = Office([SMALL] * 20, do_uid_fetch=do_uid_fetch)
    assert_sizes(besiege(host), *[SMALL] * 20)
    assert len(edges(host)) < 20


def one_by_one(host, number, message, items):
    """A response for each item."""
    told = [item for item in items if not item.startswith("BODY.PEEK[")]
    peeked = [item for item in items if item.startswith("BODY.PEEK[")]
    if len(peeked) < 2:
        return Citizen.fetch_response(host, number, message, items)
    return b"".join(Citizen.fetch_response(host, number, message, [*told, item])
                    for item in reversed(peeked))


def one_missing(host, number, message, items):
    """No word of an end of the second part."""
    left = [item for item in items if not item.startswith("BODY.PEEK[2]<0.256>")]
    return Citizen.fetch_response(host, number, message, left)


def one_longer(host, number, message, items):
    """An octet more than was asked for, of the second part."""
    return Citizen.fetch_response(host, number, message, [
        item.replace("BODY.PEEK[2]<0.256>", "BODY.PEEK[2]<0.257>") for item in items])


def ends_swapped(host, number, message, items):
    """Those of the second part under the origin of the other."""
    told = Citizen.fetch_response(host, number, message, items)
    tail = b"BODY[2]<%d>" % (len(SMALL.body) - END)
    return told.replace(b"BODY[2]<0>", b"BODY[2]<x>").replace(tail, b"BODY[2]<0>").replace(
        b"BODY[2]<x>", tail) if tail in told else told


def sections_swapped(host, number, message, items):
    """What the first part has is told of the second."""
    told = Citizen.fetch_response(host, number, message, items)
    return told.replace(b"BODY[1]<", b"BODY[2]<") if len(items) > 4 else told


@pytest.mark.parametrize("fetch_response, n_read", [
    (one_by_one, 0), (one_missing, 1), (one_longer, 1), (ends_swapped, 1), (sections_swapped, 1)])
def test_measures_that_are_told_otherwise(besiege, fetch_response, n_read):
    """Whatever is told of one part, the sizes are right: it is read itself, if need be."""
    host = Office([SMALL] * 4, fetch_response=fetch_response)
    assert_sizes(besiege(host), *[SMALL] * 4)
    read = [text for text in host.fetched("BODY.PEEK") if f".{END + 1}>" not in text]
    assert len(read) == n_read
    assert len(edges(host)) == 1


def halves(body: bytes) -> list[bytes]:
    """Cut at the end of a line."""
    middle = body.index(b"\r\n", len(body) // 2) + 2
    return [body[:middle], body[middle:]]


def shifted(body: bytes) -> bytes:
    """The lines of the end are not where they would be."""
    return (b"\r\n" * 2).join(halves(body))


def gaping(body: bytes) -> bytes:
    """They are, but lines are missing."""
    return (b"\r\n" * 39).join(halves(body))


def turned(body: bytes) -> bytes:
    """None is, but two are not as long as they should be."""
    first, second = halves(body)
    return first + second[:4] + b"\r\n" + second[4:76] + second[78:]


@pytest.mark.parametrize("spoil, is_noticed", [(shifted, True), (gaping, False), (turned, False)])
def test_base64_that_is_irregular_in_the_middle(besiege, spoil, is_noticed):
    """What its measure does not show, reading it does."""
    odd = Part(PICTURE.kind, spoil(PICTURE.body), PICTURE.encoding)
    mounted = besiege(Office((odd,)))
    assert odd.decoded() == PICTURE.decoded() and uids(mounted) == [1]
    if is_noticed:
        assert (directory(mounted) / "1-image.png").stat().st_size == len(PICTURE.decoded())
    assert octets_or_error(mounted, "1-image.png") in (None, PICTURE.decoded())
    wait_until(lambda: octets_or_error(mounted, "1-image.png") == PICTURE.decoded())
    assert (directory(mounted) / "1-image.png").stat().st_size == len(PICTURE.decoded())


# Octets that are not what was asked for.

def rewritten(old: bytes, new: bytes):
    """A fetch_response() that is another where it carries octets of a part."""
    def fetch_response(host, number, stored, items):
        told = Citizen.fetch_response(host, number, stored, items)
        return told.replace(old, new, 1) if re.search(rb" BODY\[\d", told) else told
    return {"fetch_response": fetch_response}


def body(value: bytes):
    def replaced(host, message, section, origin, length):
        if not section.isdecimal():
            return Office.body(host, message, section, origin, length)
        return value
    return {"body": replaced}


def refused_body(answer: str):
    def do_uid_fetch(host, peer, command):
        if re.search(r"BODY\.PEEK\[\d", command.text):
            return answer
        return Citizen.do_uid_fetch(host, peer, command)
    return {"do_uid_fetch": do_uid_fetch}


LIES = {
    "other uid": rewritten(b"UID 1 ", b"UID 2 "),
    "no uid": rewritten(b"UID 1 ", b""),
    "whole message": rewritten(b"BODY[1]", b"BODY[]"),
    "header": rewritten(b"]<", b".MIME]<"),
    "inner part": rewritten(b"]<", b".1]<"),
    "decoded": rewritten(b"BODY[", b"BINARY["),
    "later origin": rewritten(b"]<", b"]<9"),
    "origin beyond all": rewritten(b"]<", b"]<1844674407370955161"),
    "other date": rewritten(b"2026", b"2025"),
    "other size": rewritten(b"RFC822.SIZE ", b"RFC822.SIZE 1"),
    "nil": body(b"NIL"),
    "empty": body(b'""'),
    "empty literal": body(literal(b"")),
    "a number": body(b"12"),
    "a list": body(b'("x" "y")'),
    "a literal that is too big": body(b"{99999999999}\r\n"),
    "no": refused_body("NO not this one"),
    "bad": refused_body("BAD syntax"),
    "no answer": refused_body("OK done"),
}


@pytest.mark.parametrize("lie", LIES)
def test_true_octets_or_an_error(besiege, lie):
    host = Office(**LIES[lie])
    mounted = besiege(host)
    assert uids(mounted) == [1, 2]
    for name in FILES:
        assert octets_or_error(mounted, name) in (None, FILES[name])
    host.restore(*LIES[lie])
    wait_until(lambda: uids(mounted) == [1, 2])
    for name in FILES:
        wait_until(lambda: octets_or_error(mounted, name) == FILES[name])
    assert_true(mounted)
    assert content(mounted, 1) == host.boxes[0].messages[0].content


@pytest.mark.parametrize("most", [20, 300])
def test_less_of_parts_than_there_is(besiege, most):
    """A server that gives so many octets of a part at most, whatever it is asked for: none of its
    answers is taken for the whole, and the message itself tells the parts."""
    def body(host, message, section, origin, length):
        if not section.isdecimal():
            return Office.body(host, message, section, origin, length)
        return literal(host.leaf(message, section).body[origin:][:min(length, most)])
    host = Office(body=body)
    mounted = besiege(host)
    assert uids(mounted) == [1, 2]
    for name, data in FILES.items():
        assert octets_or_error(mounted, name) in (None, data)
    for name, data in FILES.items():
        wait_until(lambda: octets_or_error(mounted, name) == data)
    assert_true(mounted)
    assert len(host.fetched("BODY.PEEK[]")) > 0


@pytest.mark.parametrize("value", [b"NIL", b'""', literal(b"")])
def test_a_part_that_is_empty(besiege, value):
    mounted = besiege(Office((TEXT, NOTHING), **body(value)))
    assert uids(mounted) == [1]
    assert octets(mounted, "2-application.zip") == b""
    assert fails(octets, mounted, "1-text.txt") == "EIO"


# What many cost.

def test_texts_of_many_messages_are_few_commands(besiege):
    host = Office(*[(TEXT, NOTE)] * 100)
    mounted = besiege(host)
    texts = {int(text.suffixes[-2][2:]): text
             for text in (mounted / ".mailfs/text/INBOX").iterdir()}
    assert sorted(texts) == [*range(1, 101)]
    for uid in range(100, 0, -1):
        text = texts[uid].read_bytes()
        assert TEXT.body.strip() in text and NOTE.body.strip() in text
    assert len(host.fetched("BODYSTRUCTURE")) < 15
    assert len(host.fetched("BODY.PEEK[")) < 30


def test_the_end_of_a_section_is_learned_with_its_octets(besiege):
    """Even where a block ends there."""
    host = Office((TEXT,))
    stored, = host.boxes[0].messages
    stored.content = b"X-Long: " + b"x" * ((1 << 16) - 10 - len(stored.content.partition(
        b"\r\n\r\n")[0]) - 4) + b"\r\n" + stored.content
    header = stored.content.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    assert len(header) == 1 << 16
    mounted = besiege(host)
    assert uids(mounted) == [1]
    assert octets(mounted, "header") == header
    assert len(host.fetched("BODY.PEEK[HEADER]")) == 1
