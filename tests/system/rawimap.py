# SPDX-License-Identifier: MIT
"""A bare IMAP client: sends what it is told and shows every byte that came back.

It is what the tests compare mailfs with, so it changes nothing: no line ends, no dates.
"""

import binascii
import re
import socket
import ssl
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Optional, Union

from messages import Message

MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_LITERAL = re.compile(rb"\{(\d+)\}\r\n")


@dataclass(frozen=True)
class Reply:
    """The answer to one command: whole untagged responses, literals included, and the last line."""

    untagged: list[bytes]
    tagged: bytes

    @property
    def ok(self) -> bool:
        return self.tagged.split(b" ", 2)[1].upper() == b"OK"

    def literal(self) -> bytes:
        """The first literal among the untagged responses."""
        for response in self.untagged:
            if found := _LITERAL.search(response):
                return response[found.end():found.end() + int(found[1])]
        raise ValueError(f"no literal in {self!r:.300}")


class RawImap:
    """One connection.  Usable as a context manager."""

    def __init__(self, port: int, context: Optional[ssl.SSLContext] = None, timeout: float = 60):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost",
                                              suppress_ragged_eofs=False)
        self._input = self.socket.makefile("rb", 1 << 20)
        self._tags = 0
        self.greeting = self.response()

    def __enter__(self) -> "RawImap":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self._input.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def response(self) -> bytes:
        """One response: a line, and as long as it ends in a literal, that and the next line."""
        parts = []
        while True:
            line = self._input.readline()
            if not line.endswith(b"\n"):
                raise ConnectionError("the server closed the connection")
            parts.append(line)
            found = _LITERAL.search(line, max(0, len(line) - 16))
            if not found:
                return b"".join(parts)
            parts.append(self._input.read(int(found[1])))

    def start(self, *commands: Union[str, bytes]) -> list[bytes]:
        """Sends the commands in one burst; returns their tags."""
        tags, burst = [], []
        for command in commands:
            self._tags += 1
            tags.append(b"r%d" % self._tags)
            burst += [tags[-1], b" ", _bytes(command), b"\r\n"]
        self.send(b"".join(burst))
        return tags

    def finish(self, tag: bytes) -> Reply:
        """Reads until the answer to `tag`."""
        untagged = []
        while True:
            response = self.response()
            if response.startswith(tag + b" "):
                return Reply(untagged, response.rstrip(b"\r\n"))
            untagged.append(response)

    def command(self, command: Union[str, bytes]) -> Reply:
        """Sends a command and waits for its answer, whatever that is."""
        return self.finish(self.start(command)[0])

    def must(self, command: Union[str, bytes]) -> Reply:
        """As command(), but anything other than OK is an error."""
        reply = self.command(command)
        if not reply.ok:
            raise RuntimeError(f"{_bytes(command)[:100]!r}: {reply.tagged!r}")
        return reply

    def append(self, mailbox: str, *messages: Message) -> list[int]:
        """APPENDs the messages byte for byte, in one command (with LITERAL+ and MULTIAPPEND).

        Returns the UIDs, as UIDPLUS tells them.
        """
        parts = [f"APPEND {quote(mailbox)}".encode()]
        for message in messages:
            flags = f" ({' '.join(message.flags)})"
            date = f' "{imap_date(message.date)}"' if message.date else ""
            parts.append(f"{flags}{date} {{{len(message.content)}+}}\r\n".encode())
            parts.append(message.content)
        found = re.search(rb"\[APPENDUID \d+ ([\d:,]+)\]", self.must(b"".join(parts)).tagged)
        return uid_set(found[1].decode()) if found else []

    def body(self, uid: int) -> bytes:
        """The message of the selected mailbox as the server holds it."""
        return self.must(f"UID FETCH {uid} (BODY.PEEK[])").literal()


def uid_set(text: str) -> list[int]:
    """The numbers of a set such as "3,7:9"."""
    uids = []
    for piece in text.split(","):
        first, _, last = piece.partition(":")
        uids += range(int(first), int(last or first) + 1)
    return uids


def imap_date(date: datetime) -> str:
    """An IMAP date-time (RFC 3501, INTERNALDATE), in UTC."""
    utc = date.astimezone(timezone.utc)
    return f"{utc.day:02d}-{MONTHS[utc.month - 1]}-{utc:%Y %H:%M:%S} +0000"


def quote(name: str) -> str:
    """A mailbox name, as Unicode, as a quoted string in modified UTF-7 (RFC 3501, 5.1.3)."""
    return '"' + mutf7(name).replace("\\", "\\\\").replace('"', '\\"') + '"'


def mutf7(name: str) -> str:
    """Encodes a mailbox name in modified UTF-7."""
    def shifted(run: re.Match) -> str:
        if run[0] == "&":
            return "&-"
        base64 = binascii.b2a_base64(run[0].encode("utf-16-be"), newline=False).decode()
        return "&" + base64.rstrip("=").replace("/", ",") + "-"
    return re.sub(r"&|[^\x20-\x7e]+", shifted, name)


def _bytes(text: Union[str, bytes]) -> bytes:
    return text.encode() if isinstance(text, str) else text
