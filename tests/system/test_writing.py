# SPDX-License-Identifier: MIT
"""What each act in the mount does on the server: Dovecot, Cyrus and Courier, by a second client."""

import errno
import os
import re
from datetime import datetime, timezone

import pytest

import messages
from messages import Message
from place import Place, touched, with_flags

LETTER = messages.message()
DATE = datetime(2024, 2, 13, 4, 5, 6, tzinfo=timezone.utc)


@pytest.fixture(params=["dovecot", "cyrus", "courier"])
def server(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def place(server, mount, proxy):
    """place(*messages, options=…): INBOX with these, and an empty Archive, on each server."""
    def make(*contents, options=()):
        account = server.new_account()
        between = proxy(server.port, record=True)
        made = Place(account, None, between)
        if contents:
            account.deliver_all([one if isinstance(one, Message) else Message(one)
                                 for one in contents])
        account.create(made.box("Archive"))
        made.mount = mount(account.url("imap+insecure", between.port), *options)
        return made
    return make


def refused(code):
    """The call must fail with that error."""
    return pytest.raises(OSError, match=os.strerror(code).replace("(", r"\("))


# --- flags ---

def test_renaming_changes_flags(place):
    here = place(Message(LETTER, ("\\Answered", "$Forwarded", "work"), DATE))
    old = here.file("INBOX")
    here.move(old, with_flags(old, "FPRSa"))
    here.sync()
    after = here.only()
    assert after.flags == {"\\Answered", "$Forwarded", "work", "\\Flagged", "\\Seen"}
    assert after.content == LETTER and after.date == DATE
    [store] = [line for line in here.said() if "STORE" in line]
    assert store.startswith("UID STORE") and "+FLAGS" in store
    assert "work" not in store and "Answered" not in store
    assert [path.name for path in here.files("INBOX")] == [with_flags(old, "FPRSa").name]


def test_taking_flags_off(place):
    here = place(Message(LETTER, ("\\Seen", "\\Flagged")))
    old = here.file("INBOX")
    here.move(old, with_flags(old, "F"))
    here.sync()
    assert here.only().flags == {"\\Flagged"}
    assert all("+FLAGS" not in line for line in here.said())


def test_flags_of_somebody_else_stay(place):
    """The name says what was seen: only what differs in the new one is changed."""
    here = place(LETTER)
    old = here.file("INBOX")
    with here.account.raw("INBOX") as raw:
        raw.must(f"UID STORE {here.only().uid} +FLAGS (\\Flagged)")
    here.move(old, with_flags(old, "S"))
    here.sync()
    assert here.only().flags == {"\\Flagged", "\\Seen"}


def test_setfattr(place):
    here = place(LETTER)
    old = here.file("INBOX")
    os.setxattr(old, "user.xdg.tags", b"work,home")
    os.setxattr(here.file("INBOX"), "user.mail.flags", b"\\Seen")
    here.sync()
    assert here.only().flags == {"work", "home", "\\Seen"}
    new = here.file("INBOX")
    assert os.getxattr(new, "user.mail.keywords") == b"work home"
    os.setxattr(new, "user.mail.keywords", b"home")
    os.removexattr(here.file("INBOX"), "user.mail.flags")
    here.sync()
    assert here.only().flags == {"home"}
    with refused(errno.EINVAL):
        os.setxattr(here.file("INBOX"), "user.mail.keywords", b"a(b")


def test_names_that_do_not_follow(place):
    here = place(LETTER)
    old = here.file("INBOX")
    with refused(errno.EINVAL):
        os.rename(old, old.with_name(old.name.replace(".u1,", ".u2,")))
    with refused(errno.EPERM):
        os.rename(old, old.with_name("other" + old.name))
    assert here.file("INBOX") == old
    assert touched(here.said()) == []


# --- moving and copying ---

def test_moving(place):
    here = place(Message(LETTER, ("\\Seen", "work"), DATE))
    old = here.file("INBOX")
    here.move(old, here.dir("Archive"))
    assert not old.exists()
    assert (here.dir("Archive") / old.name).exists()
    here.sync("Archive")
    after = here.only("Archive")
    assert here.seen("INBOX") == []
    assert after.content == LETTER and after.date == DATE
    assert after.flags == {"\\Seen", "work"}
    assert (here.dir("Archive") / old.name).read_bytes() == LETTER
    assert here.file("Archive").read_bytes() == LETTER
    assert here.files("INBOX") == []


def test_moving_costs_no_bytes(place):
    here = place(messages.of_size(200_000))
    old = here.file("INBOX")
    with here.proxy.count() as counts:
        here.move(old, here.dir("Archive"))
        here.sync("Archive")
    assert counts.bytes_up + counts.bytes_down < 8_000
    assert "APPEND" not in touched(here.said())


def test_copying_costs_no_bytes(place):
    here = place(Message(messages.of_size(200_000), ("\\Seen",), DATE))
    old = here.file("INBOX")
    with here.proxy.count() as counts:
        here.mount.run("cp", old, here.dir("Archive"), check=True)
        here.sync("Archive")
    assert counts.bytes_up + counts.bytes_down < 8_000
    assert touched(here.said()) == ["UID COPY"]
    copied = here.only("Archive")
    assert copied.content == here.only("INBOX").content
    assert copied.date == DATE and copied.flags == {"\\Seen"}


def test_moving_with_other_flags(place):
    here = place(LETTER)
    old = here.file("INBOX")
    here.move(old, here.dir("Archive") / with_flags(old, "FS").name)
    here.sync("INBOX", "Archive")
    assert here.only("Archive").flags == {"\\Flagged", "\\Seen"}


def test_moving_there_and_back(place):
    here = place(LETTER)
    old = here.file("INBOX")
    here.move(old, here.dir("Archive") / "a.eml")
    here.move(here.dir("Archive") / "a.eml", here.dir("INBOX") / "b.eml")
    here.sync("INBOX", "Archive")
    assert here.seen("Archive") == []
    assert here.only().content == LETTER
    assert (here.dir("INBOX") / "b.eml").read_bytes() == LETTER


# --- new messages ---

def test_writing_a_message(place):
    here = place()
    path = here.dir("INBOX") / "new.eml"
    path.write_bytes(LETTER)
    assert here.only().content == LETTER
    assert here.only().flags == frozenset()
    assert path.read_bytes() == LETTER
    assert here.file("INBOX").name.endswith(f".u{here.only().uid},.eml")
    assert not path.exists()


def test_header_in_utf8(place):
    """Several, for how the server takes the first decides how the others are sent."""
    here = place()
    content = [messages.message(subject=f"Grüße {number}") for number in range(3)]
    for number, one in enumerate(content):
        (here.dir("Archive") / f"{number}.eml").write_bytes(one)
    if here.account.server.name == "cyrus":  # which keeps no such octets in a header
        content = [re.sub(rb"[\x80-\xff]", b"X", one) for one in content]
    assert [one.content for one in here.seen("Archive")] == content


def test_line_ends(place):
    here = place()
    (here.dir("INBOX") / "new.eml").write_bytes(LETTER.replace(b"\r\n", b"\n"))
    assert here.only().content == LETTER


def test_date_and_flags_of_what_is_copied_in(place, folder):
    here = place()
    source = folder / "2024-02-13_0405_Alice_Budget.u7,FS.eml"
    source.write_bytes(LETTER)
    os.utime(source, (DATE.timestamp(),) * 2)
    here.mount.run("cp", "-p", source, here.dir("Archive"), check=True)
    after = here.only("Archive")
    assert after.date == DATE and after.flags == {"\\Flagged", "\\Seen"}
    assert after.content == LETTER


@pytest.mark.parametrize("content", [b"no message\n", b"\r\nbody\r\n", b"A: b\r\n\r\n\0\r\n"])
def test_what_is_no_message(place, content):
    here = place()
    with refused(errno.EINVAL):
        (here.dir("INBOX") / "new.eml").write_bytes(content)
    assert here.seen() == [] and here.files("INBOX") == []
    assert "APPEND" not in touched(here.said())


def test_dot_names_stay_here(place):
    here = place()
    temporary = here.dir("INBOX") / ".new.eml.aB3d"
    temporary.write_bytes(LETTER)
    assert temporary.read_bytes() == LETTER
    assert touched(here.said()) == []
    temporary.rename(here.dir("INBOX") / "new.eml")
    assert here.only().content == LETTER
    assert not temporary.exists()


def test_rewriting_a_draft(place):
    here = place(Message(LETTER, ("\\Draft", "\\Seen", "work"), DATE))
    old, path = here.only(), here.file("INBOX")
    longer = messages.message(b"Much better.\r\n")
    path.write_bytes(longer)
    after = here.only()
    assert after.content == longer and after.uid != old.uid
    assert after.flags == old.flags and after.date == DATE
    assert path.read_bytes() == longer


def test_appending_to_a_draft(place):
    here = place(Message(LETTER, ("\\Draft",), DATE))
    with here.file("INBOX").open("ab") as file:
        file.write(b"P.S.\r\n")
    assert here.only().content == LETTER + b"P.S.\r\n"


def test_a_group_of_commands_writes_one(place):
    """The shell closes copies of the descriptor in between."""
    here = place()
    here.mount.run("bash", "-c", "{ printf 'Subject: a\\n\\n'; cat /etc/hostname; echo end; } > "
                   + str(here.dir("INBOX") / "new.eml"), check=True)
    assert here.only().content.endswith(b"end\r\n")
    assert touched(here.said()) == ["APPEND"]


# --- removing ---

def test_removing_for_good(place):
    here = place(LETTER, messages.message(subject="stays"), options=("delete=expunge",))
    first, second = here.files("INBOX")
    with here.account.raw("INBOX") as raw:
        raw.must(f"UID STORE {here.seen()[1].uid} +FLAGS (\\Deleted)")
    first.unlink()
    assert not first.exists()
    here.sync()
    assert [one.content for one in here.seen()] == [messages.message(subject="stays")]
    assert "EXPUNGE" not in touched(here.said()) and "CLOSE" not in touched(here.said())


def test_marking(place):
    here = place(LETTER, options=("delete=mark",))
    path = here.file("INBOX")
    path.unlink()
    here.sync()
    assert here.only().flags == {"\\Deleted"}
    assert here.file("INBOX").name == with_flags(path, "T").name


def test_removing_a_mailbox_with_all_that_is_in_it(place):
    here = place(LETTER, options=("delete=expunge",))
    here.account.deliver_all([Message(LETTER)] * 2, here.box("Archive"))
    here.mount.run("rm", "-r", here.dir("Archive"), check=True)
    assert here.box("Archive") not in here.boxes()
    assert here.only().content == LETTER


# --- mailboxes ---

def test_mailboxes_come_and_go(place):
    here = place(LETTER)
    new = here.dir("Work")
    new.mkdir()
    assert here.box("Work") in here.boxes()
    (new / "2024 Ü").mkdir()
    (new / "2024 Ü" / "a.eml").write_bytes(LETTER)
    with refused(errno.ENOTEMPTY):
        new.rmdir()
    new.rename(here.dir("Done"))
    assert here.box("Work") not in here.boxes() and here.box("Done") in here.boxes()
    assert [path.name for path in here.dir("Done").iterdir()] == ["2024 Ü"]
    assert here.file("Done/2024 Ü").read_bytes() == LETTER
    with refused(errno.ENOTEMPTY):
        (here.dir("Done") / "2024 Ü").rmdir()
    here.file("Done/2024 Ü").rename(here.dir("INBOX") / "a.eml")
    (here.dir("Done") / "2024 Ü").rmdir()
    here.dir("Done").rmdir()
    assert here.box("Done") not in here.boxes()
    assert len(here.seen()) == 2


def test_inbox_is_protected(place):
    here = place(LETTER)
    for act in (here.dir("INBOX").rmdir, lambda: here.dir("INBOX").rename(here.dir("Other"))):
        with pytest.raises(OSError) as caught:
            act()
        # Where all mailboxes are below INBOX, that would be below itself.
        assert caught.value.errno in (errno.EPERM, errno.EINVAL)
    with refused(errno.EEXIST):
        here.dir("Archive").mkdir()
    assert here.only().content == LETTER


# --- what may not be ---

def test_read_only_mount(place):
    here = place(LETTER, options=("ro",))
    path = here.file("INBOX")
    acts = [path.unlink, lambda: path.rename(with_flags(path, "S")), here.dir("New").mkdir,
            lambda: (here.dir("INBOX") / "new.eml").write_bytes(LETTER),
            here.dir("Archive").rmdir]
    for act in acts:
        with refused(errno.EROFS):
            act()
    assert path.stat().st_mode & 0o222 == 0
    assert touched(here.said()) == []
