# SPDX-License-Identifier: MIT
"""Names that servers give to mailboxes and messages: all shown, each what it says, none escapes."""

import os
import re

import pytest

from citizen import Box, Stored, literal
from hostile import LETTER, Host, besiege, content, idle_memory, in_time, letters, uids
from messages import message


def letter_to(number: int) -> bytes:
    """A message by which a mailbox can be told from all others."""
    return message(f"mailbox {number}\r\n".encode(), subject=f"Box {number}")


def tree(mounted) -> list[str]:
    """All directories below the mountpoint, found as any program would."""
    with in_time():
        found = []
        for folder, folders, _ in os.walk(mounted.path):
            assert len(set(folders)) == len(folders)
            for name in folders:
                assert len(name.encode("utf-8", "surrogateescape")) <= 255 and name.isprintable()
                found.append(os.path.relpath(os.path.join(folder, name), mounted.path))
        return found


def reached(mounted, host) -> dict[str, str]:
    """What EXAMINE was sent for each directory that holds a message; reads each of them."""
    found = {}
    for path in tree(mounted):
        before = len(host.examined())
        names = [name for name in os.listdir(mounted / path) if name.endswith(".eml")]
        if not names:
            continue
        told = (mounted / path / names[0]).read_bytes()
        wires = set(host.examined()[before:])
        assert len(wires) <= 1, wires
        if wires:
            found[path] = (wires.pop(), told)
    return found


class Listing(Host):
    """Lists mailboxes by names that go out as they are; each holds one letter."""

    def __init__(self, *wires: bytes, **methods):
        super().__init__(Box("INBOX", [Stored(1, LETTER)]), *(
            Box(wire, [Stored(1, letter_to(number))]) for number, wire in enumerate(wires, 1)),
            **methods)

    def assert_all_shown(self, mounted) -> None:
        """Each mailbox is one directory, and it is the right one."""
        told = reached(mounted, self)
        assert {content for _, content in told.values()} == {
            box.messages[0].content for box in self.boxes}
        for wire, content in told.values():
            assert content == self.find(wire).messages[0].content


HOSTILE = {
    "dots": [b'".."', b'"."', b'"..."', b'"../.."', b'"a/../b"', b'"a/./b"', b'".mailfs"',
             b'".mailfs/status"'],
    "absolute": [b'"/etc/passwd"', b'"//etc"', b'"~/x"'],
    "empty components": [b'"a//b"', b'"a/b"', b'"/a"', b'"a"', b'"b/"', b'"/"', b'"//"'],
    "controls": [b'"a\tb"', b'"a\x1b[31mb"', b'"a\x7fb"', b'"a\x01b"', b'"&AAo-x"', b'"&AJs-"'],
    "bidi": [b'"&IC4-gpj"', b'"&IGY-x"', b'"&IA8-"', b'"&,v8-"'],
    "invalid utf-8": [b'"caf\xe9"', b'"\xc0\xaf"', b'"\xed\xa0\x80"', b'"\xff\xfe"',
                      b'"caf\xc3\xa9"', b'"caf&AOk-"'],
    "invalid utf-7": [b'"&"', b'"&&-"', b'"&-"', b'"&AGE-a"', b'"aa"', b'"&2AA-"', b'"&AOk"'],
    "percent": [b'"%"', b'"%2F"', b'"&AC8-"', b'"%25"', b'"a%2Fb"', b'"a/b"'],
    "case": [b'"Foo"', b'"foo"', b'"FOO"', b'"Inbox/a"', b'"INBOX/a"', b'"inbox/b"',
             b'"INBOX/INBOX"'],
    "composition": [b'"&AOk-"', b'"e&AwE-"'],
    "like sums": [b'"x~00000000"', b'"caf\xe9"', b'"caf%E9"', b'"caf%E9~00000000"'],
    "like messages": [b'"u1.eml"', b'"1.eml"', b'"2026-02-15_1430_x_y.u1,.eml"'],
    "blanks": [b'" "', b'"  "', b'"a "', b'" a"', b'"-rf"', b'"*"', b'"("', b'"a\\"b"',
               b'"a\\\\b"'],
    "long": [b'"%s"' % (b"x" * 255), b'"%s"' % (b"x" * 256), b'"%s"' % (b"x" * 300),
             b'"%s"' % (b"x" * 299 + b"y"), b'"%s"' % (b"&AOk-" * 300), b'"%s"' % (b"%" * 200)],
    "literals": [literal(b'a"b'), literal(b"plain"), literal(b"caf\xe9"), literal(b"with\\")],
    "nil": [b"NIL", b"nil-not", b"atom"],
}


@pytest.mark.parametrize("wires", HOSTILE.values(), ids=HOSTILE)
def test_all_mailboxes_are_reached_by_name(besiege, wires):
    host = Listing(*wires)
    host.find = lambda name: find(host, name)
    host.assert_all_shown(besiege(host))


def find(host, name):
    """By the name as it goes over the wire, literals included."""
    for box in host.boxes:
        if box.name == name or wire_text(box) == name:
            return box
    return None


def wire_text(box) -> str:
    """What a client must send to open the mailbox."""
    wire = box.wire_name()
    if wire.startswith(b"{"):
        wire = wire.partition(b"\r\n")[2]
    elif wire.startswith(b'"'):
        wire = re.sub(rb"\\(.)", rb"\1", wire[1:-1])
    return wire.decode(errors="surrogateescape")


@pytest.mark.parametrize("delimiter, inner, shown", [
    ("NIL", "a/b", "a%2Fb"), (r'"\\"', r"a\\b", "a/b"), ('"."', "a.b", "a/b"), ('"|"', "a|b", "a/b"),
    ('"%"', "a%b", "a/b"), (r'"\""', r"a\"b", "a/b"), ('"."', "a/b", "a%2Fb")])
def test_levels_are_divided_by_what_the_server_says(besiege, delimiter, inner, shown):
    host = Listing(b'"a"', f'"{inner}"'.encode())
    host.delimiter = delimiter
    host.find = lambda name: find(host, name)
    mounted = besiege(host)
    assert sorted(tree(mounted)) == ["INBOX", "a", shown]
    host.assert_all_shown(mounted)


UNUSABLE = {
    "two characters": b'LIST () "ab" strange', "8 bit": b'LIST () "\xe9" strange',
    "no name": b"LIST () /", "attributes": b"LIST ()", "nothing": b"LIST",
    "list for name": b'LIST () "/" (a b)', "list for delimiter": b'LIST () ("/") strange',
    "nul": b'LIST () "/" {9}\r\nstran\x00ge!', "empty": b'LIST () "/" ""',
    "long": b'LIST () "/" "' + b"x" * (1 << 20) + b'"',
    "deep": b'LIST () "/" "' + b"d/" * 20_000 + b'"', "nil": b'LIST NIL "/" strange/',
    "attributes without end": b"LIST (" + b"\\Marked " * 100_000 + b') "/" many',
}


@pytest.mark.parametrize("line", UNUSABLE.values(), ids=UNUSABLE)
def test_a_mailbox_that_cannot_be_shown_hides_no_other(besiege, line):
    class Odd(Host):
        def do_list(self, peer, command):
            peer.untagged(line)
            return super().do_list(peer, command)

    mounted = besiege(Odd())
    assert "INBOX" in tree(mounted)
    assert content(mounted, 1) == LETTER


def test_mailboxes_that_cannot_be_shown_do_not_fill_the_log(besiege):
    class Odd(Host):
        def do_list(self, peer, command):
            peer.send(b'* LIST () "ab" strange\r\n' * 10_000)
            peer.send(b"* NO [ALERT] strange\r\n" * 10_000)
            return super().do_list(peer, command)

    mounted = besiege(Odd())
    assert content(mounted, 1) == LETTER
    mounted.finish()
    assert 2 <= mounted.stderr.count("strange") < 50


def test_names_without_measure_are_left_out(besiege):
    class Odd(Host):
        def do_list(self, peer, command):
            answer = super().do_list(peer, command)
            for number in range(10_000):
                peer.untagged(b'LIST () "/" "%04d%s"' % (number, b"x" * 4000))
            return answer

    mounted = besiege(Odd())
    assert content(mounted, 1) == LETTER


class Spaces(Host):
    """Our own namespaces have prefixes, which "*" does not match."""
    capabilities = "IMAP4rev1 AUTH=PLAIN NAMESPACE SPECIAL-USE LIST-EXTENDED"
    n_spaces = 1

    def do_namespace(self, peer, command):
        told = b"".join(b'("a%d/" "/")' % number for number in range(self.n_spaces))
        peer.send(b"* NAMESPACE (" + told + b") NIL NIL\r\n")
        return "OK done"

    def do_list(self, peer, command):
        pattern = command.words[1]
        if pattern == "*":
            return super().do_list(peer, command)
        if "RETURN" in command.text:
            return "BAD what?"
        peer.untagged(f'LIST () "/" {pattern.replace("*", "inner")}')
        return "OK done"


def test_a_namespace_whose_list_is_refused_is_listed_plainly(besiege):
    assert tree(besiege(Spaces())) == ["INBOX", "a0", "a0/inner"]


def test_namespaces_without_measure_are_not_all_asked_for(besiege):
    host = Spaces()
    host.n_spaces = 100_000
    mounted = besiege(host)
    assert "a0/inner" in tree(mounted)
    assert host.count("LIST") < 50


def test_lines_that_come_twice_are_one_mailbox(besiege):
    class Stutter(Host):
        def do_list(self, peer, command):
            for name in (b"INBOX", b'"Inbox"', b"inbox", b"Old", b'"Old"', b"Old"):
                peer.untagged(b'LIST () "/" ' + name)
            return super().do_list(peer, command)

    host = Stutter(Box("INBOX", [Stored(1, LETTER)]), Box("Old"))
    mounted = besiege(host)
    assert sorted(tree(mounted)) == ["INBOX", "Old"]
    assert content(mounted, 1) == LETTER


def test_ten_thousand_mailboxes(besiege):
    names = [f"box {number:05} {'x' * 40}" for number in range(10_000)]
    host = Host(Box("INBOX"), *(Box(name) for name in names))
    mounted = besiege(host)
    with in_time():
        assert sorted(os.listdir(mounted.path)) == ["INBOX", *names]
    assert letters(mounted, names[-1]) == []
    assert host.examined()[-1] == names[-1]


@pytest.mark.parametrize("never", [False, True], ids=["slowly", "never"])
def test_a_name_that_needs_a_literal_waits_for_the_go_ahead(besiege, never):
    class Shy(Listing):
        def __call__(self, peer):
            self.peers.append(peer)
            self.raw = b""
            peer.send(self.greeting(peer))
            while True:
                line = peer.line()
                if line.endswith(b"}"):
                    peer.socket.settimeout(0.3)
                    with pytest.raises(TimeoutError):  # nothing comes before the "+"
                        peer.read(1)
                    peer.socket.settimeout(None)
                    if never:
                        peer.wait()
                    peer.send(b"+ \r\n")
                    name = peer.read(int(line.rpartition(b"{")[2][:-1]))
                    line = line.rpartition(b"{")[0] + b'"' + name + b'"' + peer.line()
                self.serve(peer, line)

        def serve(self, peer, line):
            peer._input = line + b"\r\n" + peer._input  # as if it had come so
            command = peer.command()
            self.commands.append(command)
            if (answer := self.answer(peer, command)) is not None:
                peer.send(f"{command.tag} {answer}\r\n")

    host = Shy(b'"caf\xe9"')
    mounted = besiege(host)
    strange = next(name for name in os.listdir(mounted.path) if name != "INBOX")
    if never:
        with in_time(), pytest.raises(OSError):
            os.listdir(mounted / strange)
    else:
        assert uids(mounted, strange) == [1]
        assert content(mounted, 1, strange) == letter_to(1)
    with in_time():
        os.listdir(mounted.path)


# Names of messages.

NOBODY = b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"


def subject(value: bytes) -> bytes:
    return b'("Mon, 1 Jan 2026 10:00:00 +0000" %s NIL NIL NIL NIL NIL NIL NIL NIL)' % value


def sender(value: bytes) -> bytes:
    return b'(NIL "x" (%s) NIL NIL NIL NIL NIL NIL NIL)' % value


ENVELOPES = [
    NOBODY, b"NIL", b"()", b'""', b"12", b"(NIL)", b"(" * 50 + b")" * 50, b"(NIL NIL)",
    b"((((((x))))))", subject(b'""'), subject(b"x" * 10_240), subject(literal(b"x" * 10_240)),
    subject(literal(b"\xf0\x9f\x98\x80" * 2560)), subject(b"(a b)"), subject(b"12"),
    subject(literal(b"=?x-unknown?B?4pyT?= =?utf-8?Q?=FF=FE?= =?utf-8?B?!!?=")),
    subject(literal(b"=?utf-8?Q?a=00b=0Ac=2Fd=2E=2E=2F?=")), subject(literal(b"../../etc/passwd")),
    subject(literal(b"\x1b[31m\x07\x08red\x7f\xc2\x9b")), subject(literal(b"a\r\nb\tc")),
    subject(literal("\u202egpj.exe\u2066\u200f\ufeff".encode())), subject(literal(b"\xe9\xff\xc0\xaf")),
    subject(literal(b"\xed\xa0\x80")), subject(b'"-rf"'), subject(b'".hidden"'), subject(b'"x.u9,S.eml"'),
    subject(literal(("e\u0301" * 300).encode())),
    subject(literal(("\u0301" * 3000).encode())),
    sender(b"NIL"), sender(b"()"), sender(b"(NIL NIL NIL NIL)"), sender(b'("" NIL "" "")'),
    sender(b'("a" NIL "b")'), sender(b'(NIL NIL "group" NIL)(NIL NIL NIL NIL)'),
    sender(b'("%s" NIL "%s" "%s")' % ((b"n" * 5000,) * 3)), sender(b'(NIL NIL "../.." "/")'),
    sender(literal(b"\x00")), sender(b'("a" NIL "b" "c")' * 5_000),
]


def test_message_names_are_valid_and_unique(besiege):
    stored = [Stored(uid, LETTER) for uid in range(1, len(ENVELOPES) + 1)]
    stored.append(Stored(4294967295, LETTER, tuple(f"k{n}" for n in range(100)) + ("a/b", "\\Seen")))
    host = Host(Box("INBOX", stored),
                envelope=lambda host, one: ENVELOPES[(one.uid - 1) % len(ENVELOPES)])
    mounted = besiege(host)
    names = letters(mounted)  # looks at each
    assert uids(mounted) == [one.uid for one in stored]
    for name in names:
        assert len(name.encode()) <= 255 and name.isprintable(), name
        assert not name.startswith((".", "-")) and name.endswith(".eml")
        assert not set(name) & set(" '\"/\\:;&|*?<>()[]{}$!`~#\x7f"), name
        assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d{4}_.+_.+\.u\d+,[A-Za-z]*\.eml", name), name
        assert (mounted / "INBOX" / name).stat().st_size == len(LETTER)
    assert content(mounted, 1) == LETTER


@pytest.mark.parametrize("date", [b"NIL", b'""', b'"31-Feb-2026 00:00:00 +0000"', b"0", b"(a)",
                                  b'"' + b"1" * 100_000 + b'"', b'"01-Jan-0000 00:00:00 +0000"',
                                  b'"01-Jan-9999 00:00:00 -9999"', b'" 1-Jan-1969 00:00:00 +0000"'])
def test_a_message_without_a_date_has_a_name(besiege, date):
    host = Host(internal_date=lambda host, stored: date)
    mounted = besiege(host)
    assert re.match(r"\d{4}-\d\d-\d\d_\d{4}_", letters(mounted)[0])
    assert content(mounted, 1) == LETTER
