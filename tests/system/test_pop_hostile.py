# SPDX-License-Identifier: MIT
"""Maildrops that are strange or hostile.

What arrives at any splitting of the bytes, and limits, is tested in tests/unit/pop/reader.c; full
disks are in test_pop_faults.py.
"""

import socket
import threading
import time
from itertools import count

import pytest

import messages
import mount as mounting
from hostile import (MEMORY, PASSWORD, TIMEOUT, LeanHome, fails, idle_memory, in_time, inspect,
                     silent_about_password)
from mount import MountFailed
from pop_place import PopPlace, subjects
from pop_script import ALL, Letter, Maildrop, lines, url
from processes import PATIENCE, wait_until

LETTERS = {subject: messages.message(f"{subject} is what this is about.\r\n".encode() * 30,
                                     subject=subject) for subject in ("Apple", "Birch", "Cedar")}
APPLE, BIRCH, CEDAR = LETTERS.values()
DAISY = messages.message(subject="Daisy")
HARMLESS = {"CAPA", "STLS", "QUIT"}
HUGE = 64 << 20
FAR_TOO_LARGE = 1 << 30


class Stranger(Maildrop):
    """A Maildrop with three letters, if no others are given.

    `memory` is how much more than nothing the mount of it may need.
    """

    password = PASSWORD
    memory = MEMORY

    def __init__(self, *contents, **methods):
        super().__init__(*contents or LETTERS.values(), **methods)


@pytest.fixture
def besiege(script, mount, stack, idle_memory):
    """besiege(drop, *options, certificate=None): mounts it, or mounts it once more.

    It keeps its home and its port.  Each mount is inspected at its end.
    """
    sources, homes, mounts = {}, {}, {}

    def make(drop, *options, certificate=None):
        if drop in mounts:
            inspect(mounts[drop], idle_memory, drop.memory)
        if drop not in homes:
            sources[drop] = url(script(drop, certificate))
            homes[drop] = LeanHome(password=PASSWORD)
            stack.callback(homes[drop].remove)
        with silent_about_password(homes[drop]):
            mounts[drop] = mount(sources[drop], "-d", f"timeout={TIMEOUT}", *options,
                                 home=homes[drop])
        return PopPlace(mounts[drop])

    yield make
    for drop, mounted in mounts.items():
        inspect(mounted, idle_memory, drop.memory)


@pytest.fixture
def refusal(besiege):
    """refusal(drop, …): as besiege(), but nothing may be mounted; returns what mailfs said last."""
    def make(drop, *options, **how):
        with in_time(), pytest.raises(MountFailed) as failure:
            besiege(drop, *options, **how)
        assert failure.value.code > 0
        said = failure.value.stderr.strip().splitlines()[-1]
        assert len(said) < 600 and said.isprintable(), said
        return said
    return make


def answers(text):
    return lambda drop, peer, argument: text


def once(name: str, first) -> dict:
    """Replaces the first call of a method only."""
    calls = count()

    def do(drop, *arguments):
        if next(calls) == 0:
            return first(drop, *arguments)
        return getattr(Maildrop, name)(drop, *arguments)
    return {name: do}


def assert_there_once(here: PopPlace, contents=tuple(LETTERS.values())) -> None:
    """The mount shows all letters, each once; they are read, and are true to the byte."""
    names = here.names() + here.names("Read")
    assert len(names) == len(contents) == len(set(names))
    for name in here.names():
        with in_time():
            assert (here / "INBOX" / name).read_bytes() in contents
    wait_until(lambda: not here.names())
    found = [(here / "Read" / name).read_bytes() for name in here.names("Read")]
    assert sorted(found) == sorted(contents)
    assert sorted(here.kept("Read")) == sorted(contents)


# T8: before TLS.

def says_before_tls(text: bytes):
    def do_stls(drop, peer, argument):
        peer.send(text)
        peer.start_tls()
    return do_stls


def says_after_client_hello(drop, peer, argument):
    peer.send(b"+OK begin\r\n")
    peer.socket.recv(1, socket.MSG_PEEK)
    peer.send(b"+OK\r\nX-INJECTED\r\n.\r\n")
    peer.start_tls()


def greets(text: str):
    return lambda drop, peer: text


MEDDLERS = {
    "capabilities in one segment": (
        {"do_stls": says_before_tls(b"+OK begin\r\n+OK\r\nSASL PLAIN\r\n.\r\n")}, "meddles"),
    "refusal in one segment":
        ({"do_stls": says_before_tls(b"+OK begin\r\n-ERR no\r\n")}, "meddles"),
    "one byte too many": ({"do_stls": says_before_tls(b"+OK begin\r\n+")}, "meddles"),
    "in clear after ClientHello": ({"do_stls": says_after_client_hello}, "TLS"),
    "not offered": ({"do_capa": lambda drop, peer, _: lines("+OK", ["USER"], peer)}, "no STLS"),
    "no capabilities": ({"do_capa": answers("-ERR what?")}, "no STLS"),
    "refused": ({"do_stls": answers("-ERR not today")}, "not today"),
    "neither": ({"do_stls": answers("OK begin")}, "neither +OK nor -ERR"),
    "silence": ({"do_stls": lambda drop, peer, _: peer.wait()}, "2 seconds"),
    "answered before it was asked":
        ({"greeting": greets("+OK hi\r\n+OK\r\nSTLS\r\n.\r\n+OK begin")}, "more than its greeting"),
    "go away": ({"greeting": greets("-ERR go away")}, "go away"),
    "no pop3": ({"greeting": greets("220 smtp.example.org ESMTP")}, ""),
    "greeting without end": ({"greeting": greets("+OK " + "hello " * 100_000)}, "too long"),
}


@pytest.mark.parametrize("methods, reason", MEDDLERS.values(), ids=MEDDLERS)
def test_t8_nothing_is_told_to_a_meddler(refusal, authority, methods, reason):
    drop = Stranger(**methods)
    assert reason in refusal(drop, certificate=authority.issue())
    assert {line.partition(" ")[0] for line in drop.said()} <= HARMLESS


def test_stls(besiege, authority):
    drop = Stranger()
    assert_there_once(besiege(drop, certificate=authority.issue()))
    assert drop.sessions[0][:2] == ["CAPA", "STLS"]


# The login.

@pytest.mark.parametrize("capabilities", [None, ALL, (*ALL, "SASL PLAIN")])
def test_an_echoed_password_is_not_logged(refusal, capabilities):
    def echo(drop, peer, argument):
        return f"-ERR [AUTH] {argument} is wrong, and so is {PASSWORD}"

    drop = Stranger(do_pass=echo, do_auth=echo)
    drop.capabilities = capabilities
    assert "log in as alice" in refusal(drop)  # and looks at the log
    assert drop.count("PASS", "AUTH") == 1


def test_no_capabilities(besiege):
    drop = Stranger()
    drop.capabilities = None
    assert_there_once(besiege(drop))


# O1: the connection ends at the worst moments.

LOSSES = {
    "after RETR": ("do_retr", Maildrop.do_retr),
    "within RETR": ("do_retr", lambda drop, peer, argument: peer.send(b"+OK\r\n" + APPLE[:200])),
    "instead of DELE's answer": ("do_dele", Maildrop.do_dele),
    "after DELE": ("do_dele", lambda drop, peer, argument:
                   peer.send(Maildrop.do_dele(drop, peer, argument) + "\r\n")),
    "instead of QUIT": ("do_quit", lambda drop, peer, argument: None),
    "instead of QUIT's answer": ("do_quit", Maildrop.do_quit),
}


def read_what_can_be_read(here: PopPlace) -> None:
    for name in here.names():
        try:
            (here / "INBOX" / name).read_bytes()
        except OSError:
            pass


@pytest.mark.parametrize("name, how", LOSSES.values(), ids=LOSSES)
def test_o1_nothing_is_lost_nor_doubled(besiege, name, how):
    """The other end is gone, at the first time."""
    lost = threading.Event()

    def lose(drop, peer, argument):
        how(drop, peer, argument)
        lost.set()
        peer.reset()

    drop = Stranger(**once(name, lose))
    here = besiege(drop, "keep=none")
    read_what_can_be_read(here)
    here.look_for_mail()
    assert lost.wait(PATIENCE)
    here = besiege(drop, "keep=none")
    assert_there_once(here)
    here.look_for_mail()
    wait_until(lambda: not drop.letters)


@pytest.mark.parametrize("name", ["do_dele", "do_quit"])
def test_o1_what_is_not_deleted_does_not_come_back(besiege, name):
    drop = Stranger(**{name: answers("-ERR never")})
    here = besiege(drop, "keep=none")
    assert_there_once(here)
    here.look_for_mail()
    wait_until(lambda: drop.count("DELE"))
    assert_there_once(besiege(drop, "keep=none"))
    # Once more each: it may be another message that has the UIDL now.
    assert drop.count("RETR") <= 2 * len(LETTERS) and drop.contents == [APPLE, BIRCH, CEDAR]


# O2: identity.

def no_uidl(capabilities=tuple(word for word in ALL if word != "UIDL")) -> Stranger:
    drop = Stranger(do_uidl=answers("-ERR unknown command"))
    drop.capabilities = capabilities
    return drop


def test_o2_without_uidl(besiege):
    drop = no_uidl()
    assert_there_once(besiege(drop))
    here = besiege(drop)
    assert not here.names() and subjects(here.names("Read")) == dict.fromkeys(LETTERS, 1)


def test_o2_uidl_is_refused(besiege):
    assert_there_once(besiege(no_uidl(capabilities=None)))


def test_o2_uidl_is_promised_and_refused(refusal):
    assert "uidl: the server says -ERR" in refusal(no_uidl(capabilities=ALL))


def test_o2_nothing_is_deleted_by_its_position(besiege):
    drop = no_uidl()
    besiege(drop).cat("Apple")
    drop.letters = [Letter(BIRCH), Letter(DAISY)]
    here = besiege(drop, "keep=none")
    here.look_for_mail()
    wait_until(lambda: "QUIT" in drop.sessions[-2])
    assert drop.contents == [BIRCH, DAISY]
    assert subjects(here.names()) == {"Birch": 1, "Cedar": 1, "Daisy": 1}


UIDLS = {
    "empty": ["", "", ""], "long": [letter * 71 for letter in "abc"],
    "differs behind the limit": ["x" * 500 + letter for letter in "abc"],
    "path": ["../../../evil", "/evil", "a/b"], "control": ["\x1b[2J", "\x01", "\x7f"],
    "8-bit": ["\u00fc", "\u00e4", "\u00f6"], "same": ["1", "1", "1"], "two of one": ["1", "2", "1"],
    "blank inside": ["1 2", "1 3", "1 4"],
}


@pytest.mark.parametrize("uidls", UIDLS.values(), ids=UIDLS)
def test_o2_strange_uidls(besiege, uidls):
    drop = Stranger(*(Letter(content, uidl) for content, uidl in zip(LETTERS.values(), uidls)))
    here = besiege(drop)
    assert_there_once(here)
    assert not list(here.mount.home.path.rglob("*evil*"))
    here = besiege(drop)
    assert not here.names() and subjects(here.names("Read")) == dict.fromkeys(LETTERS, 1)


def test_o2_all_uidls_change(besiege):
    drop = Stranger()
    here = besiege(drop, "prefetch=all")
    wait_until(lambda: len(here.kept("INBOX")) == len(LETTERS))
    drop.letters = [Letter(content, f"new{number}")
                    for number, content in enumerate(LETTERS.values())]
    here = besiege(drop, "prefetch=all")
    wait_until(lambda: drop.count("RETR") == 2 * len(LETTERS))
    wait_until(lambda: subjects(here.names()) == dict.fromkeys(LETTERS, 1))
    assert_there_once(here)


def test_o2_a_uidl_that_is_used_again(besiege):
    """What has its UIDL now was never read: nothing is deleted any more."""
    drop = Stranger(Letter(APPLE, "1"), Letter(BIRCH, "2"))
    besiege(drop).cat("Apple")
    drop.letters = [Letter(BIRCH, "2")]
    besiege(drop).names()
    drop.letters = [Letter(DAISY, "1"), Letter(BIRCH, "2")]
    here = besiege(drop, "prefetch=all", "keep=none")
    here.await_in("INBOX", "Daisy")
    assert here.cat("Daisy", "Birch") == DAISY + BIRCH
    assert here.find("Apple", "Read").read_bytes() == APPLE
    here.look_for_mail()
    wait_until(lambda: "QUIT" in drop.sessions[-2])
    assert drop.contents == [DAISY, BIRCH] and not drop.count("DELE")


# O3: sizes are hints.

SIZES = [0, 1, 1000, 100_000]


def take_again(here: PopPlace, command: str) -> None:
    """Who was told a wrong size is told so, and gets all of it when asking again."""
    done = here.mount.run("sh", "-ec", command)
    if done.returncode:
        assert b"Input/output error" in done.stderr
        here.mount.run("sh", "-ec", command, check=True)


@pytest.mark.parametrize("command", ["cat", "cp"])
def test_o3_wrong_sizes(besiege, folder, command):
    contents = [messages.message(APPLE, subject=f"Size {size}") for size in SIZES]
    drop = Stranger(*(Letter(content, size=size) for content, size in zip(contents, SIZES)))
    here = besiege(drop)
    names = here.names()
    for name in names:
        take_again(here, f"{command} INBOX/{name} > {folder}/{name}" if command == "cat" else
                   f"cp INBOX/{name} {folder}")
    assert [(folder / name).read_bytes() for name in names] == contents
    wait_until(lambda: not here.names())
    assert_there_once(here, contents)
    assert [(here / "Read" / name).stat().st_size for name in names] == list(map(len, contents))


@pytest.mark.parametrize("size", [1 << 40, (1 << 63) - 1])
def test_o3_larger_than_anything(besiege, size):
    drop = Stranger(Letter(APPLE, size=size), BIRCH)
    here = besiege(drop)
    with open(here.find("Apple"), "rb", 0) as file:
        assert fails(file.read, 1000) == "EFBIG"
    assert here.cat("Birch") == BIRCH


@pytest.mark.parametrize("size", [1 << 64, -5, "x", ""])
def test_o3_no_sizes(refusal, size):
    assert "not a number and a size" in refusal(Stranger(Letter(APPLE, size=size)))


# O4: the end of a message.

WIRES = {
    "stuffed": (b"..\r\n...\r\n.. x\r\n.\r\n", b".\r\n..\r\n. x\r\n"),
    "not stuffed": (b".x\r\n. \r\n.\r\n", b"x\r\n \r\n"),
    "dots inside": (b"a.b\r\nc.\r\n.\r\n", b"a.b\r\nc.\r\n"),
    "bare line ends": (b"a\nb\n.\nc\r\n.\r\n", b"a\nb\n.\nc\r\n"),
    "ends by a bare line end": (b"a\r\n.\n", b"a\r\n"),
    "carriage returns": (b"a\rb\r\r\n\r.\r\n.\r\n", b"a\rb\r\r\n\r.\r\n"),
    "8-bit and NUL": (b"\xff\x00\x1b\r\n.\r\n", b"\xff\x00\x1b\r\n"),
    "like an answer": (b"-ERR no\r\n+OK\r\n.\r\n", b"-ERR no\r\n+OK\r\n"),
    "no body": (b".\r\n", b""),
}


def test_o4_octets_are_kept(besiege):
    heads = [f"Subject: {name}\r\n\r\n".encode() for name in WIRES]
    contents = [head + octets for head, (_, octets) in zip(heads, WIRES.values())]

    def dribble(drop, peer, argument):
        wire, _ = list(WIRES.values())[int(argument) - 1]
        for byte in b"+OK\r\n" + heads[int(argument) - 1] + wire:
            peer.send(bytes([byte]))

    assert_there_once(besiege(Stranger(*contents, do_retr=dribble)), contents)


def test_o4_an_empty_message(besiege):
    here = besiege(Stranger(b"", send_message=lambda drop, peer, _: peer.send(b"+OK\r\n.\r\n")))
    [name] = here.names()
    assert (here / "INBOX" / name).read_bytes() == b""


def streamed(size: int) -> Stranger:
    """One message with a line of that size."""
    head = b"Subject: x\r\n\r\n"

    def stream(drop, peer, argument):
        peer.send(b"+OK\r\n" + head)
        for _ in range(size >> 20):
            peer.send(b"x" * (1 << 20))
        peer.send(b"\r\n.\r\n")

    return Stranger(Letter(head, size=len(head) + size + 2), do_retr=stream)


@pytest.mark.parametrize("size", [HUGE, pytest.param(FAR_TOO_LARGE, marks=pytest.mark.full)])
def test_o4_a_huge_line(besiege, size):
    drop = streamed(size)
    here = besiege(drop)
    told = here.mount.run("sh", "-ec", "cat INBOX/* | wc -c", check=True).stdout
    assert int(told) == drop.letters[0].size
    wait_until(lambda: here.names("Read"))


# O5: a maildrop that is not to be had now.

@pytest.mark.parametrize("code", ["IN-USE", "LOGIN-DELAY", "SYS/TEMP"])
def test_o5_a_busy_maildrop_is_left_alone(besiege, code):
    drop = Stranger()
    here = besiege(drop, "prefetch=all")
    wait_until(lambda: len(here.kept("INBOX")) == len(LETTERS))
    here.mount.unmount()
    drop.replace(do_pass=answers(f"-ERR [{code}] come back later"))
    tried = len(drop.sessions)
    here = besiege(drop)
    assert "state: offline" in here.status() and "come back later" in here.status()
    for _ in range(5):
        assert subjects(here.names()) == dict.fromkeys(LETTERS, 1)
    here.look_for_mail()
    assert here.cat("Apple") == APPLE
    assert len(drop.sessions) - tried <= 2


def test_o5_a_busy_maildrop_that_nothing_is_known_of(besiege):
    here = besiege(Stranger(do_pass=answers("-ERR [IN-USE] locked")))
    assert not here.names() and "locked" in here.status()


def test_o5_visits_are_as_far_apart_as_the_server_wants(besiege):
    begun = []

    def greeting(drop, peer):
        begun.append(time.monotonic())
        return "+OK ready"

    drop = Stranger(greeting=greeting)
    drop.capabilities = (*ALL, "LOGIN-DELAY 2 USER")
    here = besiege(drop, "timeout=30")
    drop.letters.append(Letter(DAISY))
    here.look_for_mail()
    assert here.has("Daisy", "INBOX")
    assert len(begun) == 2 and begun[1] - begun[0] >= 2


def test_o5_who_looks_for_mail_does_not_wait_long_for_that(besiege):
    drop = Stranger()
    drop.capabilities = (*ALL, "LOGIN-DELAY 600")
    here = besiege(drop)
    with in_time():
        here.look_for_mail()
        assert subjects(here.names()) == dict.fromkeys(LETTERS, 1)
    assert len(drop.sessions) == 1 and "600 seconds" in here.status()


# O7: others are at the maildrop, too.

def test_o7_numbers_are_those_of_the_visit(besiege):
    drop = Stranger()
    besiege(drop).cat("Cedar")
    drop.letters = [Letter(DAISY), *drop.letters[1:]]
    here = besiege(drop, "keep=none")
    here.look_for_mail()
    wait_until(lambda: drop.contents == [DAISY, BIRCH])
    assert subjects(here.names()) == {"Daisy": 1, "Birch": 1}


def test_o7_a_message_that_cannot_be_had(besiege):
    drop = Stranger()
    drop.replace(do_retr=lambda drop, peer, argument: "-ERR it is gone" if argument == "2"
                 else Maildrop.do_retr(drop, peer, argument))
    here = besiege(drop)
    assert fails(here.find("Birch").read_bytes) in ("EIO", "ENOENT", "ESTALE")
    assert here.cat("Apple", "Cedar") == APPLE + CEDAR
    drop.restore("do_retr")
    assert_there_once(besiege(drop))


# A message at which the server ends the connection, each time.

def hangs_up_at(content: bytes, name: str) -> dict:
    def do(drop, peer, argument):
        (_, letter), = peer.box.left(argument.split()[0])
        if letter.content == content:
            peer.end()
            return None
        return getattr(Maildrop, name)(drop, peer, argument)
    return {name: do}


@pytest.mark.parametrize("name", ["do_retr", "do_top"])
def test_one_message_does_not_stop_the_others(besiege, name):
    """They are retrieved without being asked for, and deleted when they were read."""
    drop = Stranger(**hangs_up_at(BIRCH, name))
    here = besiege(drop, "prefetch=all", "keep=none")
    wait_until(lambda: {APPLE, CEDAR} <= set(here.kept("INBOX")), pause=0.1)
    here.cat("Apple", "Cedar")
    wait_until(lambda: not here.look_for_mail() and not {APPLE, CEDAR} & set(drop.contents),
               pause=0.2)
    assert drop.contents == [BIRCH]
    if name == "do_top":
        assert here.cat("Birch") == BIRCH
    else:
        assert fails(here.find("Birch").read_bytes) == "EIO"
        assert "the connection ends each time" in here.status()


@pytest.mark.parametrize("name", ["do_retr", "do_top"])
def test_what_ended_connections_is_asked_for_by_who_wants_it(besiege, name):
    drop = Stranger(**hangs_up_at(BIRCH, name))
    here = besiege(drop, "prefetch=all")
    wait_until(lambda: {APPLE, CEDAR} <= set(here.kept("INBOX")), pause=0.1)
    wait_until(lambda: "state: online\n" in here.status() or here.look_for_mail(), pause=0.2)
    asked = drop.count("RETR")
    here.look_for_mail()
    assert drop.count("RETR") == asked
    drop.restore(name)
    assert_there_once(here)


# O8: more than there can be.

def without_end(drop, peer, argument):
    peer.send(b"+OK\r\n")
    for start in count(1, 1000):
        peer.send("".join(f"{number} {number}\r\n" for number in range(start, start + 1000)))


@pytest.mark.parametrize("name", ["do_uidl", "do_list", "do_capa"])
def test_o8_a_list_without_end(besiege, name):
    drop = Stranger()
    here = besiege(drop, "prefetch=all")
    wait_until(lambda: len(here.kept("INBOX")) == len(LETTERS))
    drop.replace(**{name: without_end})
    here.look_for_mail()
    wait_until(lambda: "too many" in here.status())
    assert "state: offline" in here.status()
    assert_there_once(here)


@pytest.mark.parametrize("name", ["do_uidl", "do_list", "do_capa"])
def test_o8_a_list_without_end_at_the_start(refusal, name):
    assert "too many" in refusal(Stranger(**{name: without_end}))


def test_o8_a_header_without_end(besiege):
    def top(drop, peer, argument):
        peer.send(b"+OK\r\n")
        for _ in range(HUGE >> 20):
            peer.send(b"Subject: x\r\n" * ((1 << 20) // 12))
        peer.send(b"\r\n.\r\n")

    here = besiege(Stranger(APPLE, do_top=top))
    [name] = here.names()
    assert (here / "INBOX" / name).read_bytes() == APPLE


@pytest.mark.full
@pytest.mark.timeout(600)
def test_o8_as_many_as_there_may_be(besiege, monkeypatch):
    monkeypatch.setattr(mounting, "START_TIMEOUT", 300)  # it knows all headers then
    drop = Stranger(*(Letter(b"Subject: %d\r\n\r\n" % number, str(number))
                      for number in range(500_000)))
    drop.memory = len(drop.letters) * 700
    here = besiege(drop)
    assert len(here.names()) == len(drop.letters)


# O9: an index that is lost.

def test_o9_files_are_known_by_their_content(besiege):
    drop = Stranger()
    here = besiege(drop, "prefetch=all")
    wait_until(lambda: len(here.kept("INBOX")) == len(LETTERS))
    here.cat("Apple")
    here.mount.unmount()
    for path in here.spool.parent.glob("pop.sqlite*"):
        path.unlink()
    here = besiege(drop, "prefetch=all")
    wait_until(lambda: subjects(here.names()) == {"Birch": 1, "Cedar": 1})
    assert_there_once(here)


# Servers that can little.

def test_no_top(besiege):
    drop = Stranger(do_top=answers("-ERR unknown command"))
    drop.capabilities = tuple(word for word in ALL if word != "TOP")
    assert_there_once(besiege(drop))
    assert drop.count("RETR") == len(LETTERS)


@pytest.mark.parametrize("without", ["", "TOP", "UIDL"])
def test_dates_are_those_of_the_messages(besiege, without):
    drop = Stranger()
    drop.capabilities = tuple(word for word in ALL if word != without)
    names = besiege(drop).names()
    assert len(names) == len(LETTERS)
    assert all(name.startswith("2026-02-15_1330_") for name in names)


def test_no_pipelining(besiege):
    drop = Stranger()
    drop.capabilities = tuple(word for word in ALL if word != "PIPELINING")
    assert_there_once(besiege(drop))
