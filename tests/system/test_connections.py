# SPDX-License-Identifier: MIT
"""The connections of an account: which there are, and what is said in each."""

import os

from citizen import Box, Citizen, Stored
from hostile import (LETTER, OTHER, Host, besiege, content, fails, idle_memory, status, uids,
                     wait_for)
from processes import wait_until


def test_names_in_utf8_mean_the_same_in_each_connection(besiege):
    class Utf8(Host):
        capabilities = Host.capabilities + " ENABLE UTF8=ACCEPT"

        def do_enable(self, peer, command):
            peer.is_utf8 = "UTF8=ACCEPT" in command.words
            peer.untagged("ENABLED UTF8=ACCEPT")
            return "OK"

        def do_examine(self, peer, command):
            if not getattr(peer, "is_utf8", False) and not command.words[0].isascii():
                return "BAD not in modified UTF-7"
            return super().do_examine(peer, command)

    host = Utf8(Box(), Box('"Müll"'.encode(), [Stored(1, LETTER)]))
    assert content(besiege(host), 1, "Müll") == LETTER


def test_a_mailbox_that_cannot_be_opened_says_why(besiege):
    def do_examine(host, peer, command):
        if peer is host.peers[0]:
            return Citizen.do_examine(host, peer, command)
        return "NO [NOPERM] for the king alone"

    mounted = besiege(Host(Box("INBOX", [Stored(1, LETTER)]), do_examine=do_examine))
    assert uids(mounted) == [1]
    fails(content, mounted, 1)
    assert "for the king alone" in status(mounted)


def test_a_refused_connection_is_tried_again_with_the_next_one_that_lists(besiege):
    def admit(host, password):
        return "NO [UNAVAILABLE] try later" if len(host.peers) == 2 else "OK logged in"

    host = Host(Box("INBOX", [Stored(1, LETTER), Stored(2, OTHER)]), admit=admit)
    mounted = besiege(host)
    assert content(mounted, 1) == LETTER
    assert len(host.peers) == 2
    host.turn()
    wait_for(mounted, "online")
    assert content(mounted, 2) == OTHER
    wait_until(lambda: len(host.peers) == 4)


def test_who_lists_texts_finds_a_connection_for_them(besiege):
    """Only where the mailbox is new: the cache may have all, next time."""
    host = Host(Box("INBOX", [Stored(1, LETTER), Stored(2, OTHER)]))
    mounted = besiege(host)
    assert len(os.listdir(mounted / ".mailfs/text/INBOX")) == 2
    wait_until(lambda: host.logins == 2)
    host.turn()
    wait_for(mounted, "online")
    assert len(os.listdir(mounted / ".mailfs/text/INBOX")) == 2
    assert content(mounted, 1) == LETTER
    assert host.logins == 4
