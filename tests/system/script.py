# SPDX-License-Identifier: MIT
"""A scripted server: a Python function plays it, one call a connection, each in its own thread."""

import re
import socket
import ssl
import struct
import threading
from dataclasses import dataclass
from typing import Callable, Optional, Union

from certs import Certificate

_LITERAL = re.compile(rb"\{(\d+)(\+?)\}$")
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|\((?:[^()]|\([^()]*\))*\)|[^\s"()]\S*')


class Gone(Exception):
    """The client has closed the connection."""


@dataclass(frozen=True)
class Command:
    """A command of the client's; literals in it have become quoted strings."""

    tag: str
    name: str  # in capitals, "UID FETCH" being one name
    text: str  # what follows the name

    @property
    def words(self) -> list[str]:
        """The arguments: quoted strings without quotes, parenthesised lists whole."""
        return [unquote(word) for word in _WORD.findall(self.text)]


class Peer:
    """A client's connection."""

    def __init__(self, sock: socket.socket, certificate: Optional[Certificate],
                 over: threading.Event):
        self.socket = sock
        self.certificate = certificate
        self.tls = False
        self.box = None  # for a session to remember what is selected
        self._input = b""
        self._over = over

    def send(self, data: Union[bytes, str]) -> None:
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def untagged(self, text: Union[bytes, str]) -> None:
        self.send(b"* " + (text.encode() if isinstance(text, str) else text) + b"\r\n")

    def read(self, size: int) -> bytes:
        while len(self._input) < size:
            self._receive()
        data, self._input = self._input[:size], self._input[size:]
        return data

    def line(self) -> bytes:
        """The next line, without its end."""
        while b"\n" not in self._input:
            self._receive()
        line, _, self._input = self._input.partition(b"\n")
        return line.removesuffix(b"\r")

    def command(self) -> Command:
        """The next command; asks for its literals."""
        line = self.line()
        while literal := _LITERAL.search(line):
            if not literal[2]:
                self.send(b"+ go on\r\n")
            content = self.read(int(literal[1])).replace(b"\\", b"\\\\").replace(b'"', b'\\"')
            line = line[:literal.start()] + b'"' + content + b'"' + self.line()
        tag, _, rest = line.decode(errors="surrogateescape").partition(" ")
        name, _, text = rest.partition(" ")
        if name.upper() == "UID":
            second, _, text = text.partition(" ")
            name += " " + second
        return Command(tag, name.upper(), text)

    def start_tls(self) -> None:
        """The server's side of the handshake; what the client sent before must have been read."""
        assert self.certificate and not self._input, f"left in clear text: {self._input!r}"
        self.socket = self.certificate.context().wrap_socket(self.socket, server_side=True)
        self.tls = True

    def wait(self, seconds: float = 3600) -> None:
        """Says nothing for so long, or until the test is over."""
        if self._over.wait(seconds):
            raise Gone

    def end(self, notify: bool = True) -> None:
        """Closes; a TLS connection with close_notify or, to look like an attack, without."""
        if self.socket.fileno() < 0:
            return
        try:
            if self.tls and notify:
                self.socket.unwrap()
            self.socket.shutdown(socket.SHUT_WR)
            self.socket.settimeout(2)
            while self.socket.recv(65536):
                pass
        except OSError:
            pass
        self.socket.close()

    def reset(self) -> None:
        """Closes by TCP reset."""
        at_once = struct.pack("ii", 1, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        self.socket.close()

    def _receive(self) -> None:
        data = self.socket.recv(1 << 16)
        if not data:
            raise Gone
        self._input += data


class ScriptServer:
    """Listens on `port`; every connection is handed to `session`, and closed when that returns.

    With `implicit_tls` the handshake comes first.  `certificate` also serves peer.start_tls().
    What a session raises, other than that the client went away, close() raises again.
    """

    def __init__(self, session: Callable[[Peer], object], certificate: Optional[Certificate] = None,
                 implicit_tls: bool = False):
        self.session = session
        self.certificate = certificate
        self.implicit_tls = implicit_tls
        self.connections = 0
        self._errors: list[BaseException] = []
        self._peers: list[Peer] = []
        self._threads: list[threading.Thread] = []
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._spawn(self._accept)

    def __enter__(self) -> "ScriptServer":
        return self

    def __exit__(self, kind, *_) -> None:
        self.close(quietly=kind is not None)

    def url(self, scheme: Optional[str] = None, user: str = "alice") -> str:
        """The SOURCE to mount."""
        usual = "imaps" if self.implicit_tls else "imap" if self.certificate else "imap+insecure"
        return f"{scheme or usual}://{user}@localhost:{self.port}/"

    def close(self, quietly: bool = False) -> None:
        if self._over.is_set():
            return
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for peer in self._peers:
            _hang_up(peer.socket)
        for thread in self._threads:
            thread.join(5)
        if self._errors and not quietly:
            raise self._errors[0]

    def _spawn(self, function: Callable, *arguments) -> None:
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer = Peer(sock, self.certificate, self._over)
            self.connections += 1
            self._peers.append(peer)
            self._spawn(self._serve, peer)

    def _serve(self, peer: Peer) -> None:
        try:
            if self.implicit_tls:
                peer.start_tls()
            self.session(peer)
        except (Gone, OSError):  # ssl.SSLError is an OSError
            pass
        except BaseException as error:
            self._errors.append(error)
        peer.end()


def unquote(word: str) -> str:
    if not word.startswith('"'):
        return word
    return re.sub(r"\\(.)", r"\1", word[1:-1])


def _hang_up(sock: socket.socket) -> None:
    try:
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except (OSError, ssl.SSLError):
        pass
