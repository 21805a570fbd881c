# SPDX-License-Identifier: MIT
"""What changing 10,000 messages costs, 40 ms away: how many commands, and when the first is out."""

import os
import re
import threading
import time
from typing import Callable, NamedTuple

import pytest

import messages
from mount import RELEASE
from place import Place
from processes import wait_until
from proxy import Proxy
from rawimap import quote, uid_set

RTT = 0.04
MANY = 10_000
MEMORY = "/dev/shm"  # closing a copy waits for the disk: how long that takes is not measured
COMMANDS_MAX = 200
PROMPT = 0.2  # seconds until the first command of those that the changes need
CHANGING = re.compile(rb"^[A-Z]{4}[0-9]+ UID (STORE|MOVE|COPY|EXPUNGE) ", re.M)
PREPARING = re.compile(rb"^[A-Z]{4}[0-9]+ (AUTHENTICATE|LOGIN|SELECT|UID) ", re.M)
MESSAGE_ID = re.compile(rb"^message-id: *(<[^>]*>)", re.M | re.I)

pytestmark = pytest.mark.timeout(400)


class Phase(NamedTuple):
    """What it took to change them all."""

    commands: list[str]
    elapsed: float
    first: float  # when the first command was on the wire
    changing: float  # and the first that changes something


@pytest.fixture
def place(dovecot, home, mount, proxy, request):
    """INBOX with 10,000 messages, listed before; an empty Archive."""
    if not RELEASE.exists():
        pytest.skip(f"there is no {RELEASE}: tests/run builds it")
    account = dovecot.new_account()
    account.bulk(one._replace(flags=("\\Seen",)) for one in messages.bulk(MANY))
    account.create("Archive")
    shared = home(folder=MEMORY if os.access(MEMORY, os.W_OK) else None)
    options = ("delete=expunge",)
    with Proxy(dovecot.port) as near:
        before = mount(account.url("imap+insecure", near.port), *options, home=shared,
                       binary=RELEASE)
        before.run("ls", "INBOX", check=True)
        before.finish()
    far = proxy(dovecot.port, rtt=RTT, record=True)
    mounted = mount(account.url("imap+insecure", far.port), *options, home=shared, binary=RELEASE,
                    deadline=300)
    made = Place(account, mounted, far)
    made.is_timed = request.config.getoption("--full")
    return made


def measure(here: Place, act: Callable[[], object], *synced: str) -> Phase:
    """Runs `act`, and syncs these mailboxes after it."""
    recorded, before = len(here.proxy.wire()), len(here.said())
    times: list[float] = []

    def watch() -> None:
        for wanted in (PREPARING, CHANGING):
            wait_until(lambda what=wanted: what.search(sent(here, recorded)), pause=0.005)
            times.append(time.monotonic())

    watcher = threading.Thread(target=watch)
    began = time.monotonic()
    watcher.start()
    act()
    here.sync(*synced)
    elapsed = time.monotonic() - began
    watcher.join()
    assert len(times) == 2, "nothing was changed"
    phase = Phase(here.said()[before:], elapsed, *(one - began for one in times))
    print(f"{len(phase.commands)} commands, {elapsed:.1f} s; the first after "
          f"{phase.first * 1000:.0f} ms, a changing one after {phase.changing * 1000:.0f} ms")
    return phase


def sent(here: Place, recorded: int) -> bytes:
    """What the mount has sent since so many chunks were recorded."""
    return b"".join(one.data for one in here.proxy.wire()[recorded:] if one.from_client)


def assert_cheap(here: Place, phase: Phase) -> None:
    """In commands; and by --full, on a machine that has nothing else to do, in time."""
    assert len(phase.commands) < COMMANDS_MAX, phase.commands
    if here.is_timed:
        assert phase.elapsed < MANY * RTT / 10
        assert phase.first < PROMPT


def names(here: Place) -> list[str]:
    """The messages of INBOX, as a shell would have found them by *S.eml."""
    found = [path.name for path in here.files("INBOX")]
    assert len(found) == MANY and all(name.endswith(",S.eml") for name in found)
    return found


def run_for_all(here: Place, *command) -> Callable[[], object]:
    """Runs the command in INBOX with all names behind it, as few times as that is possible."""
    given = "\0".join(names(here)).encode()
    return lambda: here.mount.run("env", "-C", "INBOX", "xargs", "-0", *command, stdin=given,
                                  check=True, timeout=200)


def ids(here: Place, box: str, search: str = "ALL") -> list[bytes]:
    """The Message-IDs in a mailbox as a second client sees them, each as often as it is there."""
    with here.account.raw(box) as raw:
        uids = uids_of(raw.must(f"UID SEARCH {search}").untagged)
        if not uids:
            return []
        told = raw.must(f"UID FETCH {','.join(map(str, uids))} "
                        "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])").untagged
    found = [MESSAGE_ID.search(one)[1] for one in told if b"BODY[" in one]
    assert len(found) == len(uids)
    return sorted(found)


def uids_of(untagged: list[bytes]) -> list[int]:
    found = re.search(rb"\* SEARCH([0-9 ]*)", b"".join(untagged))
    return list(map(int, found[1].split())) if found else []


def test_flagging(place):
    wanted = ids(place, "INBOX")
    inbox = place.dir("INBOX")
    given = [(inbox / name, inbox / name.replace(",S.eml", ",FS.eml")) for name in names(place)]

    def flag() -> None:
        for old, new in given:
            old.rename(new)

    assert_cheap(place, measure(place, flag, "INBOX"))
    assert ids(place, "INBOX", "FLAGGED SEEN") == wanted


def test_moving(place):
    wanted = ids(place, "INBOX")
    move = run_for_all(place, "mv", "-n", "-t", "../Archive")
    assert_cheap(place, measure(place, move, "INBOX", "Archive"))
    assert ids(place, "INBOX") == []
    assert ids(place, "Archive", "SEEN") == wanted
    assert len(place.files("Archive")) == MANY and place.files("INBOX") == []


def test_copying(place):
    wanted = ids(place, "INBOX")
    copy = run_for_all(place, "cp", "-t", "../Archive")
    assert_cheap(place, measure(place, copy, "Archive"))
    assert ids(place, "INBOX") == wanted
    assert ids(place, "Archive", "SEEN") == wanted


def test_deleting(place):
    """All but one, which another client has marked as deleted."""
    stays = names(place)[MANY // 2]
    kept = int(re.search(r"\.u(\d+),", stays)[1])
    given = "\0".join(name for name in names(place) if name != stays).encode()
    with place.account.raw("INBOX") as raw:
        raw.must(f"UID STORE {kept} +FLAGS.SILENT (\\Deleted)")

    def delete() -> None:
        place.mount.run("env", "-C", "INBOX", "xargs", "-0", "rm", "--", stdin=given, check=True,
                        timeout=200)

    assert_cheap(place, measure(place, delete, "INBOX"))
    with place.account.raw() as raw:
        raw.must(f"EXAMINE {quote('INBOX')}")
        assert uids_of(raw.must("UID SEARCH ALL").untagged) == uid_set(str(kept))
