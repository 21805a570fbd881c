# SPDX-License-Identifier: MIT
"""Every message reads back as the server holds it, however it is read, and nothing else happens."""

import io
import mmap
import os
import random
import re
import tarfile
import unicodedata
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

import pytest

import messages
from mailserver import Account
from messages import Message
from processes import wait_until

NAME = re.compile(r"(\d{4}-\d\d-\d\d_\d{4})_([^_]+)_([^_]+)\.u([1-9]\d*),(D?F?P?R?S?T?[a-z]*)\.eml")
SEED = 20260215


class Library(NamedTuple):
    """An account whose INBOX holds one of everything."""

    account: Account
    contents: dict[int, bytes]  # by UID, as a bare client reads them


@pytest.fixture(scope="module")
def library(dovecot):
    account = dovecot.new_account()
    contents = [*messages.samples().values(), *messages.corpus().values(),
                messages.of_size(65536), messages.of_size(65537), messages.of_size(3_000_000)]
    uids = account.deliver_all(map(Message, contents))
    with account.raw("INBOX") as raw:
        return Library(account, {uid: raw.body(uid) for uid in uids})


def uid_of(name: str) -> int:
    return int(NAME.fullmatch(name)[4])


def by_uid(folder: Path) -> dict[int, Path]:
    return {uid_of(name): folder / name for name in os.listdir(folder)}


def archived(archive: bytes) -> dict[int, bytes]:
    """What tar has packed, by UID: of each file as many bytes as its size promised beforehand."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {uid_of(Path(member.name).name): tar.extractfile(member).read()
                for member in tar if member.isfile()}


def everything(mounted, folder: str) -> dict[str, bytes]:
    """All files in it, by their paths."""
    archive = mounted.run("tar", "-c", folder, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}


def assert_same(found: dict[int, bytes], library: Library) -> None:
    wrong = [uid for uid in library.contents if found.get(uid) != library.contents[uid]]
    assert not wrong, f"{len(wrong)} messages differ, such as {wrong[:10]}"
    assert found.keys() == library.contents.keys()


# Bytes and sizes.

def test_every_message_as_each_user(library, mount, user):
    mounted = mount(library.account.url(), user=user)
    packed = mounted.run("tar", "-c", "INBOX", check=True)
    assert_same(archived(packed.stdout), library)


@pytest.mark.parametrize("scheme", ["imap", "imap+insecure"])
def test_every_message_over_other_schemes(library, mount, scheme):
    packed = mount(library.account.url(scheme)).run("tar", "-c", "INBOX", check=True)
    assert_same(archived(packed.stdout), library)


def test_sizes_before_anything_is_read(library, mount):
    mounted = mount(library.account.url())
    for uid, path in by_uid(mounted / "INBOX").items():
        told = path.stat()
        assert told.st_size == len(library.contents[uid])
        assert told.st_blocks * 512 >= told.st_size  # else cp takes it for sparse


@pytest.mark.parametrize("options", [[], ["ro"]], ids=["rw", "ro"])
def test_random_places(library, mount, options):
    paths = by_uid(mount(library.account.url(), *options) / "INBOX")
    numbers = random.Random(SEED)
    places = [(uid, numbers.randrange(len(content) + 10), numbers.randrange(1, 200_000))
              for uid, content in library.contents.items() for _ in range(3)]
    numbers.shuffle(places)
    for uid, offset, size in places:
        with open(paths[uid], "rb", buffering=0) as file:
            found = os.pread(file.fileno(), size, offset)
        assert found == library.contents[uid][offset:offset + size], (uid, offset, size)


def test_mmap(library, mount):
    for uid, path in by_uid(mount(library.account.url()) / "INBOX").items():
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
            assert mapped[-1:] == library.contents[uid][-1:]  # the last page first
            assert mapped[:] == library.contents[uid], uid


def test_the_end_is_the_end(library, mount):
    uid, content = max(library.contents.items(), key=lambda item: len(item[1]))
    with open(mount(library.account.url()) / f"INBOX/u{uid}.eml", "rb", buffering=0) as file:
        assert os.pread(file.fileno(), 100, len(content) - 10) == content[-10:]
        assert os.pread(file.fileno(), 100, len(content)) == b""
        assert os.pread(file.fileno(), 100, len(content) + 1_000_000) == b""


@pytest.mark.parametrize("view", ["INBOX", ".mailfs/text/INBOX"])
def test_a_second_mount_reads_the_same_from_its_cache(library, mount, home, proxy, view):
    counter, shared = proxy(library.account.server.port), home()
    source = library.account.url("imap+insecure", counter.port)
    first = mount(source, home=shared)
    told = everything(first, view)
    assert len(told) == len(library.contents) and any(told.values())
    first.finish()
    with counter.count() as passed:
        assert everything(mount(source, home=shared), view) == told
    assert passed.bytes_down < 20_000


def test_a_limit_to_the_size_of_files(library, mount):
    """What the cache may not write is read all the same."""
    mounted = mount(library.account.url())
    mounted.run("prlimit", f"--pid={mounted.pid}", "--fsize=1000000", check=True)
    packed = mounted.run("tar", "-c", "INBOX", check=True)
    assert_same(archived(packed.stdout), library)


# Names and dates.

def test_names_are_valid_and_unique(library, mount):
    names = os.listdir(mount(library.account.url()) / "INBOX")
    assert len(set(names)) == len(names) == len(library.contents)
    for name in names:
        _, who, subject, _, _ = NAME.fullmatch(name).groups()
        assert len(name.encode()) <= 200 and unicodedata.is_normalized("NFC", name)
        for field in (who, subject):
            assert all(unicodedata.category(letter)[0] in "LMN" or letter == "-"
                       for letter in field), name
            assert not field.startswith("-") and not field.endswith("-") and "--" not in field


@pytest.mark.parametrize("fields, name", [
    ({}, "2026-02-15_1430_Alice-Moller_Budget.u1,.eml"),
    ({"subject": messages.encoded_word("Größe: 7/8"), "from": "bob@example.org"},
     "2026-02-15_1430_bob_Größe-7-8.u1,.eml"),
    ({"subject": messages.encoded_word("e\u0301te\u0301")},  # decomposed
     "2026-02-15_1430_Alice-Moller_\u00e9t\u00e9.u1,.eml"),
    ({"subject": None, "from": None}, "2026-02-15_1430_unknown_no-subject.u1,.eml"),
    ({"subject": "?!", "from": '"..." <-@example.org>'},
     "2026-02-15_1430_unknown_no-subject.u1,.eml"),
    ({"subject": "../../etc/passwd"}, "2026-02-15_1430_Alice-Moller_etc-passwd.u1,.eml"),
])
def test_name_of(account, mount, fields, name):
    account.deliver(messages.message(**fields), date=datetime(2026, 2, 15, 14, 30, 9,
                                                              tzinfo=timezone.utc))
    mounted = mount(account.url())
    assert os.listdir(mounted / "INBOX") == [name]
    assert (mounted / "INBOX" / name).stat().st_mtime == 1771165809


def test_flags_are_letters(account, mount):
    account.deliver(messages.message(), flags=["\\Seen", "\\Answered", "\\Flagged", "\\Draft",
                                               "\\Deleted", "$Forwarded"])
    name, = os.listdir(mount(account.url()) / "INBOX")
    assert name.endswith(".u1,DFPRST.eml")


def test_other_names_of_a_message(account, mount):
    content = messages.message()
    uid = account.deliver(content)
    mounted = mount(account.url())
    assert (mounted / f"INBOX/u{uid}.eml").read_bytes() == content
    assert (mounted / f".mailfs/uid/INBOX/{uid}.eml").read_bytes() == content
    for absent in (f"INBOX/u{uid + 1}.eml", f".mailfs/uid/INBOX/{uid + 1}.eml", "INBOX/u0.eml",
                   f"INBOX/2026-02-15_1430_Someone_Else.u{uid},.eml", "INBOX/.hidden"):
        assert not (mounted / absent).exists()


@pytest.mark.parametrize("command", [["ls", "-l", "INBOX"], ["grep", "-rc", "x", "INBOX"],
                                     ["grep", "-rc", "x", ".mailfs/text/INBOX"]])
def test_what_was_listed_is_not_looked_up(account, mount, command):
    account.deliver_all(messages.bulk(300))
    mounted = mount(account.url(), "-d")
    assert len(mounted.run(*command, check=True).stdout.splitlines()) >= 300
    mounted.finish()
    assert "readdir " in mounted.stderr
    assert not re.search("lookup .*INBOX/", mounted.stderr)


def test_what_comes_while_others_are_read(account, mount):
    """The connection that gets bodies has not heard of it."""
    mounted = mount(account.url())
    for number in range(3):
        account.deliver(messages.message(subject=f"No. {number}"))
        wait_until(lambda: len(os.listdir(mounted / "INBOX")) > number)
        assert mounted.run("sh", "-c", f"cat INBOX/*No-{number}.*", check=True).stdout
    assert (mounted / ".mailfs/status").read_text().endswith("last failures:\n")


# Nothing else happens.

def test_reading_leaves_the_mailbox_alone(library, mount, proxy):
    recorder = proxy(library.account.server.port, record=True)
    mounted = mount(library.account.url("imap+insecure", recorder.port))
    mounted.run("tar", "-c", "INBOX", check=True)
    mounted.run("tar", "-c", ".mailfs/uid", check=True)
    mounted.finish()
    said = recorder.said(from_client=True).upper()
    assert b"BODY.PEEK[]" in said and b" EXAMINE " in said
    for word in (b"BODY[", b" SELECT ", b"STORE", b"RFC822 ", b"RFC822)", b"RFC822.TEXT", b"APPEND",
                 b"EXPUNGE", b"CLOSE"):
        assert word not in said
    with library.account.raw("INBOX") as raw:
        told = raw.must("UID FETCH 1:* (FLAGS)").untagged
    assert not any(b"\\Seen" in line for line in told)
