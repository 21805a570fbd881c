# SPDX-License-Identifier: MIT
"""A well-behaved POP3 server over messages in memory, each of whose answers can be replaced."""

import base64
import threading
from dataclasses import dataclass, field
from functools import partial
from hashlib import md5
from typing import Callable, Iterable, Optional, Union

from script import Peer, ScriptServer

ALL = ("TOP", "UIDL", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE", "USER")


@dataclass(eq=False)
class Letter:
    """A message in the maildrop."""

    content: bytes
    uidl: Optional[str] = None  # a digest, where none is given
    size: Union[int, str, None] = None  # as it is told; the true one, where none is given

    def __post_init__(self):
        self.uidl = md5(self.content).hexdigest() if self.uidl is None else self.uidl
        self.size = len(self.content) if self.size is None else self.size


@dataclass
class Drop:
    """The maildrop as a connection sees it: what comes later is not in it."""

    letters: list[Letter]
    deleted: set[int] = field(default_factory=set)

    def left(self, argument: str) -> list[tuple[int, Letter]]:
        """(number, letter) of the one that is named, or of all that are not deleted."""
        numbers = range(1, len(self.letters) + 1)
        if argument:
            numbers = [int(argument)] if argument.isdecimal() and int(argument) in numbers else []
        return [(number, self.letters[number - 1]) for number in numbers
                if number not in self.deleted]


class Maildrop:
    """The session: give an instance to ScriptServer, or to serve().

    Command X is answered by do_x(peer, argument), which returns the first line of the answer, or
    None when it has sent all that there is to send.  The keywords name methods to replace; what is
    given is called with the maildrop before the usual arguments:

        Maildrop(LETTER, do_dele=lambda drop, peer, argument: "-ERR never")

    `sessions` keeps the commands of each connection.
    """

    password = "secret"
    capabilities: Optional[tuple[str, ...]] = ALL  # None: there is no CAPA
    greets = "+OK ready"

    def __init__(self, *contents: Union[bytes, Letter], **methods: Callable):
        self.letters = [one if isinstance(one, Letter) else Letter(one) for one in contents]
        self.sessions: list[list[str]] = []
        self._lock = threading.Lock()
        self.replace(**methods)

    def __call__(self, peer: Peer) -> None:
        commands: list[str] = []
        with self._lock:
            self.sessions.append(commands)
        if (greeting := self.greeting(peer)) is not None:
            peer.send(greeting + "\r\n")
        while True:
            line = peer.line().decode(errors="replace")
            commands.append(line)
            name, _, argument = line.partition(" ")
            answer = self.answer(peer, name.upper(), argument)
            if answer is not None:
                peer.send(answer + "\r\n")
            if name.upper() == "QUIT":
                return

    def replace(self, **methods: Callable) -> None:
        for name, method in methods.items():
            assert hasattr(Maildrop, name), name
            setattr(self, name, partial(method, self))

    def restore(self, *names: str) -> None:
        for name in names:
            delattr(self, name)

    def count(self, *names: str) -> int:
        """How many commands of these names came."""
        return len(self.said(*names))

    def said(self, *names: str) -> list[str]:
        """The commands of these names, or all, of all connections."""
        return [line for commands in list(self.sessions) for line in list(commands)
                if not names or line.partition(" ")[0].upper() in names]

    @property
    def contents(self) -> list[bytes]:
        """What is there now."""
        return [letter.content for letter in self.letters]

    def greeting(self, peer: Peer) -> Optional[str]:
        return self.greets

    def answer(self, peer: Peer, name: str, argument: str) -> Optional[str]:
        if peer.box is None and name not in ("CAPA", "STLS", "USER", "PASS", "AUTH", "QUIT"):
            return "-ERR log in first"
        handler = getattr(self, "do_" + name.lower(), None)
        return handler(peer, argument) if handler else "-ERR unknown command"

    # Any state.

    def do_capa(self, peer: Peer, argument: str) -> Optional[str]:
        if self.capabilities is None:
            return "-ERR unknown command"
        stls = ["STLS"] if peer.certificate and not peer.tls else []
        return lines("+OK", [*self.capabilities, *stls], peer)

    def do_noop(self, peer: Peer, argument: str) -> str:
        return "+OK"

    def do_quit(self, peer: Peer, argument: str) -> str:
        if peer.box:
            gone = [peer.box.letters[number - 1] for number in peer.box.deleted]
            with self._lock:
                self.letters = [letter for letter in self.letters if letter not in gone]
        return "+OK bye"

    # Logging in.

    def do_stls(self, peer: Peer, argument: str) -> Optional[str]:
        if not peer.certificate or peer.tls:
            return "-ERR not here"
        peer.send("+OK begin TLS\r\n")
        peer.start_tls()
        return None

    def do_user(self, peer: Peer, argument: str) -> str:
        return "+OK go on"

    def do_pass(self, peer: Peer, argument: str) -> str:
        return self.admit(peer, argument)

    def do_auth(self, peer: Peer, argument: str) -> str:
        mechanism, _, response = argument.partition(" ")
        if mechanism.upper() != "PLAIN":
            return "-ERR unknown mechanism"
        if not response:
            peer.send("+ \r\n")
            response = peer.line().decode()
        return self.admit(peer, base64.b64decode(response).decode().rpartition("\0")[2])

    def admit(self, peer: Peer, password: str) -> str:
        if password != self.password:
            return "-ERR [AUTH] wrong password"
        with self._lock:
            peer.box = Drop(list(self.letters))
        return "+OK welcome"

    # With the maildrop.

    def do_stat(self, peer: Peer, argument: str) -> str:
        left = peer.box.left("")
        return f"+OK {len(left)} {sum(len(letter.content) for _, letter in left)}"

    def do_list(self, peer: Peer, argument: str) -> Optional[str]:
        return self.listing(peer, argument, lambda letter: letter.size)

    def do_uidl(self, peer: Peer, argument: str) -> Optional[str]:
        return self.listing(peer, argument, lambda letter: letter.uidl)

    def do_top(self, peer: Peer, argument: str) -> Optional[str]:
        number, _, count = argument.partition(" ")
        found = peer.box.left(number)
        if not found:
            return "-ERR no such message"
        head, blank, body = found[0][1].content.partition(b"\r\n\r\n")
        first = body.splitlines(keepends=True)[:int(count)]
        self.send_message(peer, head + blank + b"".join(first))
        return None

    def do_retr(self, peer: Peer, argument: str) -> Optional[str]:
        found = peer.box.left(argument)
        if not found:
            return "-ERR no such message"
        self.send_message(peer, found[0][1].content)
        return None

    def do_dele(self, peer: Peer, argument: str) -> str:
        found = peer.box.left(argument)
        if not found:
            return "-ERR no such message"
        peer.box.deleted.add(found[0][0])
        return "+OK deleted"

    def do_rset(self, peer: Peer, argument: str) -> str:
        peer.box.deleted.clear()
        return "+OK"

    # How they are said.

    def listing(self, peer: Peer, argument: str, told: Callable) -> Optional[str]:
        found = [f"{number} {told(letter)}" for number, letter in peer.box.left(argument)]
        if argument:
            return f"+OK {found[0]}" if found else "-ERR no such message"
        return lines("+OK", found, peer)

    def send_message(self, peer: Peer, content: bytes) -> None:
        peer.send(b"+OK\r\n" + stuffed(content))


def lines(status: str, rows: Iterable[str], peer: Peer) -> None:
    """Sends an answer of many lines; that is all that there is to send."""
    peer.send("".join(row + "\r\n" for row in [status, *rows, "."]))


def stuffed(content: bytes) -> bytes:
    """A message as it is sent, with the line that ends it."""
    if content.startswith(b"."):
        content = b"." + content
    end = b".\r\n" if content.endswith(b"\r\n") else b"\r\n.\r\n"
    return content.replace(b"\r\n.", b"\r\n..") + end


def url(server: ScriptServer, scheme: Optional[str] = None) -> str:
    """The SOURCE to mount a maildrop that a ScriptServer serves."""
    usual = "pop3s" if server.implicit_tls else "pop3" if server.certificate else "pop3+insecure"
    return server.url(scheme or usual)
