#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The mail of Nora Vik, who repairs harmoniums: letters/*.txt made into messages.

A letter is a text file: fields, an empty line, the text, and then perhaps "=== html" with the same
in HTML, or "=== forward NAME" to enclose another letter.  Fields that are not in OWN_FIELDS go into
the message's header as they are.

Run with the name of a folder, it writes all messages there.
"""

import mimetypes
import sys
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from pathlib import Path
from typing import Optional

from attachments import attachment

LETTERS = Path(__file__).resolve().parent / "letters"
OWN_FIELDS = ("mailbox", "received", "flags", "charset", "encoding", "attach", "answers")
SPECIAL_USE = {"Sent": "\\Sent", "Drafts": "\\Drafts", "Trash": "\\Trash", "Junk": "\\Junk",
               "Archive": "\\Archive"}


@dataclass
class Letter:
    """One file, read."""

    name: str
    fields: list[tuple[str, str]]
    text: str
    html: Optional[str] = None
    forwards: Optional[str] = None

    def field(self, name: str, otherwise: str = "") -> str:
        return next((value for key, value in self.fields if key == name), otherwise)

    @property
    def mailbox(self) -> str:
        return self.field("mailbox")

    @property
    def flags(self) -> tuple[str, ...]:
        return tuple(self.field("flags").split())

    @property
    def received(self) -> datetime:
        return datetime.strptime(self.field("received"), "%Y-%m-%d %H:%M %z")

    @property
    def message_id(self) -> str:
        return f"<{self.name}@{parseaddr(self.field('from'))[1].rpartition('@')[2]}>"


def read_letters() -> dict[str, Letter]:
    """All letters by name, in the order in which they arrived."""
    letters = [_read(path) for path in LETTERS.glob("*.txt")]
    return {letter.name: letter for letter in sorted(letters, key=lambda one: one.received)}


def _read(path: Path) -> Letter:
    head, _, rest = path.read_text(encoding="utf-8").partition("\n\n")
    pairs = [line.partition(":")[::2] for line in head.splitlines()]
    text, *sections = rest.split("\n=== ")
    fields = [(name, value.strip()) for name, value in pairs]
    letter = Letter(path.stem, fields, text.rstrip() + "\n")
    for section in sections:
        title, _, content = section.partition("\n")
        if title == "html":
            letter.html = content
        else:
            letter.forwards = title.removeprefix("forward ").strip()
    return letter


def build(letter: Letter, letters: dict[str, Letter]) -> EmailMessage:
    """The letter as a message, always the same to the byte."""
    message = EmailMessage(SMTP)
    _add_header(message, letter, letters)
    message.set_content(letter.text, charset=letter.field("charset", "utf-8"),
                        cte=letter.field("encoding") or None)
    if letter.html:
        message.add_alternative(letter.html, subtype="html", cte="quoted-printable")
    if letter.forwards:
        message.add_attachment(build(letters[letter.forwards], letters))
    for name in (value for key, value in letter.fields if key == "attach"):
        main, _, sub = (mimetypes.guess_type(name)[0] or "application/octet-stream").partition("/")
        message.add_attachment(attachment(name), main, sub, filename=name)
    _name_boundaries(message, letter.name)
    return message


def _add_header(message: EmailMessage, letter: Letter, letters: dict[str, Letter]) -> None:
    message["Date"] = format_datetime(letter.received)
    for name, value in letter.fields:
        if name not in OWN_FIELDS:
            message[name.title()] = value
    message["Message-ID"] = letter.message_id
    if answered := letter.field("answers"):
        message["In-Reply-To"] = message["References"] = letters[answered].message_id


def _name_boundaries(message: EmailMessage, name: str) -> None:
    """Else they would be random; what is enclosed has its own already."""
    parts = [part for part in message.walk() if part.get_content_maintype() == "multipart"]
    for number, part in enumerate(part for part in parts if part.get_boundary() is None):
        part.set_boundary(f"=-{name}-{number}")


def main() -> None:
    letters = read_letters()
    for letter in letters.values():
        path = Path(sys.argv[1]) / letter.mailbox / f"{letter.name}.eml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(build(letter, letters)))


if __name__ == "__main__":
    main()
