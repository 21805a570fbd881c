# SPDX-License-Identifier: MIT
"""The connections over which parts are asked for: what one message, or one call, does to others."""

import os
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from citizen import Box, Citizen, Stored
from hostile import LETTER, besiege, idle_memory, status, uids
from processes import wait_until
from script import Gone
from test_part_fetch import (END, PARTS, PICTURE, SMALL, TEXT, Office, assert_true, directory,
                             octets, octets_or_error)

# Connections that end.

def hang_up(host, peer, command):
    raise Gone


def say_bye(host, peer, command):
    peer.untagged("BYE internal error")
    raise Gone


def say_nothing(host, peer, command):
    peer.wait()


def break_off(host, peer, command):
    peer.untagged(b"1 FETCH (UID 1 BODYSTRUCTURE {99999999999}")
    return "OK done"


def deadly(act, *hostile: int):
    """A do_uid_fetch() that acts so when it is asked for the structures of these messages."""
    def do_uid_fetch(host, peer, command):
        asked = peer.box.select(command.text.partition(" ")[0])
        if "BODYSTRUCTURE" in command.text and any(one.uid in hostile for _, one in asked):
            return act(host, peer, command)
        return Citizen.do_uid_fetch(host, peer, command)
    return {"do_uid_fetch": do_uid_fetch}


ENDS = [hang_up, say_bye, break_off]


def whole_of(host: Office) -> set[int]:
    """The messages that were asked for as a whole."""
    return {int(text.partition(" ")[0]) for text in host.fetched("BODY.PEEK[]")}


@pytest.mark.parametrize("act", ENDS)
def test_a_structure_that_ends_the_connection(besiege, act):
    """Its message is taken apart here; nothing else is harmed, and it is not asked for again."""
    host = Office(*[PARTS] * 3, **deadly(act, 2))
    mounted = besiege(host)
    for uid in 2, 1, 2, 3:
        assert_true(mounted, uid)
        assert "state: online" in status(mounted)
    assert len(host.fetched("2 ", "BODYSTRUCTURE")) <= 2
    assert whole_of(host) == {2}


def test_a_structure_that_is_never_told(besiege):
    """The wait for it is in vain, twice; then its message is taken apart here."""
    host = Office(**deadly(say_nothing, 1))
    mounted = besiege(host)
    assert uids(mounted) == [1, 2]
    wait_until(lambda: octets_or_error(mounted, "1-text.txt") == TEXT.body)
    assert_true(mounted, 2)
    assert len(host.fetched("1 ", "BODYSTRUCTURE")) == 2


@pytest.mark.parametrize("act", ENDS)
def test_many_structures_that_end_connections(besiege, act):
    """Listings and other messages do not suffer from them, nor is each tried out for ever."""
    hostile = range(1, 21)
    host = Office(*[PARTS] * 21, **deadly(act, *hostile))
    mounted = besiege(host, "timeout=9")
    seen = host.count("NAMESPACE", "LIST")
    for uid in hostile:
        assert octets(mounted, "1-text.txt", uid) == TEXT.body
        assert len(uids(mounted)) == 21 and "state: online" in status(mounted)
    assert_true(mounted, 21)
    assert host.count("NAMESPACE", "LIST") <= 2 * seen  # of the first one the lister dies
    assert host.logins < 20


@pytest.mark.parametrize("act", ENDS)
def test_one_structure_of_many_ends_the_connection(besiege, act):
    """Those that were asked for together with it, and behind it, are asked for again."""
    host = Office(*[(TEXT,)] * 100, **deadly(act, 70))
    mounted = besiege(host, "timeout=9")
    texts = list((mounted / ".mailfs/text/INBOX").iterdir())
    assert len(texts) == 100
    for text in texts:
        assert TEXT.body.strip() in text.read_bytes()
    assert whole_of(host) <= {70}
    assert host.logins < 10


def test_a_message_behind_one_that_breaks_the_connection(besiege):
    """Only the one whose answer could not be read is to blame."""
    broken = []

    def act(host, peer, command):
        peer.socket.recv(1, socket.MSG_PEEK)  # the FETCH behind
        broken.append(peer)
        return break_off(host, peer, command)

    def admit(host, password):
        return "OK logged in" if len(host.peers) == 1 or broken else "NO [UNAVAILABLE] one only"
    host = Office(**deadly(act, 1), admit=admit)
    mounted = besiege(host)
    assert uids(mounted) == [1, 2]
    with ThreadPoolExecutor() as pool:
        first = pool.submit(os.listdir, directory(mounted, 1))
        wait_until(lambda: host.fetched("1 ", "BODYSTRUCTURE"))
        assert os.listdir(directory(mounted, 2))
        assert first.result()
    assert_true(mounted, 2)
    assert whole_of(host) == {1}


def test_an_accident_is_no_fault_of_the_message(besiege):
    """A connection that ends while a structure is asked for may end for another reason."""
    host = Office(**deadly(hang_up, 1))
    mounted = besiege(host)
    assert uids(mounted) == [1, 2]

    def do_uid_fetch(host, peer, command):
        host.restore("do_uid_fetch")
        raise Gone
    host.replace(do_uid_fetch=do_uid_fetch)
    assert_true(mounted)
    assert not whole_of(host)


def test_a_measure_that_ends_the_connection(besiege):
    """It is asked for once more, to be sure, and then done without."""
    def do_uid_fetch(host, peer, command):
        if f"<0.{END}>" in command.text and command.text.startswith("1 "):
            raise Gone
        return Citizen.do_uid_fetch(host, peer, command)
    host = Office(do_uid_fetch=do_uid_fetch)
    mounted = besiege(host)
    assert_true(mounted)
    assert_true(mounted, 2)
    assert "state: online" in status(mounted)
    assert len(host.fetched("1 ", f"<0.{END}>")) == 2


def test_connections_that_are_lost_on_entering_a_mailbox(besiege):
    """What was asked behind the EXAMINE is asked again over the next one.  The kernel hides the
    failure of one read, but not of two."""
    host = Office()
    mounted = besiege(host)
    assert uids(mounted) == [1, 2]
    lost = []

    def do_examine(host, peer, command):
        if len(lost) < 2:
            lost.append(peer)
            raise Gone
        return Citizen.do_examine(host, peer, command)
    host.replace(do_examine=do_examine)
    assert octets(mounted, "1-text.txt") == TEXT.body
    assert len(lost) == 2


# Connections that are shared.

def test_structures_are_asked_for_in_their_mailbox(besiege):
    """Not behind the EXAMINE of another one, where the only connection does both."""
    asked_in, refused = set(), []

    def do_uid_fetch(host, peer, command):
        if "BODYSTRUCTURE" in command.text:
            asked_in.add(peer.box.name)
            if ":" in command.text.partition(" ")[0] and not refused:
                refused.append(command)
                wait_until(lambda: b"EXAMINE" in peer.socket.recv(1 << 16, socket.MSG_PEEK))
                return "NO not so many"
        return Citizen.do_uid_fetch(host, peer, command)

    def do_authenticate(host, peer, command):
        if peer is not host.peers[0]:
            return "NO [LIMIT] one is enough"
        return Citizen.do_authenticate(host, peer, command)
    host = Office(*[(TEXT,)] * 20, do_uid_fetch=do_uid_fetch, do_authenticate=do_authenticate)
    host.boxes.append(Box("Other", [Stored(1, LETTER)]))
    mounted = besiege(host, "timeout=9")
    texts = list((mounted / ".mailfs/text/INBOX").iterdir())
    with ThreadPoolExecutor() as pool:
        read = pool.submit(lambda: {text.read_bytes() for text in texts})
        wait_until(lambda: refused)
        assert uids(mounted, "Other") == [1]
        assert all(TEXT.body.strip() in text for text in read.result())
    assert asked_in == {"INBOX"}


def held(host: Office, mounted) -> threading.Event:
    """From now on what parts decode to is not told before the event; what they are is known."""
    release = threading.Event()

    def do_uid_fetch(host, peer, command):
        if f"<0.{END}>" in command.text:
            release.wait(20)
        return Citizen.do_uid_fetch(host, peer, command)
    for text in (mounted / ".mailfs/text/INBOX").iterdir():
        assert TEXT.body.strip() in text.read_bytes()
    host.replace(do_uid_fetch=do_uid_fetch)
    return release


def test_a_measure_that_nobody_waits_for(besiege):
    """It goes no further than what was asked at once, and that is not much."""
    host = Office((TEXT, *[SMALL] * 600), (TEXT, PICTURE))
    mounted = besiege(host, "timeout=9")
    release = held(host, mounted)
    with subprocess.Popen(["stat", directory(mounted) / "2-image.png"]) as stat:
        wait_until(lambda: host.fetched("1 ", f"<0.{END}>"))
        stat.kill()
    release.set()
    assert octets(mounted, "2-image.png", 2) == PICTURE.decoded()
    assert len(host.fetched("1 ", f".{END}>")) <= 8


def test_a_listing_among_many_measures(besiege):
    """It does not wait for the last of them."""
    host = Office(*[(TEXT, *[SMALL] * 10)] * 60)
    host.boxes.append(Box("Other", [Stored(1, LETTER)]))
    mounted = besiege(host, "timeout=9")
    release = held(host, mounted)
    pictures = [directory(mounted, uid) / "2-image.png" for uid in range(1, 61)]
    with ThreadPoolExecutor(61) as pool:
        sizes = pool.map(lambda picture: picture.stat().st_size, pictures)
        other = pool.submit(uids, mounted, "Other")
        wait_until(lambda: "waiting calls: 61" in status(mounted))
        release.set()
        assert other.result() == [1]
        assert set(sizes) == {len(SMALL.decoded())}
    asked = [command.text for command in host.commands]
    assert sum(f"<0.{END}>" in text for text in asked[:asked.index("Other")]) < 45
