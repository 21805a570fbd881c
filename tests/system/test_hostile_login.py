# SPDX-License-Identifier: MIT
"""Hostile servers up to the login: credentials stay here, and nobody is hammered on."""

import os
import socket
import time
import zlib

import pytest

from citizen import Box, Citizen, Stored
from hostile import (LETTER, OTHER, PASSWORD, Host, besiege, content, content_or_error, fails,
                     idle_memory, letters, plain_response, refusal, status, uids, wait_for)
from processes import wait_until

HARMLESS = {"CAPABILITY", "STARTTLS", "LOGOUT"}


def starttls(answer: bytes):
    """Answers STARTTLS with this, %s being the tag, and is ready for TLS."""
    def do_starttls(host, peer, command):
        peer.send(answer.replace(b"%s", command.tag.encode()))
        peer.start_tls()
    return do_starttls


def bytes_before_the_handshake(host, peer, command):
    """In clear, when the client has begun with TLS."""
    peer.send(f"{command.tag} OK begin\r\n")
    peer.socket.recv(1, socket.MSG_PEEK)
    peer.send(b"* CAPABILITY IMAP4rev1 X-INJECTED\r\n")
    peer.start_tls()


def greets(text: bytes):
    return lambda host, peer: text


def answers(text: str):
    return lambda host, peer, command: text


def flood(host, peer, line: bytes = b"* OK still here\r\n"):
    """Says so until the client goes away."""
    while True:
        peer.send(line * 1000)


def goodbye_without_end(host, peer):
    peer.send(b"* BYE go away\r\n")
    flood(host, peer)


def hangs(host, peer, command):
    peer.wait()


# Before TLS.

MEDDLERS = {
    "answer and more in one segment":
        ({"do_starttls": starttls(b"%s OK begin\r\n* CAPABILITY IMAP4rev1 X-INJECTED\r\n")},
         "meddles"),
    "one byte too many": ({"do_starttls": starttls(b"%s OK begin\r\n*")}, "meddles"),
    "in clear after ClientHello": ({"do_starttls": bytes_before_the_handshake}, "TLS"),
    "preauth": ({"greeting": greets(b"* PREAUTH welcome alice\r\n")}, "PREAUTH"),
    "not offered": ({"offered": lambda host, peer: "IMAP4rev1 AUTH=PLAIN"}, "STARTTLS"),
    "refused": ({"do_starttls": answers("NO not today")}, "not today"),
    "bad": ({"do_starttls": answers("BAD what?")}, "what?"),
    "neither": ({"do_starttls": answers("PERHAPS later")}, "no OK, NO or BAD"),
    "silence": ({"do_starttls": hangs}, "2 seconds"),
    "answered before it was asked":
        ({"greeting": greets(b"* OK hello\r\nA1 OK begin TLS\r\nA2 OK\r\n")}, "no command of ours"),
    "bye": ({"greeting": greets(b"* BYE go away\r\n")}, "go away"),
    "bye without end": ({"greeting": goodbye_without_end}, "go away"),
    "no imap": ({"greeting": greets(b"220 smtp.example.org ESMTP\r\n")}, "no IMAP server"),
    "tagged greeting": ({"greeting": greets(b"A1 OK welcome\r\n")}, "no IMAP server"),
    "line without end": ({"greeting": lambda host, peer: flood(host, peer, b"* OK " * 1000)}, ""),
}


@pytest.mark.parametrize("methods, reason", MEDDLERS.values(), ids=MEDDLERS)
def test_nothing_is_told_to_a_meddler(refusal, authority, methods, reason):
    host = Host(**methods)
    assert reason in refusal(host, certificate=authority.issue())
    assert {command.name for command in host.commands} <= HARMLESS


@pytest.mark.parametrize("methods, reason", MEDDLERS.values(), ids=MEDDLERS)
def test_nothing_is_told_to_a_meddler_that_comes_later(besiege, authority, methods, reason):
    host = Host(Box("INBOX", [Stored(1, LETTER), Stored(2, OTHER)]))
    mounted = besiege(host, certificate=authority.issue())
    assert uids(mounted) == [1, 2] and content(mounted, 1) == LETTER
    seen = len(host.commands)
    host.turn(**methods)
    wait_for(mounted, "offline")
    assert {command.name for command in host.commands[seen:]} <= HARMLESS
    assert reason in status(mounted)
    assert uids(mounted) == [1, 2] and content(mounted, 1) == LETTER
    assert fails(content, mounted, 2) in ("EHOSTUNREACH", "EACCES", "EIO", "ETIMEDOUT")


def test_what_was_enabled_before_the_login_is_forgotten(besiege):
    greeting = greets(b"* OK hello\r\n* ENABLED UTF8=ACCEPT QRESYNC\r\n")
    host = Host(Box("INBOX", [Stored(1, LETTER)]), Box("Entwürfe"), greeting=greeting)
    assert sorted(os.listdir(besiege(host).path)) == ["Entwürfe", "INBOX"]


def test_an_alert_in_clear_is_not_shown(besiege, authority):
    class Alarmed(Host):
        def offered(self, peer):
            peer.untagged(f"OK [ALERT] told {'in secret' if peer.tls else 'in clear'}")
            return super().offered(peer)

    mounted = besiege(Alarmed(greeting=greets(b"* OK hello\r\n")), certificate=authority.issue())
    mounted.finish()
    assert "told in secret" in mounted.stderr and "told in clear" not in mounted.stderr


@pytest.mark.parametrize("flood", [b"* X" + b" 1" * 1_000_000 + b"\r\n",
                                   b"* X {100000}\r\n" + b"x" * 100_000 + b"\r\n"],
                         ids=["line", "literal"])
def test_a_stranger_says_nothing_long(refusal, flood):
    host = Host(greeting=greets(b"* OK hello\r\n" + flood))
    assert "too" in refusal(host)
    assert host.logins == 0


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
def test_nobody_is_logged_in_already(refusal, authority, tls):
    host = Host(greeting=greets(b"* PREAUTH welcome\r\n"))
    how = {"certificate": authority.issue(), "implicit_tls": True} if tls else {}
    assert "PREAUTH" in refusal(host, **how)
    assert not host.commands


def test_what_was_offered_in_clear_is_forgotten(besiege, authority):
    def offered(host, peer):
        return "IMAP4rev1 AUTH=PLAIN" if peer.tls else "IMAP4rev1 STARTTLS SASL-IR LOGINDISABLED"

    host = Host(offered=offered)
    assert letters(besiege(host, certificate=authority.issue()))
    asked = [command.text for command in host.commands if command.name == "AUTHENTICATE"]
    assert asked == ["PLAIN"]  # no initial response


def test_what_was_offered_before_the_login_is_forgotten(besiege):
    class Boaster(Host):
        capabilities = ("IMAP4rev1 AUTH=PLAIN SASL-IR ENABLE QRESYNC CONDSTORE COMPRESS=DEFLATE "
                        "NAMESPACE ID ESEARCH SPECIAL-USE LIST-EXTENDED UTF8=ACCEPT LITERAL+")

        def admit(self, password):
            return super().admit(password).replace("OK", "OK [CAPABILITY IMAP4rev1]")

    host = Boaster()
    assert content(besiege(host), 1) == LETTER
    assert {command.name for command in host.commands} <= {
        "AUTHENTICATE", "LIST", "EXAMINE", "UID FETCH", "UID SEARCH"}
    assert not any("RETURN" in command.text for command in host.commands)


# The login.

def test_login_that_is_disabled_is_not_tried(refusal):
    class Closed(Host):
        capabilities = "IMAP4rev1 LOGINDISABLED"

    host = Closed()
    refusal(host)
    assert host.logins == 0


@pytest.mark.parametrize("capabilities", ["IMAP4rev1", "IMAP4rev1 AUTH=PLAIN",
                                          "IMAP4rev1 AUTH=PLAIN SASL-IR"])
@pytest.mark.parametrize("word", ["BAD", "NO", "NO [ALERT]", "NO [AUTHENTICATIONFAILED]"])
def test_an_echoed_password_is_not_logged(refusal, capabilities, word):
    def echo(host, peer, command):
        return f"{word} cannot {command.name} {command.text}: {PASSWORD} {plain_response('alice')}"

    def echo_response(host, peer, command):
        if len(command.words) == 1:
            peer.send(b"+ \r\n")
            peer.line()
        return echo(host, peer, command)

    host = Host(do_login=echo, do_authenticate=echo_response)
    host.capabilities = capabilities
    assert "log in as alice" in refusal(host)  # and looks at the log
    assert host.logins == 1


def test_a_challenge_that_makes_no_sense_ends_the_login(refusal):
    def challenge(host, peer, command):
        peer.send(b"+ !!!no base64!!!\r\n")
        peer.line()
        return "OK welcome"

    refusal(Host(do_authenticate=challenge))


def test_a_challenge_before_our_answer_ends_the_login(refusal):
    def challenge(host, peer, command):
        peer.send(b"+ \r\n+ \r\n")
        peer.line()
        return "OK welcome"

    assert "second challenge" in refusal(Host(do_authenticate=challenge))


@pytest.mark.parametrize("answer", ["NO [REFERRAL imap://{}/] there", "OK [REFERRAL imap://{}/] in"])
def test_referrals_are_not_followed(besiege, refusal, script, answer):
    other = script(Citizen())
    host = Host(admit=lambda host, password: answer.format(f"localhost:{other.port}"))
    if answer.startswith("NO"):
        refusal(host)
    else:
        assert content(besiege(host), 1) == LETTER
    assert other.connections == 0


def test_alerts_are_shown_tamed(besiege):
    alert = b"[ALERT] \x1b[31mLog in at http://evil.example\x07" + b"!" * (1 << 19)

    def greeting(host, peer):
        return b"* OK " + alert + b"\r\n* OK " + alert + b"\r\n"

    def do_list(host, peer, command):
        peer.untagged(b"NO " + alert)
        return Citizen.do_list(host, peer, command)

    mounted = besiege(Host(greeting=greeting, do_list=do_list))
    assert letters(mounted)
    assert "http://evil.example" in mounted.stderr
    assert max(map(len, mounted.stderr.splitlines())) < 500


# Coming back.

def attempts(host, mounted, seconds: float) -> int:
    """How many connections are made while somebody asks all the time."""
    before, end = len(host.peers), time.monotonic() + seconds
    while time.monotonic() < end:
        os.listdir(mounted / "INBOX")
        try:
            (mounted / "INBOX" / "u99.eml").stat()
        except OSError:
            pass
        time.sleep(0.05)
    return len(host.peers) - before


def test_a_password_that_is_wrong_now_is_tried_once(besiege):
    host = Host()
    mounted = besiege(host)
    assert content(mounted, 1) == LETTER
    seen = host.logins
    host.turn(admit=lambda host, password: "NO [AUTHENTICATIONFAILED] changed")
    wait_for(mounted, "offline")
    attempts(host, mounted, 3.5)
    assert host.logins == seen + 1
    assert content(mounted, 1) == LETTER and fails(content, mounted, 99) == "EACCES"


@pytest.mark.parametrize("code", ["UNAVAILABLE", "LIMIT", "INUSE"])
def test_a_server_that_is_busy_is_asked_again_with_patience(besiege, code):
    host = Host()
    mounted = besiege(host)
    assert content(mounted, 1) == LETTER
    seen = host.logins
    host.turn(admit=lambda host, password: f"NO [{code}] come back later")
    wait_for(mounted, "offline")
    attempts(host, mounted, 4)
    assert seen < host.logins <= seen + 4
    assert content(mounted, 1) == LETTER and fails(content, mounted, 99) == "EBUSY"
    host.restore("admit")
    wait_until(lambda: attempts(host, mounted, 0.2) or "online" in status(mounted))
    wait_for(mounted, "online")


def drops(host, peer, *_):
    peer.untagged("BYE something is wrong")
    peer.end()


def deflated(data: bytes) -> bytes:
    compressor = zlib.compressobj(9, wbits=-15)
    return compressor.compress(data) + compressor.flush()


BOMB = deflated(b"* OK " + b"x" * (48 << 20))


def bombs(host, peer, command):
    """Answers COMPRESS, and then says nothing in very few bytes."""
    peer.send(f"{command.tag} OK deflating\r\n")
    peer.send(BOMB)
    peer.wait()


@pytest.mark.parametrize("methods", [{"do_list": drops}, {"do_compress": bombs},
                                     {"do_list": answers("NO out of order")},
                                     {"do_list": answers("PERHAPS")}],
                         ids=["bye", "bomb", "no list", "no answer"])
def test_a_server_that_fails_after_the_login_is_not_hammered_on(besiege, methods):
    host = Host()
    host.capabilities = "IMAP4rev1 AUTH=PLAIN COMPRESS=DEFLATE"
    mounted = besiege(host, *(["disable=COMPRESS=DEFLATE"] if "do_list" in methods else []))
    assert uids(mounted) == [1] and content(mounted, 1) == LETTER
    host.turn(**methods)
    assert attempts(host, mounted, 4) <= 6
    assert content(mounted, 1) == LETTER
    host.restore(*methods)
    host.capabilities = "IMAP4rev1 AUTH=PLAIN"
    host.boxes[0].messages.append(Stored(2, OTHER))
    wait_until(lambda: attempts(host, mounted, 0.2) >= 0 and uids(mounted) == [1, 2])


def test_a_server_that_drops_each_fetch_is_not_hammered_on(besiege):
    host = Host(body=lambda host, *_: drops(host, host.peers[-1]) or b"NIL")
    mounted = besiege(host)
    assert uids(mounted) == [1]
    fails(content, mounted, 1)
    assert len(host.peers) <= 10
    host.restore("body")
    wait_until(lambda: content_or_error(mounted, 1) == LETTER)


@pytest.mark.parametrize("refuse", ["greeting", "admit"])
def test_one_connection_is_enough(besiege, refuse):
    """All others are over the limit, and told so in the greeting or at the login."""
    boxes = [Box(name, [Stored(uid, LETTER) for uid in range(1, 9)]) for name in ("INBOX", "Old")]

    class Narrow(Host):
        def greeting(self, peer):
            if refuse == "greeting" and len(self.peers) > 1:
                return b"* BYE [LIMIT] too many connections\r\n"
            return super().greeting(peer)

        def admit(self, password):
            if refuse == "admit" and len(self.peers) > 1:
                return "NO [LIMIT] too many connections"
            return super().admit(password)

    host = Narrow(*boxes)
    mounted = besiege(host)
    for box in ("INBOX", "Old"):
        assert uids(mounted, box) == list(range(1, 9))
        assert all(content(mounted, uid, box) == LETTER for uid in range(1, 9))
    assert len(host.peers) <= 4


# Poor servers, which do nothing wrong.

class Silent(Host):
    """Tells its capabilities nowhere."""

    def greeting(self, peer):
        return b"* OK hello\r\n"

    def do_capability(self, peer, command):
        return "OK you will see"


class Plain(Host):
    capabilities = "IMAP4rev1"


class Slow(Host):
    def answer(self, peer, command):
        peer.wait(0.2)
        return super().answer(peer, command)


class Curt(Host):
    """Leaves out all that may be left out, and some more."""

    def answer(self, peer, command):
        return super().answer(peer, command).partition(" ")[0]


class Odd(Host):
    """Capabilities as they were seen in the wild, and too many of them."""

    def offered(self, peer):
        many = " ".join(f"X-{number}" for number in range(20_000))
        return f"imap4REV1 auth=plain LITERAL + {many} "


@pytest.mark.parametrize("kind", [Silent, Plain, Slow, Curt, Odd])
def test_a_poor_server_is_enough(besiege, kind):
    host = kind(Box("INBOX", [Stored(1, LETTER), Stored(7, OTHER)]), Box("Old"))
    mounted = besiege(host)
    assert sorted(os.listdir(mounted.path)) == ["INBOX", "Old"]
    assert uids(mounted) == [1, 7] and uids(mounted, "Old") == []
    assert (content(mounted, 1), content(mounted, 7)) == (LETTER, OTHER)
