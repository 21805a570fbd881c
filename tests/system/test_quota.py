# SPDX-License-Identifier: MIT
"""A quota that the server tells: what has no room fails at once, and nothing of it is sent."""

import errno
import os
import re

import pytest

import messages
from place import Place, touched
from processes import wait_until

LETTER = messages.of_size(30_000)
LARGE = messages.of_size(80_000)


@pytest.fixture(params=["dovecot", "cyrus"])
def place(request, mount, proxy):
    """place(options=…): 100 KiB may be kept; INBOX has a LETTER, Archive nothing."""
    def account():
        if request.param == "dovecot":
            return request.getfixturevalue("special_account")(quota="100K")
        made = request.getfixturevalue("cyrus").new_account()
        made.server.set_quota(made.user, 100)
        return made

    def make(options=()):
        owner = account()
        between = proxy(owner.server.port, record=True)
        owner.deliver(LETTER)
        owner.create("Archive")
        return Place(owner, mount(owner.url("imap+insecure", between.port), *options), between)
    return make


def copy(here: Place, source, target) -> str:
    """What cp complains of."""
    done = here.mount.run("cp", source, target)
    assert (done.returncode == 0) == (not done.stderr)
    return done.stderr.decode()


def assert_refused(here: Place, told: str) -> None:
    """Told as EDQUOT and, with how much it is about, in the status; nothing was sent or kept."""
    assert os.strerror(errno.EDQUOT) in told
    status = (here.mount / ".mailfs/status").read_text()
    assert re.search(r"the quota of 102400 bytes leaves [0-9]+, and this needs [0-9]+\n", status)
    assert touched(here.said()) == []
    assert os.listdir(here.mount / ".mailfs/lost+found") == []


def remove_all(here: Place) -> None:
    """As another client."""
    with here.account.raw("INBOX") as raw:
        raw.must("UID STORE 1:* +FLAGS (\\Deleted)")
        raw.must("EXPUNGE")


def test_new_message(place, folder):
    here = place()
    (folder / "large.eml").write_bytes(LARGE)
    path = here.dir("Archive") / "new.eml"
    assert_refused(here, copy(here, folder / "large.eml", path))
    assert not path.exists() and here.seen("Archive") == []
    remove_all(here)
    wait_until(lambda: not copy(here, folder / "large.eml", path))
    assert [one.content for one in here.seen("Archive")] == [LARGE]


def test_copy_between_mailboxes(place):
    here = place()
    here.account.deliver(LARGE[:60_000], "Archive")
    assert_refused(here, copy(here, here.file("INBOX"), here.dir("Archive")))
    here.sync("Archive")
    assert len(here.files("Archive")) == len(here.seen("Archive")) == 1


def test_what_just_fits(place):
    """What the server takes is not refused here, though it tells of kilobytes only."""
    here = place()
    last = messages.of_size(100 * 1024 - len(LETTER))
    (here.dir("Archive") / "new.eml").write_bytes(last)
    assert [one.content for one in here.seen("Archive")] == [last]


def test_copies_that_have_no_room_together(place):
    """They are made later, but count at once."""
    here = place()
    source = here.file("INBOX")
    told = [copy(here, source, here.dir("Archive") / f"{number}.eml") for number in range(3)]
    assert told[:2] == ["", ""] and os.strerror(errno.EDQUOT) in told[2]
    here.sync("Archive")
    assert [one.content for one in here.seen("Archive")] == [LETTER, LETTER]


def test_removing_makes_room(place):
    """Also before the server has heard of it."""
    here = place(options=("delete=expunge",))
    path = here.dir("INBOX") / "new.eml"
    here.file("INBOX").unlink()
    path.write_bytes(LARGE)
    assert [one.content for one in here.seen()] == [LARGE]


def test_rewriting(place):
    here = place()
    path = here.file("INBOX")
    with pytest.raises(OSError, match=os.strerror(errno.EDQUOT)):
        path.write_bytes(messages.of_size(140_000))
    assert touched(here.said()) == []
    assert path.read_bytes() == LETTER
    path.write_bytes(messages.of_size(60_000))
    assert [len(one.content) for one in here.seen()] == [60_000]
