# SPDX-License-Identifier: MIT
"""The process behind proxy.Proxy: forwards TCP connections, one thread, one selector.

It is started with the number of a socket on which it takes orders, and ends when that closes.
Bytes and turns are counted where they pass the client's side, so that a delay does not make
replies that are still on their way look as if they had been answered.
"""

import heapq
import itertools
import os
import selectors
import socket
import struct
import sys
import time
from collections import deque
from multiprocessing.connection import Connection
from typing import Callable, Optional

CHUNK = 1 << 18
QUEUE_MAX = 64 << 20
RESET = struct.pack("ii", 1, 0)
END = object()  # in a queue: the sender has finished


class Trap:
    """What happens when `remaining` more bytes have gone in one direction."""

    def __init__(self, remaining: int, action: Callable[[], None]):
        self.remaining = remaining
        self.action = action


class Flow:
    """One direction of a link: what was read from `source` waits here until it is due."""

    def __init__(self, up: bool):
        self.up = up
        self.source: Optional[socket.socket] = None
        self.target: Optional[socket.socket] = None
        self.queue: deque = deque()  # (due, memoryview, END, or an action)
        self.queued = 0
        self.ended = False  # nothing more comes from the source
        self.trapped = False  # nothing more is read until resume
        self.blocked = False  # the target takes no more for now
        self.finished = False  # the target was told the end

    def push(self, due: float, what) -> None:
        self.queue.append((due, what))
        if isinstance(what, memoryview):
            self.queued += len(what)

    def wants_read(self) -> bool:
        return not self.ended and not self.trapped and self.queued < QUEUE_MAX


class Link:
    """A client's connection and ours to the server."""

    def __init__(self, number: int, client: socket.socket, opens_at: float):
        self.number = number
        self.opens_at = opens_at
        self.up, self.down = Flow(up=True), Flow(up=False)
        self.up.source = self.down.target = client
        self.heard = True  # the server spoke last: the next client bytes begin a turn
        self.over = False

    def sockets(self) -> list[socket.socket]:
        return [one for one in (self.up.source, self.up.target) if one is not None]

    def flow_from(self, sock: socket.socket) -> Flow:
        return self.up if sock is self.up.source else self.down

    def flow_to(self, sock: socket.socket) -> Flow:
        return self.down if sock is self.up.source else self.up


class Engine:
    """All links, and the orders that concern them."""

    def __init__(self, control: Connection):
        self.control = control
        self.selector = selectors.SelectSelector()  # unlike epoll's, its timeout is exact
        self.selector.register(control, selectors.EVENT_READ, (self._obey,))
        self.links: set[Link] = set()
        self.opening: list = []  # heap of (opens_at, number, link)
        self.numbers = itertools.count(1)
        self.totals = {"bytes_up": 0, "bytes_down": 0, "turns": 0, "connections": 0}
        self.wire: Optional[list] = None
        self.traps: dict[bool, Optional[Trap]] = {True: None, False: None}
        self.one_way = 0.0
        self.stalled = False
        self.dropping = False
        self.listener: Optional[socket.socket] = None

    def run(self) -> None:
        try:
            while True:
                for key, events in self.selector.select(self._patience()):
                    handler, *arguments = key.data
                    handler(*arguments, key.fileobj, events)
                self._open_links()
                self._flush_due()
        except EOFError:
            pass

    # Orders.  Each method called order_x serves proxy.Proxy's request x.

    def order_listen(self, server_port: int, rtt: float, record: bool) -> int:
        self.server_port, self.one_way = server_port, rtt / 2
        self.wire = [] if record else None
        self._listen(0)
        self.port = self.listener.getsockname()[1]
        return self.port

    def order_totals(self) -> dict:
        return dict(self.totals)

    def order_wire(self) -> list:
        return list(self.wire or ())

    def order_delay(self, rtt: float) -> None:
        self.one_way = rtt / 2

    def order_newcomers(self, how: str) -> None:
        self.dropping = how == "drop"
        if how == "refuse" and self.listener:
            self._watch(self.listener, 0)
            self.listener.close()
            self.listener = None
        elif how != "refuse" and not self.listener:
            self._listen(self.port)

    def order_stall(self, after: int, up: bool) -> None:
        self._trap(after, up, self._stall)

    def order_cut(self, after: int, up: bool, reset: bool) -> None:
        self._trap(after, up, lambda: self._cut(reset))

    def order_resume(self) -> None:
        self.stalled = False
        self.traps = {True: None, False: None}
        for link in self.links:
            link.up.trapped = link.down.trapped = False
        self._watch_all()

    def _obey(self, *_) -> None:
        name, arguments = self.control.recv()
        self.control.send(getattr(self, "order_" + name)(**arguments))

    # Faults.

    def _trap(self, after: int, up: bool, action: Callable[[], None]) -> None:
        if after:
            self.traps[up] = Trap(after, action)
        else:
            action()

    def _stall(self) -> None:
        self.stalled = True
        self._watch_all()

    def _cut(self, reset: bool) -> None:
        self.traps = {True: None, False: None}
        for link in list(self.links):
            if reset:
                self._drop(link, reset=True)
            else:
                self._finish(link)

    def _finish(self, link: Link) -> None:
        """Says goodbye to both sides, and then swallows what they still send.

        A plain close() with bytes unread would be a reset.
        """
        link.over = True
        link.up.queue.clear()
        link.down.queue.clear()
        for sock in link.sockets():
            self._watch(sock, selectors.EVENT_READ, self._drain, link)
            _shutdown(sock)

    def _drain(self, link: Link, sock: socket.socket, _events: int) -> None:
        try:
            if sock.recv(CHUNK):
                return
        except OSError:
            pass
        self._watch(sock, 0)
        if not any(self._key(other) for other in link.sockets()):
            self._drop(link)

    def _drop(self, link: Link, reset: bool = False) -> None:
        link.over = True
        self.links.discard(link)
        for sock in link.sockets():
            self._watch(sock, 0)
            if reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            sock.close()

    # Connections.

    def _listen(self, port: int) -> None:
        self.listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.listener.setblocking(False)
        self._watch_listener()

    def _accept(self, *_) -> None:
        client, _ = self.listener.accept()
        self.totals["connections"] += 1
        if self.dropping:
            client.close()
            return
        _tune(client)
        link = Link(next(self.numbers), client, time.monotonic() + 2 * self.one_way)
        self.links.add(link)
        heapq.heappush(self.opening, (link.opens_at, link.number, link))
        self._watch_link(link)

    def _open_links(self) -> None:
        now = time.monotonic()
        while self.opening and not self.stalled and self.opening[0][0] <= now:
            link = heapq.heappop(self.opening)[2]
            if not link.over:
                self._open(link)

    def _open(self, link: Link) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self.server_port), 5)
        except OSError:
            self._drop(link, reset=True)
            return
        _tune(server)
        link.up.target = link.down.source = server
        self._flush_or_drop(link, link.up)

    # Bytes.

    def _ready(self, link: Link, sock: socket.socket, events: int) -> None:
        try:
            if events & selectors.EVENT_READ and not link.over:
                self._read(link, link.flow_from(sock))
            if events & selectors.EVENT_WRITE and not link.over:
                self._flush(link, link.flow_to(sock))
        except BlockingIOError:
            pass
        except OSError:
            self._drop(link, reset=True)

    def _read(self, link: Link, flow: Flow) -> None:
        if self.stalled or not flow.wants_read():
            return
        trap = self.traps[flow.up]
        data = memoryview(flow.source.recv(min(CHUNK, trap.remaining) if trap else CHUNK))
        due = max(time.monotonic(), link.opens_at) + self.one_way
        if data and flow.up:
            self._count(link, flow, data)
        flow.ended = not data
        flow.push(due, data or END)
        if trap and data:
            self._spring(trap, flow, due, len(data))
        self._flush(link, flow)

    def _spring(self, trap: Trap, flow: Flow, due: float, size: int) -> None:
        trap.remaining -= size
        if trap.remaining == 0:
            self.traps[flow.up] = None
            flow.trapped = True
            flow.push(due, trap.action)

    def _flush(self, link: Link, flow: Flow) -> None:
        """Writes what is due, as far as the target takes it."""
        flow.blocked = False
        now = time.monotonic()
        while self._waits(flow) and flow.queue[0][0] <= now and not link.over:
            due, what = flow.queue.popleft()
            if isinstance(what, memoryview):
                self._write(link, flow, due, what)
            elif what is END:
                flow.finished = True
                _shutdown(flow.target)
            else:
                what()
        if link.up.finished and link.down.finished:
            self._drop(link)
        elif not link.over:
            self._watch_link(link)

    def _write(self, link: Link, flow: Flow, due: float, data: memoryview) -> None:
        try:
            written = flow.target.send(data)
        except BlockingIOError:
            written = 0
        flow.queued -= written
        if not flow.up and written:
            self._count(link, flow, data[:written])
        if written < len(data):
            flow.queue.appendleft((due, data[written:]))
            flow.blocked = True

    def _count(self, link: Link, flow: Flow, data: memoryview) -> None:
        self.totals["bytes_up" if flow.up else "bytes_down"] += len(data)
        if flow.up and link.heard:
            self.totals["turns"] += 1
        link.heard = not flow.up
        if self.wire is not None:
            self.wire.append((link.number, flow.up, bytes(data)))

    # Waiting.

    def _flush_due(self) -> None:
        now = time.monotonic()
        for link in list(self.links):
            for flow in (link.up, link.down):
                if self._waits(flow) and flow.queue[0][0] <= now and not link.over:
                    self._flush_or_drop(link, flow)

    def _flush_or_drop(self, link: Link, flow: Flow) -> None:
        try:
            self._flush(link, flow)
        except OSError:
            self._drop(link, reset=True)

    def _waits(self, flow: Flow) -> bool:
        return bool(flow.target and flow.queue) and not (flow.blocked or self.stalled)

    def _patience(self) -> Optional[float]:
        """How long until something falls due."""
        if self.stalled:
            return None
        dues = [flow.queue[0][0] for link in self.links for flow in (link.up, link.down)
                if self._waits(flow)]
        dues += [entry[0] for entry in self.opening[:1]]
        return max(0.0, min(dues) - time.monotonic()) if dues else None

    def _watch_all(self) -> None:
        self._watch_listener()
        for link in self.links:
            if not link.over:
                self._watch_link(link)

    def _watch_listener(self) -> None:
        if self.listener:
            self._watch(self.listener, 0 if self.stalled else selectors.EVENT_READ, self._accept)

    def _watch_link(self, link: Link) -> None:
        for sock in link.sockets():
            events = 0
            if not self.stalled and link.flow_from(sock).wants_read():
                events |= selectors.EVENT_READ
            if not self.stalled and link.flow_to(sock).blocked:
                events |= selectors.EVENT_WRITE
            self._watch(sock, events, self._ready, link)

    def _key(self, sock: socket.socket) -> Optional[selectors.SelectorKey]:
        return self.selector.get_map().get(sock.fileno())

    def _watch(self, sock: socket.socket, events: int, *handler) -> None:
        """Has handler(…, sock, events) called at those events; at none, when there are none."""
        key = self._key(sock)
        if key is None and events:
            self.selector.register(sock, events, handler)
        elif key is not None and not events:
            self.selector.unregister(sock)
        elif key is not None and (key.events, key.data) != (events, handler):
            self.selector.modify(sock, events, handler)


def _tune(sock: socket.socket) -> None:
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _shutdown(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass


if __name__ == "__main__":
    # Its number may be too large for select().
    inherited = int(sys.argv[1])
    control = os.dup(inherited)
    os.close(inherited)
    Engine(Connection(control)).run()
