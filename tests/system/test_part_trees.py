# SPDX-License-Identifier: MIT
"""The part tree of a message is the same, whether the server tells it or we read the message."""

import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Iterable, Iterator, NamedTuple, Optional

import pytest

import messages
from mailserver import Account
from messages import Message, encoded_word
from mount import BINARY
from rawimap import RawImap

TOOL = BINARY.parent / "tests" / "tools" / "list-parts"
SAMPLE = Path(__file__).resolve().parents[2] / "packaging" / "sample"
SEED = 20260215
N_RANDOM = 300
ODD_SHARE_MAX = 0.005  # of the messages that strangers, or chance, have written


class Part(NamedTuple):
    """A line of list-parts."""

    section: str
    type: str
    charset: str = ""
    encoding: str = ""
    disposition: str = ""
    name: str = ""
    size: int = 0
    header_off: int = 0
    body_off: int = 0
    root_of: str = ""  # the section of the message whose root it is, "." for the whole

    def told(self) -> tuple:
        """What a BODYSTRUCTURE tells, too; it has no sizes of multiparts."""
        size = 0 if self.type.startswith("multipart/") else self.size
        return (*self[:6], size)

    def items(self) -> tuple[str, str]:
        """What IMAP calls its header and its body."""
        if self.root_of == ".":
            return "HEADER", "TEXT"
        if self.root_of:
            return f"{self.root_of}.HEADER", f"{self.root_of}.TEXT"
        return f"{self.section}.MIME", self.section

    def slices(self, raw: bytes) -> tuple[bytes, bytes]:
        end = self.body_off + self.size
        return raw[self.header_off:self.body_off], raw[self.body_off:end]


class Reading(NamedTuple):
    """One message as the server has it and as list-parts reads it."""

    name: str
    raw: bytes
    told: list[Part]
    own: list[Part]
    served: list[tuple[bytes, bytes]]  # header and body of each of our parts


# Reading.

def fetched(raw: RawImap, uid: int, items: list[str]) -> dict[str, bytes]:
    """These sections of a message, many in one command; NIL counts as nothing."""
    wanted, found = sorted(set(items)), {}
    for first in range(0, len(wanted), 50):
        some = wanted[first:first + 50]
        fields = " ".join(f"BODY.PEEK[{item}]" for item in some)
        answer, at = raw.must(f"UID FETCH {uid} ({fields})").untagged[0], 0
        for item in some:
            at = answer.index(f"BODY[{item}] ".encode(), at) + len(item) + 7
            literal = re.compile(rb'\{(\d+)\}\r\n|"([^"\\]*)"|NIL').match(answer, at)
            end = literal.end() + int(literal[1] or 0)
            found[item] = answer[literal.end():end] if literal[1] else literal[2] or b""
            at = end
    return found


def list_parts(paths: list[Path]) -> dict[tuple[str, str], list[Part]]:
    done = subprocess.run([TOOL], input="".join(f"{path}\n" for path in paths), text=True,
                          capture_output=True, timeout=100)
    assert done.returncode == 0, done.stderr
    found: dict[tuple[str, str], list[Part]] = {}
    for line in done.stdout.splitlines():
        path, source, *columns = line.split("\t")
        parts = found.setdefault((path, source), [])
        if columns != ["none"]:
            parts.append(Part(*columns[:6], *map(int, columns[6:9]), columns[9]))
    return found


def read_all(account: Account, folder: Path, contents: dict[str, bytes]) -> Iterator[Reading]:
    uids = account.deliver_all(map(Message, contents.values()))
    with account.raw("INBOX") as raw:
        bodies = {uid: raw.body(uid) for uid in uids}
        for uid, body in bodies.items():
            answer = raw.must(f"UID FETCH {uid} (BODYSTRUCTURE)").untagged[0]
            (folder / f"{uid}.fetch").write_bytes(answer)
            (folder / f"{uid}.eml").write_bytes(body)
        found = list_parts([folder / f"{uid}" for uid in uids])
        for name, uid in zip(contents, uids):
            own = found[f"{folder}/{uid}", "own"]
            served = fetched(raw, uid, [item for part in own for item in part.items()])
            yield Reading(name, bodies[uid], found[f"{folder}/{uid}", "server"], own,
                          [tuple(served[item] for item in part.items()) for part in own])


# Comparing.

def differences(reading: Reading) -> Iterator[tuple[Optional[Part], str]]:
    """Our part, and what about it is not as the server has it."""
    told = reading.told
    for nth, (part, served) in enumerate(zip(reading.own, reading.served)):
        if nth >= len(told) or told[nth].told() != part.told():
            yield part, f"told as {told[nth].told() if nth < len(told) else None}"
        for what, ours, theirs in zip(part.items(), part.slices(reading.raw), served):
            if ours != theirs:
                yield part, f"[{what}] is {theirs[-60:]!r}, not {ours[-60:]!r}"
    if len(told) > len(reading.own):
        yield None, f"also told: {told[len(reading.own)].told()}"


def is_encoded_message(_: Reading, part: Optional[Part]) -> bool:
    """A message in base64 is all header to Dovecot, and it gives the line end before the delimiter to
    the part around a header that has no end, though it is the delimiter's (RFC 2046 5.1.1)."""
    return (part is not None and part.type == "message/rfc822"
            and part.encoding in ("base64", "quoted-printable"))


REASONS = [is_encoded_message]


class Odd(NamedTuple):
    """Where we may differ from the server."""

    reason: str
    message: str
    section: str


def compare(readings: Iterable[Reading]) -> tuple[int, list[Odd]]:
    """How many messages there were, and what a reason is needed for."""
    count, odd, wrong = 0, [], []
    for count, reading in enumerate(readings, 1):
        for part, what in differences(reading):
            reason = next((one for one in REASONS if one(reading, part)), None)
            if reason:
                odd.append(Odd(reason.__name__, reading.name, part.section))
            else:
                wrong.append(f"{reading.name}: {part and part.told()}: {what}")
    assert not wrong, f"{len(wrong)} differences:\n" + "\n".join(wrong[:20])
    return count, odd


def share(odd: list[Odd], count: int) -> float:
    return len({one.message for one in odd}) / count


# Messages.

def written_here() -> dict[str, bytes]:
    """What the project's own writers make, and its sample."""
    sys.path.insert(0, str(SAMPLE))
    try:
        import make_sample
    finally:
        sys.path.remove(str(SAMPLE))
    letters = make_sample.read_letters()
    sample = {name: bytes(make_sample.build(letter, letters)) for name, letter in letters.items()}
    return messages.samples() | sample


LEAVES = ["Content-Type: text/plain; charset=utf-8", "Content-Type: text/html", "",
          "Content-Type: TEXT/PLAIN; CHARSET=US-ASCII", "Content-Type: image/png; name=a.png",
          "Content-Type: text", "Content-Type: nonsense", "Content-Type: text/plain; charset=",
          "Content-Type:\r\n application/pdf;\r\n\tname*0*=utf-8''%C3%A4;\r\n\tname*1=b.pdf",
          "Content-Type: text/x (a comment); format=flowed", "Content-Type: message/rfc822 x",
          "X-Other: field\r\nno field at all", "Content-Type: multipart/mixed",
          "Content-Type : text/csv", "Content-Type: text/plain\r\nContent-Type: text/html"]
DISPOSITIONS = ["attachment", "inline; filename=a.txt", "ATTACHMENT; filename*=utf-8'en'%e2%82%ac",
                f'attachment; filename="{encoded_word("grün")}"', 'attachment; filename="ä b"',
                'attachment; filename="a\\"b"', "attachment; filename=a b.txt", ";filename=x",
                "attachment; filename*1=b; filename*0=a", "attachment; filename*0=a; filename*2=c",
                'attachment;; filename="x"', 'attachment; filename="no end',
                "attachment; filename=latin1\xe4", "inline\r\nContent-Disposition: attachment; x=y"]
PLAIN = ["7bit", "8BIT", "", "two words", "(c) binary", "x-y"]  # what has no encoding
ENCODINGS = [*PLAIN, "base64", "Quoted-Printable", "(c) base64"]


class RandomTrees:
    """MIME trees in every state of repair."""

    def __init__(self, seed: int):
        self.numbers = random.Random(seed)

    def message(self) -> bytes:
        head = self.numbers.choice(["", "MIME-Version: 1.0\r\n", "Subject: random\r\n"])
        return head.encode() + self._part(self.numbers.randrange(1, 5))

    def _chance(self, share: float) -> bool:
        return self.numbers.random() < share

    def _part(self, depth: int) -> bytes:
        kind = self.numbers.random() if depth else 1
        if kind < 0.5:
            return self._multipart(depth)
        if kind < 0.65:
            return self._fields("Content-Type: message/rfc822", PLAIN) + self._part(depth - 1)
        header = self.numbers.choice(LEAVES)
        return self._fields(header) + self._text()

    def _fields(self, first: str, encodings: list[str] = ENCODINGS) -> bytes:
        lines = [first] if first else []
        if self._chance(0.4):
            lines.append(f"Content-Disposition: {self.numbers.choice(DISPOSITIONS)}")
        if self._chance(0.4):
            lines.append(f"Content-Transfer-Encoding: {self.numbers.choice(encodings)}")
        end = "\r\n" if self._chance(0.95) else ""
        return ("".join(f"{line}\r\n" for line in lines) + end).encode(
            self.numbers.choice(["utf-8", "latin-1"]), "replace")

    def _text(self) -> bytes:
        lines = ["Words.", "", "--", "-- ", "--b", "----", " --b1", "--b12", "--b1--x", "x" * 100]
        return "\r\n".join(self.numbers.choices(lines[:2], k=2) + self.numbers.choices(
            lines, weights=[9, 9, 3, 3, 0.2, 1, 1, 1, 0.2, 3],
            k=self.numbers.randrange(4))).encode()

    def _multipart(self, depth: int) -> bytes:
        boundary = self.numbers.choice(["b1", "b12", "b", "=_x y", "b1--"])
        subtype = self.numbers.choice(["mixed", "Alternative", "digest", "x"])
        quoted = boundary if boundary.isalnum() else f'"{boundary}"'
        line = f"--{boundary}".encode()
        end = self.numbers.choice([b"\r\n", b"\r\n", b" \t\r\n"])
        body = self.numbers.choice([b"", b"", b"Before.\r\n"])
        for _ in range(self.numbers.randrange(4)):
            body += line + end + self._part(depth - 1) + b"\r\n"
        if self._chance(0.85):
            body += line + b"--" + self.numbers.choice([b"", b"\r\n", b"\r\nAfter.\r\n"])
        return self._fields(f"Content-Type: multipart/{subtype}; boundary={quoted}") + body


# The tests.

def test_trees_of_the_corpus(account, folder, list_differences):
    contents = messages.corpus()
    if not contents:
        pytest.skip(f"there is no corpus: {messages.CORPUS}")
    count, odd = compare(read_all(account, folder, contents))
    assert count == len(contents)
    list_differences(odd)
    assert share(odd, count) <= ODD_SHARE_MAX, odd


def test_trees_of_what_is_written_here(account, folder):
    contents = written_here()
    count, odd = compare(read_all(account, folder, contents))
    assert count > 60
    assert not odd


def test_trees_at_random(account, folder, list_differences):
    print(f"seed {SEED}")
    trees = RandomTrees(SEED)
    contents = {f"random {nth}": trees.message() for nth in range(N_RANDOM)}
    count, odd = compare(read_all(account, folder, contents))
    assert count == N_RANDOM
    list_differences(odd)
    assert share(odd, count) <= ODD_SHARE_MAX, odd
