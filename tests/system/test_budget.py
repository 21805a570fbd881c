# SPDX-License-Identifier: MIT
"""What things may cost: round trips, bytes, blocks and memory, of the release build at 40 ms."""

import os
import re
from pathlib import Path
from typing import NamedTuple

import pytest

import messages
from mailserver import Account
from mount import RELEASE, Home, Mount
from proxy import Counts, Proxy

RTT = 0.04
MANY = 100_000
LINE_FETCH = "UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)"
MIB = 1 << 20


@pytest.fixture(scope="session")
def many(dovecot):
    """An account with 100,000 messages, which the server has indexed."""
    account = dovecot.new_account()
    account.bulk(messages.bulk(MANY))
    with account.raw("INBOX") as raw:
        raw.must(LINE_FETCH)
    return account


class Listing(NamedTuple):
    """What it took to list a mailbox that was never listed before."""

    names: list[bytes]
    passed: Counts
    memory: dict[str, int]
    home: Home
    between: Proxy


@pytest.fixture(scope="module")
def release() -> Path:
    if not RELEASE.exists():
        pytest.skip(f"there is no {RELEASE}: tests/run builds it")
    return RELEASE


@pytest.fixture(scope="module")
def first_listing(many, release):
    """`ls -l` of the 100,000, unmounted again."""
    home = Home()
    with Proxy(many.server.port, rtt=RTT, record=True) as between:
        with Mount(url(many, between), home=home, binary=release) as mounted:
            listed = mounted.run("ls", "-l", "INBOX", check=True).stdout.splitlines()[1:]
            passed, used = between.totals(), memory(mounted.pid)
        yield Listing(listed, passed, used, home, between)
    home.remove()


@pytest.fixture
def far(proxy, mount, release):
    """far(account, …): (mount, proxy) of the release build, 40 ms away, everything recorded."""
    def make(account):
        between = proxy(account.server.port, rtt=RTT, record=True)
        return mount(url(account, between), binary=release), between
    return make


def url(account: Account, between: Proxy) -> str:
    return account.url("imap+insecure", between.port)


def commands(between: Proxy) -> list[str]:
    """What the client has said, without tags and without the login."""
    lines = between.said(from_client=True).decode(errors="replace").split("\r\n")
    said = [line.partition(" ")[2] for line in lines]
    return [line for line in said if line and not line.startswith(("LOGIN", "AUTHENTICATE"))]


def log(between: Proxy) -> str:
    return "\n".join(line[:200] for line in commands(between))


def fetches(between: Proxy) -> list[str]:
    return [line for line in commands(between) if line.startswith("UID FETCH")]


def cost_of_plain_fetch(account) -> int:
    """The bytes from the server that list a mailbox in one command."""
    with Proxy(account.server.port) as between, account.raw("INBOX", between.port) as raw:
        with between.count() as passed:
            raw.must(LINE_FETCH)
    return passed.bytes_down


def memory(pid: int) -> dict[str, int]:
    """VmHWM, VmRSS and the like, in bytes."""
    told = re.findall(r"(Vm\w+):\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return {name: int(size) * 1024 for name, size in told}


def test_first_name_of_many(many, far):
    mounted, between = far(many)
    name = mounted.run("sh", "-c", "ls -U INBOX | head -1", check=True).stdout
    assert between.totals().turns <= 6, log(between)
    assert name.endswith(b".eml\n")


def test_list_many(many, first_listing):
    assert len(first_listing.names) == MANY
    passed, plain = first_listing.passed, cost_of_plain_fetch(many)
    assert passed.bytes_down <= 1.05 * plain, log(first_listing.between)
    assert passed.bytes_up < 0.01 * plain


def test_memory_with_many_listed(first_listing):
    assert first_listing.memory["VmHWM"] < 64 * MIB, first_listing.memory
    assert first_listing.memory["VmRSS"] < 64 * MIB, first_listing.memory


def test_list_many_again(many, first_listing, mount, release):
    between = first_listing.between
    with between.count() as passed:
        mounted = mount(url(many, between), binary=release, home=first_listing.home)
        listed = mounted.run("ls", "-l", "INBOX", check=True).stdout.splitlines()[1:]
    assert listed == first_listing.names
    assert passed.bytes_up + passed.bytes_down < 4096, log(between)[-2000:]
    assert memory(mounted.pid)["VmHWM"] < 64 * MIB


def test_list_compressed(special_account, far):
    account = special_account(compress=True)
    account.bulk(messages.bulk(10_000))
    plain = cost_of_plain_fetch(account)
    mounted, between = far(account)
    listed = mounted.run("ls", "-l", "INBOX", check=True).stdout
    assert listed.count(b".eml\n") == 10_000
    assert between.totals().bytes_down < 0.4 * plain


def test_one_message_of_many(many, far):
    mounted, between = far(many)
    with between.count() as passed:
        assert mounted.run("stat", ".mailfs/uid/INBOX/4711.eml", check=True)
    assert passed.turns <= 3
    assert passed.bytes_down < 4096
    assert len(fetches(between)) == 1 and fetches(between)[0].startswith("UID FETCH 4711 (FLAGS ")
    assert not [line for line in commands(between) if "SEARCH" in line]


def test_head_of_a_big_message(account, far):
    content = messages.with_attachment(10 * MIB)
    uid = account.deliver(content)
    mounted, between = far(account)
    head = mounted.run("head", "-c", "1000", f"INBOX/u{uid}.eml", check=True).stdout
    mounted.finish()  # so that whatever is still asked for has been asked for
    assert head == content[:1000]
    (origin, length), = re.findall(r"BODY\.PEEK\[\]<(\d+)\.(\d+)>", log(between))
    assert int(origin) == 0 and int(length) <= 65536 + 1  # the octet beyond tells whether it ends
    assert between.totals().bytes_down < 65536 + 8192


def test_cold_grep(account, far):
    account.bulk(messages.bulk(1000))
    mounted, between = far(account)
    with between.count() as passed:
        found = mounted.run("grep", "-r", "-c", "^Subject: .*, part 500\r$", "INBOX", check=True)
    assert found.stdout.count(b".eml:") == 1000 and found.stdout.count(b":1\n") == 1
    assert passed.turns < 30, log(between)


def test_cat_in_order_reads_ahead(account, far):
    content = messages.of_size(10 * MIB)
    uid = account.deliver(content)
    mounted, between = far(account)
    with between.count() as passed:
        assert mounted.run("cat", f"INBOX/u{uid}.eml", check=True).stdout == content
    assert passed.turns < 6, log(between)
    assert passed.bytes_down < 1.02 * len(content)
    assert len(fetches(between)) <= 4, log(between)


def test_what_came_before_a_cut_is_kept(account, far):
    content = messages.of_size(4 * MIB)
    uid = account.deliver(content)
    mounted, between = far(account)
    with between.count() as passed:
        assert mounted.run("ls", "INBOX", check=True)
        between.cut(after=3 * MIB)
        assert mounted.run("cat", f"INBOX/u{uid}.eml", check=True).stdout == content
    assert passed.connections >= 2
    assert passed.bytes_down < 1.05 * len(content), log(between)


def test_the_first_bytes_do_not_wait_for_the_last(account, far):
    content = messages.of_size(4 * MIB)
    uid = account.deliver(content)
    mounted, between = far(account)
    mounted.run("ls", "INBOX", check=True)
    between.stall(after=MIB)
    command = ["dd", f"if=INBOX/u{uid}.eml", "bs=128K", "count=4", "status=none"]
    assert mounted.run(*command, check=True, timeout=10).stdout == content[:512 * 1024]
    between.resume()
    assert mounted.run("cat", f"INBOX/u{uid}.eml", check=True).stdout == content


def test_warm_reading_costs_nothing(account, far):
    account.bulk(messages.bulk(200))
    mounted, between = far(account)
    first = mounted.run("grep", "-r", "garden", "INBOX", check=True).stdout
    with between.count() as passed:
        for path in (mounted / "INBOX").iterdir():
            os.stat(path)
        assert mounted.run("grep", "-r", "garden", "INBOX", check=True).stdout == first
    assert passed.bytes_down < 200  # at most a question whether anything is new
