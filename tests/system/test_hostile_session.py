# SPDX-License-Identifier: MIT
"""Servers that break the rules once we are logged in: sessions end or go on, the mount stays."""

import os
import re
import socket
import subprocess
import time

import pytest

from citizen import Box, Citizen, Stored, literal
from hostile import (LETTER, OTHER, TIMEOUT, Host, besiege, content, content_or_error, fails,
                     idle_memory, in_time, letters, refusal, status, uids)
from messages import of_size
from processes import wait_until


def three(**methods) -> Host:
    return Host(Box("INBOX", [Stored(1, LETTER), Stored(2, OTHER), Stored(5, LETTER)]), **methods)


def listed(mounted, expected=(1, 2, 5)) -> bool:
    try:
        return uids(mounted) == list(expected)
    except OSError:
        return False


def after(name: str, text: bytes):
    """Command `name` is answered as it should be, after this."""
    def method(host, peer, command):
        peer.send(text)
        return getattr(Citizen, name)(host, peer, command)
    return {name: method}


def instead(name: str, answer: str, text: bytes = b""):
    def method(host, peer, command):
        peer.send(text)
        return answer
    return {name: method}


# What is said besides, and does not matter in the end.

CHATTER = {
    "exists lies": b"* 4294967295 EXISTS\r\n", "exists beyond": b"* 18446744073709551616 EXISTS\r\n",
    "exists shrinks": b"* 1 EXISTS\r\n", "none": b"* 0 EXISTS\r\n",
    "expunge out of range": b"* 4000000000 EXPUNGE\r\n", "expunge 0": b"* 0 EXPUNGE\r\n",
    "expunged": b"* 2 EXPUNGED\r\n", "ghosts": b"* 1 EXPUNGE\r\n" * 1000,
    "fetch without uid": b"* 1 FETCH (FLAGS (\\Seen))\r\n", "fetch 0": b"* 0 FETCH (FLAGS ())\r\n",
    "uid 0": b"* 1 FETCH (UID 0 FLAGS ())\r\n", "uid too large": b"* 1 FETCH (UID 4294967296)\r\n",
    "unknown uids": b"".join(b"* 1 FETCH (UID %d FLAGS (\\Seen))\r\n" % n for n in range(100, 2000)),
    "vanished all": b"* VANISHED 4294967295:4294967295,\r\n", "vanished nothing": b"* VANISHED\r\n",
    "vanished word": b"* VANISHED (EARLIER) x:y\r\n", "unknown": b"* X-WHAT {3}\r\nabc (((x)))\r\n",
    "copyuid without ok": b"* [COPYUID 1 2 3]\r\n", "bare ok": b"* OK\r\n", "bare star": b"* \r\n",
    "bad numbers": b"* 9.3736e+06 EXISTS\r\n* +5 EXISTS\r\n* 00012 EXISTS\r\n* -1 EXISTS\r\n",
    "modseq": b"* OK [HIGHESTMODSEQ 18446744073709551615] x\r\n* OK [HIGHESTMODSEQ]\r\n",
    "uidnext": b"* OK [UIDNEXT 0] x\r\n* OK [UIDNEXT 4294967296] x\r\n* OK [UIDNEXT 1] x\r\n",
    "bare line feed": b"* OK a\n* 3 EXISTS\n", "list": b'* LIST () "/" Ghost\r\n',
    "search": b"* SEARCH 77 4294967295\r\n", "capability": b"* CAPABILITY IMAP4rev1 QRESYNC\r\n",
    "nul": b"* OK a\x00b\r\n* 9\x00 EXISTS\r\n* 2 FETCH (UID 2 FLAGS (\x00))\r\n",
    "deep": b"* X (" + b"(" * 100_000 + b"\r\n", "flags": b"* FLAGS (" + b"x " * 50_000 + b")\r\n",
}


@pytest.mark.parametrize("where", ["do_examine", "do_uid_fetch"])
@pytest.mark.parametrize("text", CHATTER.values(), ids=CHATTER)
def test_chatter_harms_nothing(besiege, text, where):
    host = three(**after(where, text))
    mounted = besiege(host)
    try:
        os.listdir(mounted / "INBOX")
    except OSError:
        pass
    host.restore(where)
    host.hang_up()
    wait_until(lambda: listed(mounted), pause=0.2)
    assert (content(mounted, 1), content(mounted, 2)) == (LETTER, OTHER)


# What ends a connection.

FATAL = {
    "huge literal": b"* 1 FETCH (X {4294967296}\r\n", "larger": b"* X {18446744073709551616}\r\n",
    "negative literal": b"* X {-1}\r\n", "odd literal": b"* X {5x}\r\n",
    "unknown tag": b"A999 OK done\r\n", "go ahead": b"+ go on\r\n", "bye": b"* BYE enough\r\n",
    "bye without end": b"* BYE enough\r\n" + b"* OK x\r\n" * 100_000,
    "no imap": b"HTTP/1.1 200 OK\r\n\r\n",
    "promise": b"* 1 FETCH (BODY[] {2147483647}\r\n0123456789",
    "line without end": b"* X " + b"x" * (8 << 20), "nul in a go ahead": b"+ a\x00b\r\n",
}


@pytest.mark.parametrize("where", ["do_list", "do_examine", "do_uid_fetch"])
@pytest.mark.parametrize("text", FATAL.values(), ids=FATAL)
def test_a_connection_may_end_but_not_the_mount(besiege, text, where):
    def method(host, peer, command):
        peer.send(text)
        peer.wait()

    host = three()
    mounted = besiege(host)
    assert content(mounted, 1) == LETTER
    host.turn(**{where: method})
    with in_time():
        content_or_error(mounted, 2)
    with in_time():
        try:
            os.listdir(mounted / "INBOX")
        except OSError:
            pass
    assert content(mounted, 1) == LETTER
    host.restore(where)
    host.hang_up()
    wait_until(lambda: listed(mounted), pause=0.2)
    assert content(mounted, 2) == OTHER


@pytest.mark.parametrize("where", ["do_examine", "do_uid_search", "do_uid_fetch"])
@pytest.mark.parametrize("line", [b"* OK still working\r\n", b"* 3 EXISTS\r\n",
                                  b"* 9 FETCH (UID 9 FLAGS (\\Seen))\r\n", b"* SEARCH 1 2 5\r\n",
                                  b'* LIST () "/" x\r\n', b"*"],
                         ids=["ok", "exists", "fetch", "search", "list", "drip"])
def test_words_without_an_answer_hold_up_nobody_for_long(besiege, line, where):
    def method(host, peer, command):
        end = time.monotonic() + 6
        while time.monotonic() < end:
            peer.send(line if line == b"*" else line * 200)
            peer.wait(0.05)

    mounted = besiege(three(**{where: method}))
    with in_time():
        try:
            os.listdir(mounted / "INBOX")
        except OSError:
            pass
    assert "state:" in status(mounted)


def test_a_nul_spoils_a_response_and_not_the_connection(besiege):
    host = three(**after("do_uid_fetch", b"* 2 FETCH (UID 2 FLAGS (\x00))\r\n" * 1000))
    mounted = besiege(host)
    assert uids(mounted) == [1, 2, 5]
    assert content(mounted, 1) == LETTER
    assert host.count("EXAMINE") <= len(host.peers) == 2  # one that lists, one for bodies
    mounted.finish()
    assert mounted.stderr.count("NUL") <= len(host.peers)


def test_a_nul_in_an_answer_ends_the_connection(besiege):
    host = three()
    mounted = besiege(host)
    host.replace(do_examine=lambda *_: "OK a\x00b")
    assert fails(os.listdir, mounted / "INBOX")
    wait_until(lambda: len(host.peers) > 1)


# Lists of messages.

DESCENDING = range(600_000, 0, -2)


@pytest.mark.parametrize("text", [
    b"* SEARCH " + b" ".join(b"%d" % uid for uid in DESCENDING) + b"\r\n",
    b"".join(b"* SEARCH %d\r\n" % uid for uid in DESCENDING)], ids=["a line", "many lines"])
def test_uids_in_the_worst_order_hold_up_nobody(besiege, text):
    mounted = besiege(three(**instead("do_uid_search", "NO not now", text)))
    assert fails(os.listdir, mounted / "INBOX") in ("EIO", "ETIMEDOUT")


@pytest.mark.parametrize("answer", [
    b"* ESEARCH (TAG \"x\") UID ALL 1:4294967295\r\n", b"* ESEARCH UID ALL 1:2,\r\n",
    b"* ESEARCH UID ALL *:1\r\n", b"* ESEARCH UID ALL 0\r\n", b"* ESEARCH UID ALL x\r\n",
    b"* ESEARCH UID ALL\r\n", b"* ESEARCH\r\n", b"* ESEARCH UID COUNT 3\r\n", b"", b"* SEARCH\r\n",
    b"* SEARCH x y\r\n"])
def test_a_list_that_makes_no_sense_is_no_empty_mailbox(besiege, answer):
    host = three(**instead("do_uid_search", "OK done", answer))
    host.capabilities += " ESEARCH"
    mounted = besiege(host)
    assert fails(os.listdir, mounted / "INBOX")
    host.restore("do_uid_search")
    wait_until(lambda: listed(mounted), pause=0.2)


@pytest.mark.parametrize("answer", [b"* SEARCH 5 1 2\r\n", b"* SEARCH 1 1 2 2 5\r\n",
                                    b"* SEARCH 1\r\n* SEARCH 2\r\n* SEARCH 5\r\n",
                                    b"* SEARCH 0 1 2 5 77 4294967296 x\r\n",
                                    b"* search 1 2 5 (MODSEQ 9)\r\n"])
def test_a_list_with_surprises_is_read(besiege, answer):
    mounted = besiege(three(**instead("do_uid_search", "OK done", answer)))
    assert uids(mounted) == [1, 2, 5]


def test_a_message_that_is_counted_but_never_told_is_not_shown(besiege):
    def fetch_response(host, number, stored, items):
        return b"" if stored.uid == 2 else Citizen.fetch_response(host, number, stored, items)

    mounted = besiege(three(fetch_response=fetch_response))
    assert uids(mounted) == [1, 5]
    assert fails((mounted / "INBOX/u2.eml").stat) == "ENOENT"


@pytest.mark.parametrize("envelope", [
    b'(NIL "' + b"x" * (1 << 20) + b'" NIL NIL NIL NIL NIL NIL NIL NIL)',
    b"(NIL " + literal(b"x" * (1 << 20)) + b" NIL NIL NIL NIL NIL NIL NIL NIL)",
    b"(NIL NIL (" + b'("a" NIL "b" "c")' * 60_000 + b") NIL NIL NIL NIL NIL NIL NIL)",
    b"(" * 100_000 + b")" * 100_000], ids=["quoted", "literal", "addresses", "deep"])
def test_an_envelope_without_measure_is_cut(besiege, envelope):
    mounted = besiege(three(envelope=lambda host, stored: envelope))
    assert uids(mounted) == [1, 2, 5]
    assert content(mounted, 1) == LETTER


def test_a_listing_without_envelope_or_with_nothing(besiege):
    def fetch_response(host, number, stored, items):
        items = [item for item in items if item != "ENVELOPE"]
        return Citizen.fetch_response(host, number, stored, items)

    assert uids(besiege(three(fetch_response=fetch_response))) == [1, 2, 5]


def test_a_modseq_that_goes_down_hides_no_change(besiege):
    class Condstore(Host):
        capabilities = "IMAP4rev1 AUTH=PLAIN CONDSTORE"
        modseq = 1000

        def select_lines(self, box):
            return [*super().select_lines(box), f"OK [HIGHESTMODSEQ {self.modseq}] at"]

        def do_uid_fetch(self, peer, command):
            if "CHANGEDSINCE" in command.text:
                return "OK nothing has changed"
            return super().do_uid_fetch(peer, command)

    host = Condstore(Box("INBOX", [Stored(1, LETTER), Stored(2, OTHER)]))
    mounted = besiege(host)
    assert uids(mounted) == [1, 2]
    host.modseq = 3
    host.boxes[0].messages[0].flags = ("\\Seen",)
    host.turn()
    wait_until(lambda: ",S." in letters(mounted)[0], pause=0.2)


def flags_alone(items) -> bool:
    return [item.upper() for item in items] == ["UID", "FLAGS"]


def reenter(host, mounted) -> None:
    """Waits until the mailbox, which is open on a new connection, was compared and is listed."""
    seen = host.count("EXAMINE")
    wait_until(lambda: listed(mounted) and host.count("EXAMINE") > seen, pause=0.2)


def bodies(host) -> int:
    """How many commands asked for octets of messages."""
    return sum("BODY" in command.text for command in host.commands)


def assert_still_cached(host, mounted) -> None:
    asked = bodies(host)
    assert (content(mounted, 1), content(mounted, 2), content(mounted, 5)) == (
        LETTER, OTHER, LETTER)
    assert bodies(host) == asked


@pytest.mark.parametrize("told", [[], [1, 5]], ids=["nothing", "not all"])
def test_a_message_whose_flags_are_not_told_is_not_gone(besiege, told):
    def fetch_response(host, number, stored, items):
        if flags_alone(items) and stored.uid not in told:
            return b""
        return Citizen.fetch_response(host, number, stored, items)

    host = three()
    mounted = besiege(host)
    assert uids(mounted) == [1, 2, 5]
    assert [content(mounted, uid) for uid in (1, 2, 5)] == [LETTER, OTHER, LETTER]
    host.turn(fetch_response=fetch_response)
    reenter(host, mounted)
    assert any("1:* (FLAGS)" in command.text for command in host.commands)
    assert_still_cached(host, mounted)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_message_never_listed_is_gone_when_a_search_says_so(script, mount, home, is_there):
    def fetch_response(host, number, stored, items):
        return b"" if flags_alone(items) else Citizen.fetch_response(host, number, stored, items)

    host, there = three(fetch_response=fetch_response), home()
    host.password = Citizen.password
    source = script(host).url()
    mounted = mount(source, home=there)
    assert content(mounted, 2) == OTHER
    mounted.finish()
    asked = bodies(host)
    if not is_there:
        del host.boxes[0].messages[1]
    mounted = mount(source, home=there)
    assert content_or_error(mounted, 2) == (OTHER if is_there else None)
    assert host.count("UID SEARCH") == 1 and bodies(host) == asked


def test_flags_told_by_number_are_asked_for_once_a_comparison(besiege):
    def do_uid_fetch(host, peer, command):
        peer.untagged("1 FETCH (FLAGS (\\Seen))")
        return Citizen.do_uid_fetch(host, peer, command)

    host = three()
    mounted = besiege(host)
    assert uids(mounted) == [1, 2, 5]
    host.turn(do_uid_fetch=do_uid_fetch)
    reenter(host, mounted)
    assert host.count("UID FETCH") < 20


def test_a_message_that_is_never_told_is_asked_for_once(besiege):
    def do_noop(host, peer, command):
        peer.untagged(f"{len(peer.box.messages)} EXISTS")
        return "OK done"

    def fetch_response(host, number, stored, items):
        return b"" if stored.uid == 2 else Citizen.fetch_response(host, number, stored, items)

    host = three(fetch_response=fetch_response, do_noop=do_noop)
    mounted = besiege(host)
    assert uids(mounted) == [1, 5]
    searches, compared = host.count("UID SEARCH"), host.count("NOOP")
    wait_until(lambda: uids(mounted) == [1, 5] and host.count("NOOP") > compared, pause=0.2)
    host.boxes[0].messages.append(Stored(6, OTHER))
    wait_until(lambda: listed(mounted, [1, 5, 6]), pause=0.2)
    assert host.count("UID SEARCH") <= searches + 1  # for the new one


# Which mailbox it is.

class Modern(Host):
    """Has QRESYNC and OBJECTID, as far as that does not need to do anything."""
    capabilities = "IMAP4rev1 AUTH=PLAIN ENABLE CONDSTORE QRESYNC OBJECTID"
    mailboxid = "M1"

    def do_enable(self, peer, command):
        peer.untagged("ENABLED " + command.text)
        return "OK done"

    def select_lines(self, box):
        told = [f"OK [MAILBOXID ({self.mailboxid})] this"] if self.mailboxid else []
        return [*super().select_lines(box), "OK [HIGHESTMODSEQ 1000] at", *told]


def modern() -> Modern:
    return Modern(Box("INBOX", [Stored(1, LETTER), Stored(2, OTHER), Stored(5, LETTER)]))


def exchange_mailbox(host) -> None:
    """Another mailbox with the same UIDVALIDITY and the same UIDs."""
    host.boxes[0] = Box("INBOX", [Stored(1, OTHER), Stored(2, LETTER), Stored(5, OTHER)])


@pytest.mark.parametrize("before, now", [(None, "M1"), ("M1", None)])
def test_a_mailbox_that_tells_its_id_only_once_is_proved(besiege, before, now):
    host = modern()
    host.mailboxid = before
    mounted = besiege(host)
    assert uids(mounted) == [1, 2, 5] and content(mounted, 1) == LETTER
    host.mailboxid = now
    exchange_mailbox(host)
    host.turn()
    reenter(host, mounted)
    wait_until(lambda: (content_or_error(mounted, 1), content_or_error(mounted, 2)) ==
               (OTHER, LETTER))


def test_a_mailbox_that_cannot_be_entered_has_lost_nothing(besiege):
    def do_examine(host, peer, command):
        peer.untagged("VANISHED (EARLIER) 1:5")
        return "NO not now"

    host = modern()
    mounted = besiege(host)
    assert uids(mounted) == [1, 2, 5]
    assert [content(mounted, uid) for uid in (1, 2, 5)] == [LETTER, OTHER, LETTER]
    host.turn(do_examine=do_examine)
    seen = host.count("EXAMINE")
    wait_until(lambda: fails_to_list(mounted) and host.count("EXAMINE") > seen, pause=0.2)
    assert_still_cached(host, mounted)


def test_what_vanished_meanwhile_is_gone(besiege):
    def do_examine(host, peer, command):
        answer = Citizen.do_examine(host, peer, command)
        for uid in (1, 5):
            peer.untagged(f"VANISHED (EARLIER) {uid}")
        return answer

    host = modern()
    mounted = besiege(host)
    assert uids(mounted) == [1, 2, 5]
    del host.boxes[0].messages[2], host.boxes[0].messages[0]
    host.turn(do_examine=do_examine)
    wait_until(lambda: listed(mounted, [2]), pause=0.2)
    assert host.count("UID SEARCH") == 1  # the first


def fails_to_list(mounted) -> bool:
    try:
        os.listdir(mounted / "INBOX")
    except OSError:
        return True
    return False


def test_the_last_words_of_a_mailbox_are_not_the_first_of_the_next(besiege):
    """What comes before the answer to EXAMINE is not about the mailbox that is entered."""
    def do_uid_fetch(host, peer, command):
        if peer.box.name == "INBOX":
            peer.socket.recv(1, socket.MSG_PEEK)  # the EXAMINE behind
            peer.send(Citizen.fetch_response(host, 1, Stored(1, b"Subject: x\r\n\r\nother"), [
                "UID", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"]))
        return Citizen.do_uid_fetch(host, peer, command)

    host = Host(Box("INBOX", [Stored(7, LETTER)]), Box("Old", [Stored(1, OTHER)]),
                do_uid_fetch=do_uid_fetch)
    mounted = besiege(host, "timeout=9")
    assert uids(mounted, "Old") == [1] and content(mounted, 1, "Old") == OTHER
    asked, fetched = bodies(host), host.count("UID FETCH")
    with subprocess.Popen(["ls", mounted / "INBOX"], stdout=subprocess.DEVNULL):
        wait_until(lambda: host.count("UID FETCH") > fetched, 5)
        wait_until(lambda: uids(mounted, "Old") == [1] and host.examined()[-1] == "Old")
    assert content(mounted, 1, "Old") == OTHER and bodies(host) == asked


# Refusals.

@pytest.mark.parametrize("answer", ["NO not so", "BAD what?", "BAD [CLIENTBUG] what?"])
def test_an_extension_of_examine_may_be_refused(besiege, answer):
    def do_examine(host, peer, command):
        if command.text.endswith(")"):
            return answer
        return Citizen.do_examine(host, peer, command)

    host = modern()
    host.replace(do_examine=do_examine)
    mounted = besiege(host)
    assert uids(mounted) == [1, 2, 5] and content(mounted, 1) == LETTER
    host.boxes[0].messages[0].flags = ("\\Seen",)
    del host.boxes[0].messages[1]
    host.turn()
    wait_until(lambda: listed(mounted, [1, 5]), pause=0.2)
    assert ",S." in letters(mounted)[0]


def test_commands_of_extensions_may_be_refused(besiege):
    class Boaster(Host):
        """Advertises what it then does not do."""
        capabilities = ("IMAP4rev1 AUTH=PLAIN ENABLE QRESYNC CONDSTORE COMPRESS=DEFLATE NAMESPACE "
                        "ID ESEARCH SPECIAL-USE LIST-EXTENDED UTF8=ACCEPT QUOTA OBJECTID")

        def do_list(self, peer, command):
            return "BAD what?" if "RETURN" in command.text else super().do_list(peer, command)

    for answer in ("NO", "BAD"):
        host = Boaster(Box("INBOX", [Stored(1, LETTER)]), **{
            f"do_{name}": lambda *_: answer for name in ("id", "namespace")}, **instead(
                "do_enable", answer), **instead("do_compress", answer))
        mounted = besiege(host)
        assert uids(mounted) == [1] and content(mounted, 1) == LETTER
        os.statvfs(mounted.path)


@pytest.mark.parametrize("answer", ["NO not now", "BAD what?", "NO [NOPERM] not you",
                                    "NO [NONEXISTENT] gone", "NO"])
@pytest.mark.parametrize("where", ["do_examine", "do_uid_search", "do_uid_fetch"])
def test_a_refusal_is_an_error_and_passes(besiege, where, answer):
    host = three(**instead(where, answer))
    mounted = besiege(host)
    assert fails(os.listdir, mounted / "INBOX") in ("EIO", "EACCES", "ESTALE")
    host.restore(where)
    wait_until(lambda: listed(mounted), pause=0.2)
    assert content(mounted, 5) == LETTER


@pytest.mark.parametrize("answer", ["NO not now", "BAD what?", "NO [LIMIT] too much"])
def test_a_refused_list_is_a_refused_mount(refusal, answer):
    refusal(Host(**instead("do_list", answer)))


def test_an_end_while_the_mailboxes_are_listed(besiege):
    host = Host()
    mounted = besiege(host)
    host.turn(do_list=lambda host, peer, command: peer.wait())
    wait_until(lambda: host.count("LIST") == 2)
    mounted.finish()  # which looks for leaks


def test_one_mailbox_that_hangs_leaves_the_others(besiege):
    def do_examine(host, peer, command):
        if command.words[0] == "Stuck":
            peer.wait()
        return Citizen.do_examine(host, peer, command)

    host = Host(Box("INBOX", [Stored(1, LETTER)]), Box("Stuck", [Stored(1, OTHER)]),
                do_examine=do_examine)
    mounted = besiege(host)
    assert content(mounted, 1) == LETTER
    assert fails(os.listdir, mounted / "Stuck") in ("ETIMEDOUT", "EHOSTUNREACH")
    assert content(mounted, 1) == LETTER
    wait_until(lambda: listed(mounted, [1]), pause=0.2)


@pytest.mark.full
@pytest.mark.timeout(1000)
def test_a_body_is_waited_for_as_long_as_it_comes(script, mount):
    """Longer than an answer may take of which nothing comes."""
    slowed, sent_whole = [], []

    def do_uid_fetch(host, peer, command):
        if slowed or not re.search(r"<\d+\.\d{7,}>", command.text):
            return Citizen.do_uid_fetch(host, peer, command)
        slowed.append(command)
        _, stored = peer.box.select("1")[0]
        items = ["UID", "INTERNALDATE", "RFC822.SIZE", *re.findall(r"BODY[^\s)]+", command.text)]
        told = host.fetch_response(1, stored, items)
        step = len(told) // 630
        for begin in range(0, len(told), step):
            peer.send(told[begin:begin + step])
            peer.wait(1)
        sent_whole.append(command)  # nobody hung up
        return "OK done"

    text = of_size(24 << 20)
    host = Host(Box("INBOX", [Stored(1, text)]), do_uid_fetch=do_uid_fetch)
    host.password = Citizen.password
    mounted = mount(script(host).url(), "timeout=20", deadline=1000)
    assert (mounted / "INBOX/u1.eml").read_bytes() == text
    assert slowed and sent_whole == slowed


def test_a_long_body_that_hangs_leaves_the_others(besiege):
    """What is asked for behind it comes over another connection."""
    long = re.compile(r"<\d+\.\d{7,}>")

    def do_uid_fetch(host, peer, command):
        if long.search(command.text):
            peer.wait()
        return Citizen.do_uid_fetch(host, peer, command)

    host = Host(Box("INBOX", [Stored(1, of_size(15 << 20)), Stored(2, LETTER)]),
                do_uid_fetch=do_uid_fetch)
    mounted = besiege(host)
    assert uids(mounted) == [1, 2]
    with subprocess.Popen(["cat", mounted / "INBOX/u1.eml"], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL):
        wait_until(lambda: any(long.search(command.text) for command in host.commands))
        began = time.monotonic()
        assert content(mounted, 2) == LETTER
        assert time.monotonic() - began < TIMEOUT - 0.5
