# SPDX-License-Identifier: MIT
"""What others do is seen while the mount does nothing: the server tells it (IDLE)."""

import os
import time

import pytest

import messages
from citizen import Box, Citizen, Stored
from place import Place
from processes import wait_until

LETTER = messages.message(b"One of those that were there.\r\n", subject="Letter")
NEWS = messages.message(b"This one came later.\r\n", subject="News")


@pytest.fixture
def place(account, mount, proxy):
    """INBOX with three letters, listed; the server was asked to tell what happens."""
    account.deliver_all([messages.Message(LETTER) for _ in range(3)])
    between = proxy(account.server.port, record=True)
    made = Place(account, mount(account.url("imap+insecure", between.port)), between)
    assert len(made.files("INBOX")) == 3
    await_idle(made)
    return made


def await_idle(here: Place) -> None:
    def is_idle() -> bool:
        said = here.said()
        return said[-1] == "IDLE" and \
            here.proxy.said(from_client=False).count(b"+ idling\r\n") == said.count("IDLE")
    wait_until(is_idle)


def append(here: Place) -> None:
    here.account.deliver(NEWS)


def flag(here: Place) -> None:
    with here.account.raw("INBOX") as raw:
        raw.must("UID STORE 2 +FLAGS.SILENT (\\Flagged)")


def expunge(here: Place) -> None:
    with here.account.raw("INBOX") as raw:
        raw.must("UID STORE 2 +FLAGS.SILENT (\\Deleted)")
        raw.must("UID EXPUNGE 2")


def test_new_mail_is_asked_for_when_the_server_tells_of_it(place):
    """While nobody lists anything."""
    before = len(place.said())
    append(place)
    wait_until(lambda: any("UID SEARCH" in said for said in place.said()[before:]))
    await_idle(place)
    assert place.files("INBOX")[-1].name.endswith("_News.u4,.eml")


@pytest.mark.parametrize("act", [flag, expunge])
def test_what_the_kernel_knows_is_not_believed_any_longer(place, act):
    """The name is found no more, though nobody has listed the mailbox since."""
    path = place.files("INBOX")[1]
    assert path.exists()
    time.sleep(0.5)
    assert path.exists()
    act(place)
    wait_until(lambda: not path.exists())


def test_idling_costs_nothing(place):
    before = place.proxy.totals()
    time.sleep(3)
    assert place.proxy.totals().bytes_up == before.bytes_up


def test_ending_it_costs_no_round_trip(place):
    time.sleep(1.5)  # what was listed is not fresh any more
    with place.proxy.count() as counts:
        assert len(place.files("INBOX")) == 3
    assert place.proxy.said(from_client=True).count(b"DONE\r\n") == 1
    assert (counts.connections, counts.turns) == (0, 1)


def test_a_server_that_refuses_is_not_asked_again(script, mount):
    class Refuser(Citizen):
        capabilities = Citizen.capabilities + " IDLE"

        def do_idle(self, peer, command):
            self.asked = getattr(self, "asked", 0) + 1
            return "NO not now"

    host = Refuser(Box("INBOX", [Stored(1, LETTER)]))
    mounted = mount(script(host).url())
    assert len(os.listdir(mounted / "INBOX")) == 1
    wait_until(lambda: getattr(host, "asked", 0) == 1)
    time.sleep(2.5)
    assert len(os.listdir(mounted / "INBOX")) == 1
    time.sleep(1.5)
    assert host.asked == 1


def test_who_does_not_survive_it_is_not_asked_for_ever(script, mount):
    """As something on the way that does not know it, though the server does."""
    class Mute(Citizen):
        capabilities = Citizen.capabilities + " IDLE"
        asked = 0

        def do_idle(self, peer, command):
            self.asked += 1
            peer.wait()

    def lists() -> bool:
        try:
            return len(os.listdir(mounted / "INBOX")) == 1
        except OSError:
            return False

    host = Mute(Box("INBOX", [Stored(1, LETTER)]))
    mounted = mount(script(host).url(), "timeout=1")
    wait_until(lambda: lists() and host.asked == 3, pause=0.2)
    wait_until(lambda: lists() and "state: online\n" in (mounted / ".mailfs/status").read_text())
    time.sleep(3)
    assert lists() and host.asked == 3
