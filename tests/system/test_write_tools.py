# SPDX-License-Identifier: MIT
"""The programs that people write files with, on a mount: each succeeds, and does it once."""

import os
import shutil
import tempfile
from datetime import datetime, timezone
from pathlib import Path

import pytest

import messages
from messages import Message
from place import Place, touched

LETTER = messages.message()
OTHER = messages.message(b"Another one.\r\n", subject="Another")
DRAFT = messages.message(b"Dear Bob,\r\nsee you.\r\n", subject="Draft")
EDITED = DRAFT.replace(b"see you", b"till tomorrow")
DATE = datetime(2024, 2, 13, 4, 5, 6, tzinfo=timezone.utc)
LATER = datetime(2024, 3, 1, 8, 0, 0, tzinfo=timezone.utc)
SUBSTITUTION = "s/see you/till tomorrow/"


@pytest.fixture
def place(account, mount, proxy):
    """place(*messages, boxes=…, user=…): INBOX with these, and an empty Archive.

    rm removes for good.
    """
    def make(*contents, boxes=(), user=None):
        between = proxy(account.server.port, record=True)
        account.deliver_all([one if isinstance(one, Message) else Message(one)
                             for one in contents])
        account.create("Archive", *boxes)
        mounted = mount(account.url("imap+insecure", between.port), "delete=expunge",
                        user=user)
        return Place(account, mounted, between)
    return make


@pytest.fixture
def source(folder) -> Path:
    """A folder on a disk with two messages, the second of which was seen."""
    for name, content, date in [("a.eml", LETTER, DATE), ("2024_b.u7,S.eml", OTHER, LATER)]:
        (folder / name).write_bytes(content)
        os.utime(folder / name, (date.timestamp(),) * 2)
    return folder


def assert_taken(here: Place, path: str = "INBOX", is_dated: bool = True) -> None:
    """The mailbox has what is in `source`, with flags and dates, and its directory shows it.

    Some programs set the date of a file when they have closed it: then it has been sent.
    """
    here.sync(path)
    after = sorted(here.seen(path), key=lambda one: one.content)
    assert [one.content for one in after] == sorted([LETTER, OTHER])
    assert [(one.content, one.flags) for one in after if one.flags] == [(OTHER, {"\\Seen"})]
    if is_dated:
        assert {one.content: one.date for one in after} == {LETTER: DATE, OTHER: LATER}
    assert sorted(one.read_bytes() for one in here.files(path)) == sorted([LETTER, OTHER])
    assert len(os.listdir(here.dir(path))) == 2


# --- copying from a disk ---

COPIES = {
    "rsync": ["rsync", "-a", "{source}/", "INBOX/"],
    "cp-a": ["cp", "-a", "{source}/.", "INBOX/"],
    "cp-p": ["cp", "-p", "-t", "INBOX", "{first}", "{second}"],
    "mv": ["mv", "-t", "INBOX", "{first}", "{second}"],
    "tar": ["sh", "-c", "tar -cf - -C {source} . | tar -xf - -C INBOX"],
    "rsync-inplace": ["rsync", "-a", "--inplace", "{source}/", "INBOX/"],
    "install": ["install", "-p", "-m", "600", "-t", "INBOX", "{first}", "{second}"],
    "gio": ["gio", "copy", "-p", "{first}", "{second}", "INBOX"],
}
DATING = ("rsync", "cp-a", "cp-p", "mv", "tar", "shell")


@pytest.mark.parametrize("program", COPIES)
def test_copying_in(place, source, program):
    here = place()
    words = [word.format(source=source, first=source / "a.eml",
                         second=source / "2024_b.u7,S.eml") for word in COPIES[program]]
    here.mount.run(*words, check=True)
    assert_taken(here, is_dated=program in DATING)
    assert touched(here.said()) in (["APPEND"], ["APPEND", "APPEND"])


@pytest.mark.parametrize("program", [name for name in COPIES if name != "mv"])
def test_copying_in_again(place, source, program):
    """By the names that they were given, the messages are found and replaced, or left alone."""
    here = place()
    words = [word.format(source=source, first=source / "a.eml",
                         second=source / "2024_b.u7,S.eml") for word in COPIES[program]]
    for _ in range(2):
        here.mount.run(*words, check=True)
    assert_taken(here, is_dated=program in DATING)


def test_copying_in_by_python(place, source):
    here = place()
    inbox = here.dir("INBOX")
    shutil.copy2(source / "a.eml", inbox)
    shutil.move(source / "2024_b.u7,S.eml", inbox)
    assert_taken(here, is_dated=False)
    shutil.copy(source / "a.eml", here.dir("Archive") / "b.eml")
    assert here.only("Archive").content == LETTER
    assert not (source / "2024_b.u7,S.eml").exists()


def test_copying_a_folder_in_by_python(place, source):
    here = place()
    shutil.copytree(source, here.dir("New"))
    assert_taken(here, "New", is_dated=False)


def test_copying_a_folder_in(place, source):
    here = place()
    here.mount.run("cp", "-a", source, here.dir("New"), check=True)
    assert_taken(here, "New")


def test_moving_a_folder_in(place, source):
    here = place()
    moved = source / "New"
    moved.mkdir()
    for name in ("a.eml", "2024_b.u7,S.eml"):
        (source / name).rename(moved / name)
    here.mount.run("mv", moved, ".", check=True)
    assert_taken(here, "New")
    assert os.listdir(source) == []


def test_writing_aside_and_replacing(place):
    """As many libraries do it, so that a reader sees the old file or the new one."""
    here = place()
    for content in (LETTER, OTHER):
        with tempfile.NamedTemporaryFile(dir=here.dir("INBOX"), delete=False) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(file.name, here.dir("INBOX") / "new.eml")
    here.sync()
    assert here.only().content == OTHER
    assert len(os.listdir(here.dir("INBOX"))) == 1


def test_dd(place, source):
    here = place()
    here.mount.run("dd", f"if={source}/a.eml", "of=INBOX/new.eml", "bs=100", "conv=fsync",
                   check=True)
    assert here.only().content == LETTER
    assert touched(here.said()) == ["APPEND"]


def test_shell(place, source):
    here = place()
    here.mount.run("bash", "-ec", f"cat {source}/a.eml > INBOX/new.eml", check=True)
    assert here.only().content == LETTER
    here.mount.run("bash", "-ec", "echo P.S. >> INBOX/new.eml", check=True)
    assert here.only().content == LETTER + b"P.S.\r\n"


@pytest.mark.parametrize("name", ["letter.eml~", "sedentary", "XX000123"])
def test_copying_by_names_of_editors(place, source, name):
    here = place()
    here.mount.run("cp", source / "a.eml", f"INBOX/{name}", check=True)
    assert here.only().content == LETTER


def test_touch_sends_nothing(place):
    here = place()
    here.mount.run("touch", "INBOX/new.eml", check=True)
    assert touched(here.said()) == [] and here.seen() == []


def test_rsync_again(place, source):
    """What is there already is not sent again, and not even looked into."""
    here = place()
    for _ in range(3):
        here.mount.run("rsync", "-a", f"{source}/", "INBOX/", check=True)
    assert touched(here.said()) in (["APPEND"], ["APPEND", "APPEND"])
    assert_taken(here)


def test_rsync_there_and_back(place, folder):
    here = place(Message(LETTER, ("\\Seen",), DATE), Message(OTHER, (), LATER))
    here.mount.run("rsync", "-a", "INBOX/", f"{folder}/", check=True)
    before = here.seen()
    here.mount.run("rsync", "-a", f"{folder}/", "INBOX/", check=True)
    assert touched(here.said()) == [] and here.seen() == before


# --- between mailboxes ---

BETWEEN = {
    "rsync": ["rsync", "-a", "INBOX/", "Archive/"],
    "cp-a": ["cp", "-a", "INBOX/.", "Archive/"],
    "shell": ["sh", "-ec", "cp -p INBOX/* Archive/"],
    "tar": ["sh", "-ec", "tar -cf - -C INBOX . | tar -xf - -C Archive"],
    "gio": ["sh", "-ec", "gio copy -p INBOX/* Archive/"],
}


@pytest.mark.parametrize("program", BETWEEN)
def test_copying_between_mailboxes(place, program):
    here = place(Message(LETTER, (), DATE), Message(OTHER, ("\\Seen",), LATER))
    before = here.seen()
    here.mount.run(*BETWEEN[program], check=True)
    assert_taken(here, "Archive", is_dated=program in DATING)
    assert here.seen() == before


def test_rsync_between_mailboxes_again(place):
    here = place(Message(LETTER, (), DATE), Message(OTHER, ("\\Seen",), LATER))
    for _ in range(3):
        here.mount.run("rsync", "-a", "INBOX/", "Archive/", check=True)
    assert_taken(here, "Archive")


def test_copying_a_mailbox_by_python(place):
    here = place(Message(LETTER, (), DATE), Message(OTHER, ("\\Seen",), LATER))
    shutil.copytree(here.dir("INBOX"), here.dir("New"))
    assert_taken(here, "New", is_dated=False)


MOVES = {
    "mv": ["sh", "-ec", "mv -n INBOX/* Archive/"],
    "gio": ["sh", "-ec", "gio move INBOX/* Archive/"],
    "rename": ["sh", "-ec", "find INBOX -name '*.eml' -exec mv -t Archive {} +"],
}


@pytest.mark.parametrize("command", MOVES.values(), ids=MOVES)
def test_moving_between_mailboxes(place, command):
    here = place(Message(LETTER, (), DATE), Message(OTHER, ("\\Seen",), LATER))
    here.mount.run(*command, check=True)
    here.sync()
    assert_taken(here, "Archive")
    assert here.seen() == [] and here.files("INBOX") == []
    assert "APPEND" not in touched(here.said())


def test_moving_by_python(place):
    here = place(Message(LETTER, (), DATE), Message(OTHER, ("\\Seen",), LATER))
    for path in here.files("INBOX"):
        shutil.move(path, here.dir("Archive"))
    here.sync()
    assert_taken(here, "Archive")
    assert here.seen() == []


OUT = {
    "mv": ["sh", "-ec", "mv INBOX/* {folder}"],
    "rsync": ["rsync", "-a", "--remove-source-files", "INBOX/", "{folder}/"],
    "gio": ["sh", "-ec", "gio move INBOX/* {folder}"],
}


@pytest.mark.parametrize("command", OUT.values(), ids=OUT)
def test_moving_out(place, folder, command):
    here = place(Message(LETTER, (), DATE), Message(OTHER, ("\\Seen",), LATER))
    names = [path.name for path in here.files("INBOX")]
    here.mount.run(*(word.format(folder=folder) for word in command), check=True)
    here.sync()
    assert here.seen() == [] and here.files("INBOX") == []
    assert [(folder / name).read_bytes() for name in names] == [LETTER, OTHER]
    assert [(folder / name).stat().st_mtime for name in names] == [
        DATE.timestamp(), LATER.timestamp()]


def test_moving_a_mailbox_out(place, folder):
    here = place()
    here.account.deliver_all([Message(LETTER), Message(OTHER)], "Archive")
    here.mount.run("mv", "Archive", folder, check=True)
    assert here.boxes() == {"INBOX"}
    assert sorted(path.read_bytes() for path in (folder / "Archive").iterdir()) == sorted(
        [LETTER, OTHER])


# --- editing a draft ---

EDITORS = {
    "vim": ["vim.tiny", "-Nes", "-u", "NONE", "-i", "NONE", "-c", "set fileformat=dos",
            "-c", f"%{SUBSTITUTION}", "-c", "wq"],
    "vim-with-a-copy": ["vim.tiny", "-Nes", "-u", "NONE", "-i", "NONE", "-c",
                        "set backupcopy=yes backup", "-c", f"%{SUBSTITUTION}", "-c", "wq"],
    "sed": ["sed", "-i", SUBSTITUTION],
    "perl": ["perl", "-pi", "-e", SUBSTITUTION],
    "mv": ["sh", "-ec", f"sed '{SUBSTITUTION}' \"$0\" > .new && mv .new \"$0\""],
    "cp": ["sh", "-ec", f"sed '{SUBSTITUTION}' \"$0\" > .new && cp .new \"$0\" && rm .new"],
    "python": ["python3", "-c", "import sys, pathlib; path = pathlib.Path(sys.argv[1]);"
               "path.write_bytes(path.read_bytes().replace(b'see you', b'till tomorrow'))"],
}


@pytest.mark.parametrize("command", EDITORS.values(), ids=EDITORS)
def test_editing_a_draft(place, user, command):
    here = place(Message(DRAFT, ("\\Draft", "\\Seen"), DATE), LETTER, user=user)
    path = here.files("INBOX")[0].name
    here.mount.run("env", "-C", "INBOX", *command, path, check=True)
    here.sync()
    assert sorted(one.content for one in here.seen()) == sorted([LETTER, EDITED])
    [edited] = [one for one in here.seen() if one.content == EDITED]
    assert edited.flags == {"\\Draft", "\\Seen"} and edited.date == DATE
    assert here.mount.run("ls", "INBOX", check=True).stdout.count(b"\n") == 2


@pytest.mark.parametrize("command", EDITORS.values(), ids=EDITORS)
def test_editing_a_draft_by_the_same_name(place, command):
    """Nobody has listed the directory since it was called so."""
    here = place(Message(DRAFT, ("\\Draft", "\\Seen"), DATE))
    path = here.file("INBOX").name
    here.mount.run("env", "-C", "INBOX", *command, path, check=True)
    here.mount.run("env", "-C", "INBOX", "sed", "-i", "s/Dear/Hello/", path, check=True)
    here.sync()
    assert here.only().content == EDITED.replace(b"Dear", b"Hello")
    assert here.only().flags == {"\\Draft", "\\Seen"} and here.only().date == DATE


# --- removing ---

REMOVALS = {
    "rm": ["sh", "-ec", "rm INBOX/*.eml"],
    "find": ["find", "INBOX", "-name", "*.eml", "-delete"],
    "gio": ["sh", "-ec", "gio remove INBOX/*.eml"],
    "python": ["python3", "-c", "import os, pathlib\n"
               "for path in pathlib.Path('INBOX').iterdir(): path.unlink()"],
}


@pytest.mark.parametrize("command", REMOVALS.values(), ids=REMOVALS)
def test_removing(place, command):
    here = place(LETTER, OTHER)
    here.mount.run(*command, check=True)
    here.sync()
    assert here.seen() == [] and os.listdir(here.dir("INBOX")) == []


def test_trash_of_file_managers(place):
    """They are refused a trash of their own, and offer to remove for good."""
    here = place(LETTER)
    done = here.mount.run("gio", "trash", here.file("INBOX"))
    assert done.returncode != 0
    here.sync()
    assert here.only().content == LETTER and touched(here.said()) == []
    assert here.file("INBOX").read_bytes() == LETTER
    assert not [path for path in os.listdir(here.mount.path) if "Trash" in path]


REMOVALS_OF_ALL = {
    "rm": ["rm", "-rf", "Archive"],
    "find": ["find", "Archive", "-delete"],
    "python": ["python3", "-c", "import shutil; shutil.rmtree('Archive')"],
}


@pytest.mark.parametrize("command", REMOVALS_OF_ALL.values(), ids=REMOVALS_OF_ALL)
def test_removing_a_mailbox(place, command):
    here = place(LETTER, boxes=["Archive/2024"])
    for box in ("Archive", "Archive/2024"):
        here.account.deliver_all([Message(one) for one in (LETTER, OTHER)], box)
    assert len(here.files("Archive/2024")) == 2
    here.mount.run(*command, check=True)
    assert here.boxes() == {"INBOX"}
    assert not here.dir("Archive").exists()
    assert here.only().content == LETTER
