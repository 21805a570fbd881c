# SPDX-License-Identifier: MIT
"""A mailbox as people have it: plain letters, letters with HTML beside the text, and attachments."""

import base64
import html
import quopri
import random
from typing import Iterator, NamedTuple

import messages
from messages import Message, part

PLAIN, ALTERNATIVE = 0.55, 0.2  # of all; the rest has attachments
MEAN_ATTACHMENT = 210_000


class Letter(NamedTuple):
    message: Message
    text_bytes: int  # of the header, and of the text that is read, as they are sent


def _html(text: bytes) -> bytes:
    paragraphs = html.escape(text.decode().replace("\r\n", "\n")).split("\n\n")
    page = "<html><body>" + "".join(f"<p>{one}</p>\n" for one in paragraphs) + "</body></html>\n"
    return quopri.encodestring(page.encode()).replace(b"\n", b"\r\n")


def _attachment(numbers: random.Random, pool: bytes) -> bytes:
    size = min(int(numbers.expovariate(1 / MEAN_ATTACHMENT)) + 1000, len(pool) - 1)
    start = numbers.randrange(len(pool) - size)
    data = base64.encodebytes(pool[start:start + size]).replace(b"\n", b"\r\n")
    return part(data, content_type="application/pdf", content_transfer_encoding="base64",
                content_disposition='attachment; filename="minutes.pdf"')


def _multipart(head: bytes, subtype: str, *parts: bytes) -> bytes:
    head = head.replace(b"Content-Type: text/plain; charset=utf-8",
                        f'Content-Type: multipart/{subtype}; boundary="=_next"'.encode())
    body = b"".join(b"--=_next\r\n" + one + b"\r\n" for one in parts) + b"--=_next--\r\n"
    return head + b"\r\n\r\n" + body


def letters(count: int) -> Iterator[Letter]:
    """Always the same for a count; 100 KB on an average."""
    numbers = random.Random(11)
    pool = numbers.randbytes(4_000_000)
    for message in messages.bulk(count):
        head, text = message.content.split(b"\r\n\r\n", 1)
        kind, content = numbers.random(), message.content
        if kind >= PLAIN + ALTERNATIVE:
            several = [_attachment(numbers, pool) for _ in range(numbers.choice((1, 1, 2)))]
            content = _multipart(head, "mixed", part(text), *several)
        elif kind >= PLAIN:
            page = part(_html(text), content_type="text/html; charset=utf-8",
                        content_transfer_encoding="quoted-printable")
            content = _multipart(head, "alternative", part(text), page)
        yield Letter(message._replace(content=content),
                     content.index(b"\r\n\r\n") + 4 + len(text))
