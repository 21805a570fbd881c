# SPDX-License-Identifier: MIT
"""A well-behaved IMAP4rev1 server over messages in memory, each of whose replies can be overridden.

A hostile server is a subclass:

    class Liar(Citizen):
        def size(self, message):
            return super().size(message) + 1

    with ScriptServer(Liar(Box("INBOX", [Stored(1, b"Subject: x\\r\\n\\r\\n")]))) as server: ...
"""

import base64
import email
import email.utils
import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Optional, Union

from rawimap import imap_date, mutf7
from script import Command, Peer, unquote

_ITEM = re.compile(r"[A-Z0-9.]+(?:\[[^\]]*\](?:<\d+\.\d+>)?)?", re.I)
_BODY = re.compile(r"BODY(?:\.PEEK)?\[([^\]]*)\](?:<(\d+)\.(\d+)>)?", re.I)
_ADDRESSES = ("from", "sender", "reply-to", "to", "cc", "bcc")


@dataclass
class Stored:
    """A message in a mailbox."""

    uid: int
    content: bytes
    flags: tuple[str, ...] = ()
    date: datetime = datetime(2026, 2, 15, 14, 30, tzinfo=timezone.utc)


@dataclass
class Box:
    """A mailbox.  A name in bytes goes out as it is: it must be quoted, if it needs to be."""

    name: Union[str, bytes] = "INBOX"
    messages: list[Stored] = field(default_factory=list)
    attributes: str = ""
    uidvalidity: int = 1

    def wire_name(self) -> bytes:
        return self.name if isinstance(self.name, bytes) else nstring(mutf7(self.name).encode())

    def is_called(self, name: str) -> bool:
        own = unquote(self.wire_name().decode(errors="surrogateescape"))
        return own == name or own.upper() == name.upper() == "INBOX"

    def select(self, uids: str) -> list[tuple[int, Stored]]:
        """(sequence number, message) of those whose UID is in the set."""
        last = max((message.uid for message in self.messages), default=0)
        ranges = []
        for piece in uids.replace("*", str(last)).split(","):
            first, _, end = piece.partition(":")
            ranges.append(sorted((int(first), int(end or first))))
        return [(number, message) for number, message in enumerate(self.messages, 1)
                if any(low <= message.uid <= high for low, high in ranges)]


class Citizen:
    """The session: give an instance to ScriptServer.

    Command X is answered by do_x(), which sends untagged responses and returns the rest of the
    tagged one, or None when it has sent that itself.  `commands` keeps all commands of all
    connections.
    """

    capabilities = "IMAP4rev1 AUTH=PLAIN"
    delimiter = '"/"'
    password = "secret"

    def __init__(self, *boxes: Box):
        self.boxes = list(boxes) or [Box()]
        self.commands: list[Command] = []

    def __call__(self, peer: Peer) -> None:
        peer.send(self.greeting(peer))
        while True:
            command = peer.command()
            self.commands.append(command)
            if (answer := self.answer(peer, command)) is not None:
                peer.send(f"{command.tag} {answer}\r\n")
            if command.name == "LOGOUT":
                return

    def answer(self, peer: Peer, command: Command) -> Optional[str]:
        if command.name.startswith("UID ") and peer.box is None:
            return "BAD no mailbox is open"
        handler = getattr(self, "do_" + command.name.lower().replace(" ", "_"), None)
        return handler(peer, command) if handler else "BAD unknown command"

    def greeting(self, peer: Peer) -> bytes:
        return b"* OK [CAPABILITY " + self.offered(peer).encode() + b"] ready\r\n"

    def offered(self, peer: Peer) -> str:
        """The capabilities: STARTTLS while it can still be done."""
        words = self.capabilities.split()
        if peer.certificate and not peer.tls:
            words.append("STARTTLS")
        return " ".join(words)

    # Any state.

    def do_capability(self, peer: Peer, command: Command) -> str:
        peer.untagged("CAPABILITY " + self.offered(peer))
        return "OK that is all"

    def do_noop(self, peer: Peer, command: Command) -> str:
        return "OK done"

    do_check = do_close = do_unselect = do_noop

    def do_id(self, peer: Peer, command: Command) -> str:
        peer.untagged('ID ("name" "citizen")')
        return "OK done"

    def do_logout(self, peer: Peer, command: Command) -> str:
        peer.untagged("BYE see you")
        return "OK bye"

    # Logging in.

    def do_starttls(self, peer: Peer, command: Command) -> Optional[str]:
        if not peer.certificate or peer.tls:
            return "BAD not here"
        peer.send(f"{command.tag} OK begin TLS\r\n")
        peer.start_tls()
        return None

    def do_login(self, peer: Peer, command: Command) -> str:
        return self.admit(command.words[1])

    def do_authenticate(self, peer: Peer, command: Command) -> str:
        if command.words[0].upper() != "PLAIN":
            return "NO no such mechanism"
        if len(command.words) < 2:
            peer.send(b"+ \r\n")
        response = command.words[1].encode() if len(command.words) > 1 else peer.line()
        return self.admit(base64.b64decode(response).split(b"\0")[2].decode())

    def admit(self, password: str) -> str:
        if password != self.password:
            return "NO [AUTHENTICATIONFAILED] wrong password"
        return "OK logged in"

    # Mailboxes.

    def do_namespace(self, peer: Peer, command: Command) -> str:
        peer.untagged(f'NAMESPACE (("" {self.delimiter})) NIL NIL')
        return "OK done"

    def do_list(self, peer: Peer, command: Command) -> str:
        """Patterns are not looked at: everything is listed, but for the empty one."""
        if command.words[-1] == "":
            peer.untagged(rf'LIST (\Noselect) {self.delimiter} ""')
        else:
            for box in self.boxes:
                peer.untagged(self.list_line(box))
        return "OK done"

    def list_line(self, box: Box) -> bytes:
        return f"LIST ({box.attributes}) {self.delimiter} ".encode() + box.wire_name()

    def do_status(self, peer: Peer, command: Command) -> str:
        box = self.find(command.words[0])
        if box is None:
            return "NO [NONEXISTENT] no such mailbox"
        values = {"MESSAGES": len(box.messages), "UIDNEXT": self.uidnext(box), "RECENT": 0,
                  "UIDVALIDITY": box.uidvalidity,
                  "UNSEEN": sum("\\Seen" not in message.flags for message in box.messages)}
        asked = command.words[1].strip("()").upper().split()
        told = " ".join(f"{name} {values[name]}" for name in asked if name in values)
        peer.untagged(b"STATUS " + box.wire_name() + f" ({told})".encode())
        return "OK done"

    def do_examine(self, peer: Peer, command: Command) -> str:
        peer.box = self.find(command.words[0])
        if peer.box is None:
            return "NO [NONEXISTENT] no such mailbox"
        for line in self.select_lines(peer.box):
            peer.untagged(line)
        return "OK [READ-ONLY] done" if command.name == "EXAMINE" else "OK [READ-WRITE] done"

    do_select = do_examine

    def select_lines(self, box: Box) -> list[str]:
        return [r"FLAGS (\Answered \Flagged \Deleted \Seen \Draft)",
                r"OK [PERMANENTFLAGS (\Answered \Flagged \Deleted \Seen \Draft \*)] these",
                f"{len(box.messages)} EXISTS", "0 RECENT",
                f"OK [UIDVALIDITY {box.uidvalidity}] valid",
                f"OK [UIDNEXT {self.uidnext(box)}] next"]

    def uidnext(self, box: Box) -> int:
        return max((message.uid for message in box.messages), default=0) + 1

    def find(self, name: str) -> Optional[Box]:
        return next((box for box in self.boxes if box.is_called(name)), None)

    # Messages.

    def do_uid_search(self, peer: Peer, command: Command) -> str:
        """Understands ALL and UID sets; anything else is answered as ALL."""
        asked = re.search(r"UID ([\d:*,]+)", command.text)
        uids = [message.uid for _, message in peer.box.select(asked[1] if asked else "1:*")]
        peer.untagged(" ".join(["SEARCH", *map(str, uids)]))
        return "OK done"

    def do_uid_fetch(self, peer: Peer, command: Command) -> str:
        uids, _, wanted = command.text.partition(" ")
        items = _ITEM.findall(wanted)
        if "UID" not in map(str.upper, items):
            items.insert(0, "UID")
        for number, message in peer.box.select(uids):
            peer.send(self.fetch_response(number, message, items))
        return "OK done"

    def fetch_response(self, number: int, message: Stored, items: list[str]) -> bytes:
        told = b" ".join(self.item(message, item) for item in items)
        return b"* %d FETCH (%s)\r\n" % (number, told)

    def item(self, message: Stored, item: str) -> bytes:
        """One name and value of a FETCH response."""
        if body := _BODY.fullmatch(item):
            section, origin, length = body.groups()
            value = self.body(message, section, int(origin or 0), int(length) if length else None)
            return f"BODY[{section}]{f'<{origin}>' if origin else ''} ".encode() + value
        values = {"UID": self.uid, "FLAGS": self.flags, "INTERNALDATE": self.internal_date,
                  "RFC822.SIZE": self.size, "ENVELOPE": self.envelope}
        value = values[item.upper()](message)
        return item.upper().encode() + b" " + (value if isinstance(value, bytes)
                                               else str(value).encode())

    def uid(self, message: Stored):
        return message.uid

    def flags(self, message: Stored):
        return f"({' '.join(message.flags)})"

    def internal_date(self, message: Stored):
        return f'"{imap_date(message.date)}"'

    def size(self, message: Stored):
        return len(message.content)

    def envelope(self, message: Stored):
        return envelope(message.content)

    def body(self, message: Stored, section: str, origin: int, length: Optional[int]) -> bytes:
        """The value of BODY[section]<origin>, as it goes over the wire."""
        head, blank, text = message.content.partition(b"\r\n\r\n")
        part = {"": message.content, "HEADER": head + blank, "TEXT": text}[section.upper()]
        return literal(part[origin:][:length])


def literal(data: bytes) -> bytes:
    return b"{%d}\r\n%s" % (len(data), data)


def nstring(data: Optional[bytes]) -> bytes:
    """NIL, a quoted string, or a literal where a quoted string could not hold it."""
    if data is None:
        return b"NIL"
    if len(data) > 1000 or re.search(rb'[^ !#-\[\]-~]', data):
        return literal(data)
    return b'"' + data + b'"'


def envelope(content: bytes) -> bytes:
    """The ENVELOPE of a message (RFC 3501, 7.4.2)."""
    head = content.partition(b"\r\n\r\n")[0]
    fields: dict[str, list[bytes]] = {}
    for name, value in email.message_from_bytes(head + b"\r\n\r\n").raw_items():
        unfolded = re.sub(r"\r?\n", "", value).encode("utf-8", "surrogateescape")
        fields.setdefault(name.lower(), []).append(unfolded)
    for name in ("sender", "reply-to"):
        fields[name] = fields.get(name) or fields.get("from", [])
    values = [_first(fields, "date"), _first(fields, "subject"),
              *(_addresses(fields.get(name, [])) for name in _ADDRESSES),
              _first(fields, "in-reply-to"), _first(fields, "message-id")]
    return b"(" + b" ".join(values) + b")"


def _first(fields: dict[str, list[bytes]], name: str) -> bytes:
    return nstring(fields[name][0] if name in fields else None)


def _addresses(values: list[bytes]) -> bytes:
    told = []
    for name, address in email.utils.getaddresses([value.decode("latin-1") for value in values]):
        local, _, host = address.partition("@")
        told.append(b"(%s NIL %s %s)" % tuple(
            nstring(part.encode("latin-1") if part else None) for part in (name, local, host)))
    return b"(" + b"".join(told) + b")" if told else b"NIL"
