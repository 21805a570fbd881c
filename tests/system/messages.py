# SPDX-License-Identifier: MIT
"""Test messages: a set of awkward ones, any number of ordinary ones, and the corpus if present.

All have CRLF line ends, as IMAP has.
"""

import base64
import os
import quopri
import random
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Iterator, NamedTuple, Optional

CORPUS = Path(os.path.normpath(Path(__file__).resolve().parent / "../../../shared/corpus"))
FIRST_DAY = datetime(2019, 3, 1, 6, 0, tzinfo=timezone.utc)


class Message(NamedTuple):
    """A message with what IMAP keeps beside it."""

    content: bytes
    flags: tuple[str, ...] = ()
    date: Optional[datetime] = None


def message(body: bytes = b"Hello.\r\n", **fields: str) -> bytes:
    """A message with usual fields; the keywords replace or add some, and None leaves one out.

    The underscores of a keyword stand for hyphens: content_type="text/html".
    """
    usual = {"date": "Sun, 15 Feb 2026 14:30:00 +0100", "from": "Alice Moller <alice@example.org>",
             "to": "Bob <bob@example.net>", "subject": "Budget",
             "message_id": "<20260215.1430@example.org>"}
    lines = [f"{name.replace('_', '-').title()}: {value}\r\n"
             for name, value in (usual | fields).items() if value is not None]
    return "".join(lines).encode("utf-8", "surrogateescape") + b"\r\n" + body


def of_size(size: int, seed: int = 1) -> bytes:
    """A message of exactly so many bytes (at least 300): text lines of varying content."""
    content = message(subject=f"A message of {size} bytes")
    rest = size - len(content)
    assert rest >= 2, f"{size} bytes are too few"
    numbers = random.Random(seed)
    block = b"".join(base64.b64encode(numbers.randbytes(57)) + b"\r\n" for _ in range(2000))
    body = (block * (rest // len(block) + 1))[:rest - 2]
    return content + re.sub(rb"\r(?!\n)", b"x", body) + b"\r\n"


def with_attachment(size: int, seed: int = 1) -> bytes:
    """A short text with a binary attachment of `size` bytes, in base64."""
    data = base64.encodebytes(random.Random(seed).randbytes(size)).replace(b"\n", b"\r\n")
    return multipart(
        "mixed", part(b"The film is attached.\r\n"),
        part(data, content_type="video/mp4", content_transfer_encoding="base64",
             content_disposition='attachment; filename="film.mp4"'),
        subject="The film")


def part(body: bytes, **fields: str) -> bytes:
    """A MIME part; text/plain in UTF-8 unless told otherwise."""
    fields = {"content_type": "text/plain; charset=utf-8"} | fields
    lines = [f"{name.replace('_', '-').title()}: {value}\r\n" for name, value in fields.items()]
    return "".join(lines).encode() + b"\r\n" + body


def multipart(subtype: str, *parts: bytes, boundary: str = "=_next", **fields: str) -> bytes:
    """A multipart message."""
    line = b"--" + boundary.encode()
    body = b"".join(line + b"\r\n" + one + b"\r\n" for one in parts) + line + b"--\r\n"
    return message(body, mime_version="1.0",
                   content_type=f'multipart/{subtype}; boundary="{boundary}"', **fields)


def in_base64(data: bytes, width: int = 76, eol: bytes = b"\r\n", is_padded: bool = True,
              has_short_line: bool = False) -> bytes:
    """Lines of so many characters, 0 for one line; without a line end at the end."""
    digits = base64.b64encode(data)
    if not is_padded:
        digits = digits.rstrip(b"=")
    width = width or max(1, len(digits))
    lines = [digits[start:start + width] for start in range(0, len(digits), width)]
    if has_short_line:
        middle = len(lines) // 2
        lines[middle:middle + 1] = [lines[middle][:4], lines[middle][4:]] if lines else []
    return eol.join(lines)


def encoded_word(text: str, charset: str = "utf-8") -> str:
    """RFC 2047, base64, in one word."""
    return f"=?{charset}?B?{base64.b64encode(text.encode(charset)).decode()}?="


def samples() -> dict[str, bytes]:
    """Messages that differ in what can go wrong with them, by name."""
    return _languages() | _structures() | _oddities()


def _in_charset(text: str, charset: str, encoding: str) -> bytes:
    encode = {"8bit": lambda data: data, "base64": base64.encodebytes,
              "quoted-printable": quopri.encodestring}[encoding]
    return message(encode((text + "\n").encode(charset)).replace(b"\n", b"\r\n"),
                   subject=encoded_word(text[:20], charset), mime_version="1.0",
                   content_type=f"text/plain; charset={charset}",
                   content_transfer_encoding=encoding)


def _languages() -> dict[str, bytes]:
    texts = {
        "german": ("Die Äpfel sind reif, kommt am Sonntag zum Pflücken vorbei.", "utf-8",
                   "quoted-printable"),
        "greek": ("Το πλοίο φεύγει στις οκτώ και μισή.", "utf-8", "base64"),
        "french": ("Le goûter est prêt, dépêche-toi !", "iso-8859-1", "8bit"),
        "russian": ("Завтра идём в лес за грибами.", "koi8-r", "8bit"),
        "japanese": ("来週の会議は木曜日に変わりました。", "shift_jis", "base64"),
        "japanese-jis": ("切手を二枚ください。", "iso-2022-jp", "8bit"),
        "chinese": ("今天的面条很好吃。", "gb2312", "base64"),
        "hebrew": ("הרכבת מאחרת בעשר דקות", "utf-8", "base64"),
        "emoji": ("Party 🎉 um acht 🕗", "utf-8", "8bit"),
    }
    return {name: _in_charset(*how) for name, how in texts.items()}


def _structures() -> dict[str, bytes]:
    html = part(b"<p>The <b>roof</b> is done.</p>\r\n", content_type="text/html; charset=utf-8")
    alternative = multipart("alternative", part(b"The roof is done.\r\n"), html, subject="Roof")
    inner = message(b"Is the ladder still free?\r\n", subject="Ladder")
    forwarded = part(inner, content_type="message/rfc822")
    twice = part(multipart("mixed", forwarded, boundary="=_inner"), content_type="message/rfc822")
    return {
        "plain": message(),
        "html": alternative,
        "attachment": with_attachment(5000),
        "forwarded": multipart("mixed", part(b"See below.\r\n"), forwarded, subject="Fwd: Ladder"),
        "forwarded-twice": multipart("mixed", part(b"See further below.\r\n"), twice),
        "nested-30": nested(30),
    }


def nested(depth: int) -> bytes:
    """A text in so many multiparts, one in the other."""
    content = part(b"Here.\r\n")
    for level in range(depth):
        line = b"--b%d" % level
        content = part(line + b"\r\n" + content + b"\r\n" + line + b"--\r\n",
                       content_type=f'multipart/mixed; boundary="b{level}"')
    return message(subject="A box in a box").partition(b"\r\n\r\n")[0] + b"\r\n" + content


def _oddities() -> dict[str, bytes]:
    binary = bytes(value for value in range(1, 256) if value not in b"\r\n") * 8 + b"\r\n"
    return {
        "long-subject": message(subject="On and on " * 1000),
        "folded-subject": message(subject="one\r\n two\r\n\tthree"),
        "no-subject": message(subject=None),
        "empty-subject": message(subject=""),
        "no-date": message(date=None),
        "bad-date": message(date="the day before yesterday"),
        "no-from": message(**{"from": None}),
        "only-body": b"\r\nThere is no header at all.\r\n",
        "only-header": message()[:-len(b"\r\nHello.\r\n")],
        "empty-body": message(b""),
        "no-last-line-end": message(b"cut off he"),
        "unknown-charset": message(subject="=?x-klingon?Q?tlhIngan=20Hol?="),
        "broken-word": message(subject="=?utf-8?B?gICA?= =?utf-8?Q?=FF?="),
        "8bit-header": message(subject=b"Gr\xfc\xdfe".decode("utf-8", "surrogateescape")),
        "8bit-from": message(**{"from": '"Jürgen Groß" <juergen@example.org>'}),
        "bidi-subject": message(subject=encoded_word("invoice\u202efdp.exe")),
        "control-subject": message(subject=encoded_word("a\x1b[31mred\x07\r\nX: y/z")),
        "dots-subject": message(subject="../../etc/passwd"),
        "many-to": message(to=",\r\n ".join(f"p{n}@example.org" for n in range(2000))),
        "binary-body": message(binary, content_transfer_encoding="binary"),
        "bare-cr": message(b"one\rtwo\rthree\r\n"),
        "long-line": message(b"x" * 100_000 + b"\r\n"),
    }


PEOPLE = [(name, name.split()[0].lower() + "@" + host)
          for name in ("Anna Keller", "Bruno Costa", "Chiara Rossi", "David Novak", "Elif Demir",
                       "Frida Holm", "George Adams", "Hana Sato", "Ivan Petrov", "Julie Martin")
          for host in ("example.org", "mail.example.net", "lists.example.com")]
THINGS = ("garden roof concert bicycle ladder invoice holiday train soup photograph school boat "
          "meeting kitchen window letter market winter bridge piano").split()
SENTENCES = ["The {0} is ready, and the {1} will follow on Friday.",
             "Has anybody seen the {0} that used to stand next to the {1}?",
             "We talked about the {0} for an hour and forgot the {1} altogether.",
             "Please bring the {0}; I take care of the {1}.",
             "If the {0} costs more than the {1}, let us think again."]


def bulk(count: int, seed: int = 1) -> Iterator[Message]:
    """So many small messages as a mailbox of years holds them, always the same for a seed."""
    numbers = random.Random(seed)
    paragraphs = [_paragraph(numbers) for _ in range(300)]
    moment = FIRST_DAY
    for number in range(1, count + 1):
        moment += timedelta(seconds=numbers.randrange(60, 4000))
        seen = ("\\Seen",) if numbers.random() < 0.8 else ()
        flagged = ("\\Flagged",) if numbers.random() < 0.03 else ()
        content = _small(numbers, number, moment, paragraphs)
        yield Message(content.encode(), flagged + seen, moment)


def _paragraph(numbers: random.Random) -> str:
    return "\r\n".join(numbers.choice(SENTENCES).format(*numbers.sample(THINGS, 2))
                       for _ in range(numbers.randrange(2, 7))) + "\r\n"


def _small(numbers: random.Random, number: int, moment: datetime, paragraphs: list[str]) -> str:
    """One message: as much header as relays add nowadays, and a few paragraphs."""
    pick = numbers.random
    name, address = PEOPLE[int(pick() * len(PEOPLE))]
    to_name, to_address = PEOPLE[int(pick() * len(PEOPLE))]
    first, second = THINGS[int(pick() * len(THINGS))], THINGS[int(pick() * len(THINGS))]
    reply = pick() < 0.4
    earlier = f"<{max(1, number - 7)}.{first}@example.org>"
    date = moment.strftime("%a, %d %b %Y %H:%M:%S +0000")
    mark = f"{number:08x}"
    body = "\r\n".join(paragraphs[int(pick() * len(paragraphs))]
                       for _ in range(1 + int(pick() * 4)))
    return (
        f"Return-Path: <{address}>\r\n"
        f"Received: from mx.example.org (mx.example.org [192.0.2.{number % 250}])\r\n"
        f"\tby mail.example.net with ESMTPS id {mark}\r\n"
        f"\tfor <{to_address}>; {date}\r\n"
        f"Received: from [198.51.100.{number % 249}] by mx.example.org with ESMTPSA id q{mark};\r\n"
        f"\t{date}\r\n"
        f"Date: {date}\r\n"
        f"From: {name} <{address}>\r\n"
        f"To: {to_name} <{to_address}>\r\n"
        f"Subject: {'Re: ' if reply else ''}The {first} and the {second}, part {number}\r\n"
        f"Message-ID: <{number}.{first}@example.org>\r\n"
        + (f"In-Reply-To: {earlier}\r\nReferences: {earlier}\r\n" if reply else "") +
        "MIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "\r\n"
        f"{body}\r\n-- \r\n{name}\r\n")


def corpus() -> dict[str, bytes]:
    """Every message of the corpus beside the checkout, by file name; empty where there is none."""
    return {path.name: to_crlf(path.read_bytes())
            for path in sorted(CORPUS.glob("*/msg/*")) if path.is_file()}


def corpus_summary() -> str:
    """How much of it there is, for the head of a test report."""
    messages = corpus()
    if not messages:
        return f"corpus: none, for there is no {CORPUS}"
    return f"corpus: {len(messages)} messages, {sum(map(len, messages.values()))} bytes"


def to_crlf(content: bytes) -> bytes:
    """Makes each bare LF a CRLF."""
    return re.sub(rb"(?<!\r)\n", b"\r\n", content)
