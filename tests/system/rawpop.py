# SPDX-License-Identifier: MIT
"""A bare POP3 client: shows messages as they came, but for the stuffing of dots."""

import socket
import ssl
from typing import Optional


class RawPop:
    """One connection.  Usable as a context manager, which ends it without QUIT."""

    def __init__(self, port: int, context: Optional[ssl.SSLContext] = None, timeout: float = 60):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self._input = self.socket.makefile("rb", 1 << 20)
        self.greeting = self._input.readline()

    def __enter__(self) -> "RawPop":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self._input.close()
        self.socket.close()

    def log_in(self, user: str, password: str) -> None:
        self.must(f"USER {user}")
        self.must(f"PASS {password}")

    def command(self, line: str) -> bytes:
        """Sends a command; returns the first line of the answer."""
        self.socket.sendall(line.encode() + b"\r\n")
        return self._input.readline().rstrip(b"\r\n")

    def must(self, line: str) -> bytes:
        """As command(), but the answer must be +OK."""
        answer = self.command(line)
        if not answer.startswith(b"+OK"):
            raise RuntimeError(f"{line}: {answer!r}")
        return answer

    def octets(self, line: str) -> bytes:
        """What follows the +OK to a command, up to the line with the dot."""
        self.must(line)
        lines = []
        while (got := self._input.readline()) != b".\r\n":
            if not got:
                raise ConnectionError(f"{line}: closed by server")
            lines.append(got.removeprefix(b"."))
        return b"".join(lines)

    def uidls(self) -> list[str]:
        """The unique-ids, in the order of the messages."""
        return [line.split()[1].decode() for line in self.octets("UIDL").splitlines()]

    def messages(self) -> list[bytes]:
        """All messages of the maildrop."""
        count = int(self.must("STAT").split()[1])
        return [self.octets(f"RETR {number}") for number in range(1, count + 1)]
