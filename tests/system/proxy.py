# SPDX-License-Identifier: MIT
"""A proxy between a client and a server on this machine: counts, delays, stalls, cuts, records.

It forwards bytes and knows nothing of TLS.  The forwarding is done by a process of its own
(proxy_engine.py), so that a busy test does not slow it down.
"""

import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Iterator, NamedTuple

ENGINE = Path(__file__).with_name("proxy_engine.py")


@dataclass
class Counts:
    """What passed.  A turn is a burst of client bytes after server bytes, in one connection.

    To count the round trips that a client waits for, give the proxy a delay: without one a reply
    may slip in between two commands that were sent together.  Connections that were dropped at
    once count, too.
    """

    bytes_up: int = 0
    bytes_down: int = 0
    turns: int = 0
    connections: int = 0


class Chunk(NamedTuple):
    """Bytes that passed, in order.  Connections are numbered from 1."""

    connection: int
    from_client: bool
    data: bytes


class Proxy:
    """Listens on `port` of 127.0.0.1 and forwards to `server_port`.  A context manager.

    With an `rtt` of 0.04 each direction takes 20 ms and connecting 40 ms; the bandwidth is not
    limited.  A recording proxy keeps everything that passes, for wire().
    """

    def __init__(self, server_port: int, *, rtt: float = 0, record: bool = False):
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen([sys.executable, "-B", ENGINE, str(theirs.fileno())],
                                             pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        self._control = Connection(ours.detach())
        self.port: int = self._order("listen", server_port=server_port, rtt=rtt, record=record)

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self._control.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def totals(self) -> Counts:
        """Everything since the beginning."""
        return Counts(**self._order("totals"))

    @contextmanager
    def count(self) -> Iterator[Counts]:
        """Yields counts, which are filled in at the end of the block: what passed meanwhile."""
        counts, before = Counts(), self.totals()
        yield counts
        after = self.totals()
        for name in vars(counts):
            setattr(counts, name, getattr(after, name) - getattr(before, name))

    def wire(self) -> list[Chunk]:
        """What a recording proxy has recorded so far."""
        return [Chunk(*entry) for entry in self._order("wire")]

    def said(self, from_client: bool) -> bytes:
        """All recorded bytes of one direction."""
        return b"".join(chunk.data for chunk in self.wire() if chunk.from_client == from_client)

    def set_rtt(self, rtt: float) -> None:
        """From now on."""
        self._order("delay", rtt=rtt)

    def stall(self, after: int = 0, from_client: bool = False) -> None:
        """Forwards nothing any more, keeping all connections open and letting new ones in.

        With `after`, only when so many more bytes have passed (of the server's, or the client's).
        """
        self._order("stall", after=after, up=from_client)

    def resume(self) -> None:
        """Ends a stall, and forgets what was to happen `after`."""
        self._order("resume")

    def cut(self, after: int = 0, from_client: bool = False, reset: bool = False) -> None:
        """Closes all connections there are, both sides; by a reset instead of an end if asked.

        `after` as for stall(): exactly so many bytes are forwarded.
        """
        self._order("cut", after=after, up=from_client, reset=reset)

    def newcomers(self, how: str) -> None:
        """What new connections meet: "serve", "drop" (closed at once), "refuse" (no listener)."""
        assert how in ("serve", "drop", "refuse")
        self._order("newcomers", how=how)

    def _order(self, name: str, **arguments):
        self._control.send((name, arguments))
        if not self._control.poll(30):
            raise TimeoutError(f"the proxy does not answer to {name}")
        return self._control.recv()
