# SPDX-License-Identifier: MIT
"""What users do to mail in a mount, in steps that a crash may come between, or into.

A message is told by a part of its name that nothing changes: its subject, or its UID.
"""

import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Callable, NamedTuple

import messages
from mailserver import Account
from messages import Message
from place import Place, with_flags
from processes import wait_until

DAY = datetime(2024, 2, 13, 4, 5, 6, tzinfo=timezone.utc)
BOXES = ("INBOX", "Archive", "Drafts", "Trash")
GONE = "T"  # is in the name of a message that is marked as deleted


class Step(NamedTuple):
    """One call of a program."""

    do: Callable[[Place], None]
    is_done: Callable[[Place], bool]  # asked when do() has failed


class Scenario(NamedTuple):
    """Steps in an account as new_account() makes it, mounted with these options."""

    options: tuple[str, ...]
    steps: list[Step]


def new_account(server) -> Account:
    """One with some mail; the server makes Drafts and Trash by itself."""
    account = server.new_account()
    twin = letter("Twin", 5)
    account.deliver_all([
        letter("Apple", 1), letter("Birch", 2, "\\Seen", "work"),
        letter("Cedar", 3, "\\Answered"), letter("Daisy", 4, "\\Seen", "\\Flagged"), twin, twin])
    account.create("Archive")
    account.deliver_all([letter("Elder", 6), letter("Apple", 1)], "Archive")
    account.deliver_all([letter("Fern", 7, "\\Draft", "\\Seen", "work")], "Drafts")
    account.deliver_all([letter("Grass", 8, "\\Seen")], "Trash")
    return account


def letter(subject: str, number: int, *flags: str, body: bytes = b"Hello.\r\n") -> Message:
    content = messages.message(body, subject=subject, message_id=f"<{number}@example.org>")
    return Message(content, flags, DAY + timedelta(days=number))


# --- finding ---

def named(here: Place, box: str, part: str) -> list[Path]:
    """The messages in a mailbox that have this in their names, but for those that are marked."""
    paths = [here.dir(box) / name for name in os.listdir(here.dir(box)) if part in name]
    return [path for path in paths if GONE not in letters_of(path)]


def find(here: Place, box: str, part: str) -> Path:
    """The one message of that name.

    What was sent and not answered may be seen beside what it becomes, until that has been looked for.
    """
    try:
        wait_until(lambda: len(named(here, box, part)) == 1)
    except TimeoutError:
        pass
    paths = named(here, box, part)
    assert len(paths) == 1, f"{part!r} is in {box} as {paths}"
    return paths[0]


def letters_of(path: Path) -> str:
    """The flags in its name."""
    return path.stem.rpartition(",")[2] if "," in path.stem else ""


def holds(here: Place, box: str, content: bytes) -> bool:
    """Whether the mount or the server has it."""
    return any(path.read_bytes() == content for path in named(here, box, ".eml")) or \
        any(one.content == content for one in here.seen(box))


# --- steps with messages ---

def flag(part: str, box: str, letters: str) -> Step:
    def do(here: Place) -> None:
        path = find(here, box, part)
        path.rename(with_flags(path, letters))
    return Step(do, lambda here: letters_of(find(here, box, part)) == letters)


def move(part: str, source: str, target: str) -> Step:
    def do(here: Place) -> None:
        path = find(here, source, part)
        path.rename(here.dir(target) / path.name)
    return Step(do, lambda here: not named(here, source, part))


def copy(part: str, source: str, target: str) -> Step:
    """As cp does it."""
    def do(here: Place) -> None:
        path = find(here, source, part)
        with open(path, "rb", 0) as old, open(here.dir(target) / path.name, "xb", 0) as new:
            while os.copy_file_range(old.fileno(), new.fileno(), 1 << 30):
                pass
    return Step(do, lambda here: bool(named(here, target, part)))


def write(message: Message, box: str, name: str) -> Step:
    def do(here: Place) -> None:
        with open(here.dir(box) / name, "wb", 0) as file:
            _write_all(file, message.content)
            os.utime(file.fileno(), (message.date.timestamp(),) * 2)
    return Step(do, lambda here: holds(here, box, message.content))


def rewrite(part: str, box: str, content: bytes) -> Step:
    def do(here: Place) -> None:
        with open(find(here, box, part), "wb", 0) as file:
            _write_all(file, content)
    return Step(do, lambda here: holds(here, box, content))


def remove(part: str, box: str) -> Step:
    return Step(lambda here: find(here, box, part).unlink(),
                lambda here: not named(here, box, part))


def _write_all(file, content: bytes) -> None:
    while content:
        content = content[file.write(content):]


# --- steps with mailboxes ---

def mkdir(box: str) -> Step:
    return Step(lambda here: here.dir(box).mkdir(exist_ok=True), lambda here: _is_there(here, box))


def rmdir(box: str) -> Step:
    return Step(lambda here: here.dir(box).rmdir(), lambda here: not _is_there(here, box))


def move_box(old: str, new: str) -> Step:
    return Step(lambda here: here.dir(old).rename(here.dir(new)),
                lambda here: not _is_there(here, old))


def _is_there(here: Place, box: str) -> bool:
    """Path.exists() takes any error for an answer."""
    return here.dir(box).name in os.listdir(here.dir(box).parent)


def _sync(box: str) -> Step:
    def do(here: Place) -> None:
        folder = os.open(here.dir(box), os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return Step(do, lambda here: False)


SYNC: list[Step] = [_sync(box) for box in BOXES]

# --- scenarios ---

SMALL = letter("Hazel", 21, body=b"Nuts.\r\n")
LARGE = letter("Iris", 22, body=b"All work and no play makes Jack a dull boy.\r\n" * 4400)
BETTER = letter("Fern", 23, body=b"Much better.\r\n").content
BEST = letter("Fern", 24, body=b"The best of all.\r\n").content

FLAGS = [flag("Apple", "INBOX", "S"), flag("Birch", "INBOX", "FRSa"), flag("Daisy", "INBOX", ""),
         flag("Apple", "INBOX", "FS"), flag("Elder", "Archive", "S")]
MOVES = [move("Apple", "INBOX", "Archive"), move("Birch", "INBOX", "Archive"),
         move(".u5,", "INBOX", "Archive"), move(".u6,", "INBOX", "Archive"),
         move("Elder", "Archive", "INBOX")]
REMOVALS = [remove("Apple", "INBOX"), remove(".u5,", "INBOX"), remove("Elder", "Archive"),
            remove("Grass", "Trash")]
DRAFT = [rewrite("Fern", "Drafts", BETTER), rewrite("Fern", "Drafts", BEST)]

SCENARIOS = {
    "flags": Scenario((), FLAGS),
    "moves": Scenario((), MOVES),
    "moves-by-copying": Scenario(("disable=MOVE",), MOVES),
    "moves-that-only-mark": Scenario(("disable=MOVE", "disable=UIDPLUS"), MOVES),
    "copies": Scenario((), [copy("Birch", "INBOX", "Archive"), copy("Cedar", "INBOX", "Archive"),
                            copy("Elder", "Archive", "INBOX")]),
    "new": Scenario((), [write(SMALL, "INBOX", "Hazel.eml"),
                         write(LARGE, "Archive", "2024_Alice_Iris.u7,FS.eml")]),
    "removals": Scenario(("delete=expunge",), REMOVALS),
    "removals-that-only-mark": Scenario(("delete=expunge", "disable=UIDPLUS"), REMOVALS),
    "trash": Scenario(("delete=trash",), REMOVALS),
    "draft": Scenario((), DRAFT),
    "draft-without-uidplus": Scenario(("disable=UIDPLUS",), DRAFT),
    "mailboxes": Scenario((), [
        mkdir("Work"), move("Apple", "INBOX", "Work"), mkdir("Work/2024"),
        move("Birch", "INBOX", "Work/2024"), move_box("Work", "Done"),
        move("Cedar", "INBOX", "Done"), move("Birch", "Done/2024", "Archive"), rmdir("Done/2024"),
        move("Cedar", "Done", "Archive"), move("Apple", "Done", "INBOX"), rmdir("Done")]),
    "mix": Scenario((), [
        flag("Apple", "INBOX", "F"), move("Apple", "INBOX", "Drafts"),
        flag("Apple", "Drafts", "FS"),
        copy("Birch", "INBOX", "Archive"), write(SMALL, "Archive", "Hazel.eml"),
        flag("Birch", "Archive", "RS"), move("Hazel", "Archive", "INBOX"), remove("Cedar", "INBOX"),
        rewrite("Fern", "Drafts", BETTER), move("Apple", "Drafts", "INBOX"),
        move("Fern", "Drafts", "Archive")]),
}
