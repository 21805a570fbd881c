# SPDX-License-Identifier: MIT
"""Messages as text to read, mounts that show views at their root, and what views may take."""

import io
import os
import quopri
import re
import tarfile
import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor, wait
from email.parser import BytesParser
from itertools import cycle
from pathlib import Path
from typing import Callable, NamedTuple

import pytest

import messages
from hostile import peak_memory
from messages import Message, message, multipart, part
from mount import MountFailed
from processes import wait_until
from test_budget import release  # noqa: F401: a fixture
from test_part_trees import written_here
from test_parts import (decoded, is_shown_as_text, is_wrong_base64, leaves,
                        library)  # noqa: F401: a fixture

TEXTS = ".mailfs/text/INBOX"
HEAD = """\
From: Alice Moller <alice@example.org>
To: Bob <bob@example.net>
Date: Sun, 15 Feb 2026 14:30:00 +0100
Subject: Budget
"""


def text(mounted, uid: int = 1) -> str:
    """Whose size is exact before it is read."""
    path, = (mounted / TEXTS).glob(f"*.u{uid}.txt")
    size, content = path.stat().st_size, path.read_bytes()
    assert len(content) == size
    return content.decode()


def by_uid(archive: bytes) -> dict[int, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {int(re.search(r"\.u(\d+)\.txt$", member.name)[1]): tar.extractfile(member).read()
                for member in tar if member.isfile()}


HTML = part(b"<p>The <b>ro</b>of is&nbsp;done.</p>\r\n", content_type="text/html; charset=utf-8")
PLAIN = part(b"The roof is done.\r\n")
EMPTY = part(b"\r\n")
FILM = part(b"AAAA", content_type="video/mp4", content_transfer_encoding="base64",
            content_disposition='attachment; filename="film.mp4"')
NOTES = part(b"Not shown.\r\n", content_disposition='attachment; filename="notes.txt"')
LADDER = message(b"Is the ladder still free?\r\n", subject="Ladder", to="Carol <carol@example.org>")
IN_LADDER = HEAD.replace("Bob <bob@example.net>", "Carol <carol@example.org>").replace(
    "Budget", "Ladder")
BASE64 = {"mime_version": "1.0", "content_transfer_encoding": "base64"}

CASES = {
    "plain": (message(), HEAD + "\nHello.\n"),
    "html": (message(b"<p>The <b>ro</b>of</p><p>&auml;&lt;", content_type="text/html"),
             HEAD + "\nThe roof\n\nä<\n"),
    "alternative": (multipart("alternative", PLAIN, HTML), HEAD + "\nThe roof is done.\n"),
    "alternative, html first": (multipart("alternative", HTML, PLAIN),
                                HEAD + "\nThe roof is done.\n"),
    "alternative without plain": (multipart("alternative", EMPTY, HTML),
                                  HEAD + "\nThe roof is done.\n"),
    "attachments": (multipart("mixed", PLAIN, FILM, NOTES),
                    HEAD + "\nThe roof is done.\n\n"
                    "Attachment: 2-film.mp4 (video/mp4)\nAttachment: 3-notes.txt (text/plain)\n"),
    "only an attachment": (multipart("mixed", FILM),
                           HEAD + "\nAttachment: 1-film.mp4 (video/mp4)\n"),
    "message": (multipart("mixed", PLAIN, part(LADDER, content_type="message/rfc822")),
                HEAD + "\nThe roof is done.\n\n" + IN_LADDER + "\nIs the ladder still free?\n"),
    "attachment of a message": (
        multipart("mixed", part(multipart("mixed", PLAIN, FILM, boundary="=_inner"),
                                content_type="message/rfc822")),
        HEAD + "\n" + HEAD + "\nThe roof is done.\n\n"
        "Attachment: 1-message/1.2-film.mp4 (video/mp4)\n"),
    "base64": (message(messages.in_base64("Große Äpfel.\n".encode()), **BASE64,
                       content_type="text/plain; charset=utf-8"), HEAD + "\nGroße Äpfel.\n"),
    "latin-1": (message("Große Äpfel.\r\n".encode("latin-1"),
                        content_type="text/plain; charset=iso-8859-1"), HEAD + "\nGroße Äpfel.\n"),
    "quoted-printable": (message(quopri.encodestring("Завтра\n".encode("koi8-r")),
                                 content_type="text/plain; charset=koi8-r",
                                 content_transfer_encoding="quoted-printable"),
                         HEAD + "\nЗавтра\n"),
    "header": (message(subject=messages.encoded_word("Grüße\x1b[31m\r\nX: y"), cc="c@example.org",
                       to=messages.encoded_word("Jürgen", "iso-8859-1") + " <j@example.org>"),
               HEAD.replace("Bob <bob@example.net>", "Jürgen <j@example.org>\nCc: c@example.org")
               .replace("Budget", "Grüße [31m  X: y") + "\nHello.\n"),
    "no text": (message(b""), HEAD + "\n"),
    "empty": (b"\r\n", ""),
}


def test_content(account, mount):
    account.deliver_all(Message(content) for content, _ in CASES.values())
    mounted = mount(account.url())
    found = {name: text(mounted, uid) for uid, name in enumerate(CASES, 1)}
    assert found == {name: wanted for name, (_, wanted) in CASES.items()}


WORDS = {
    "Wintergarten": message(messages.in_base64(b"Im Wintergarten.\r\n"), **BASE64),
    "Äpfel": message(quopri.encodestring("Die \u00c4pfel".encode(), quotetabs=True),
                     content_type="text/plain; charset=utf-8",
                     content_transfer_encoding="quoted-printable"),
    "soft wrapped": message(b"soft wr=\r\napped", content_type="text/plain",
                            content_transfer_encoding="quoted-printable"),
    "Завтра": message(messages.in_base64("Завтра в лес".encode("koi8-r")), **BASE64,
                      content_type="text/plain; charset=koi8-r"),
    "来週": message(messages.in_base64("来週".encode("iso-2022-jp")), **BASE64,
                  content_type="text/plain; charset=iso-2022-jp"),
    "one two": message(b"<p>one <i>two</i></p><style>three four</style>", content_type="text/html"),
    "Subject: Ladder": multipart("mixed", PLAIN, part(LADDER, content_type="message/rfc822")),
    "Subject: Grüße": message(subject=messages.encoded_word("Grüße")),
    "film.mp4": multipart("mixed", FILM),
}


def test_grep_finds_words(account, mount):
    account.deliver_all(map(Message, WORDS.values()))
    mounted = mount(account.url())
    for uid, word in enumerate(WORDS, 1):
        found = mounted.run("grep", "-r", "-l", "-F", word, TEXTS, check=True).stdout.decode()
        assert [line[-len(f"u{uid}.txt"):] for line in found.splitlines()] == [f"u{uid}.txt"]
    assert mounted.run("grep", "-r", "three four", TEXTS).returncode == 1


def lines(content: bytes) -> set[str]:
    """Those with something in them, without the characters that no text has."""
    clean = (re.sub(r"[\x00-\x1f\x7f-\x9f\ufffd]+", "", line)
             for line in re.split(r"\r\n|\r|\n", content.decode()))
    return {line for line in clean if line.strip()}


def plain_lines(raw: bytes) -> set[str]:
    """What Python finds in the plain texts of a message, all of which are to be read."""
    mail = BytesParser().parsebytes(raw)
    parts = list(mail.walk())
    if any(one.defects or one.get_content_subtype() in ("alternative", "related") for one in parts):
        return set()
    plain = [leaf for _, leaf in leaves(mail) if leaf.get_content_type() == "text/plain"]
    return set().union(*(lines(decoded(leaf)) for leaf in plain
                         if is_shown_as_text(leaf) and not is_wrong_base64(leaf)))


def packed(mounted) -> dict[int, bytes]:
    return by_uid(mounted.run("tar", "-c", TEXTS, check=True).stdout)


def test_every_text(library, mount, proxy):  # noqa: F811
    """It is clean, and the same if it is made of the message that is here."""
    told = packed(mount(library.account.url("imap+insecure")))
    between = proxy()
    mounted = mount(library.account.url("imap+insecure", between.port))
    mounted.run("tar", "-c", "INBOX", check=True)
    between.stall()
    with between.count() as passed:
        own = packed(mounted)
    assert passed.bytes_down == 0
    assert told == own and len(told) == len(messages.corpus()) + len(written_here())
    for content in map(bytes.decode, told.values()):
        strange = {letter for letter in content if unicodedata.category(letter) == "Cc"}
        assert strange <= {"\t", "\n"} and content[-1:] in ("", "\n")


def test_every_plain_text_is_in_it(library, mount, list_differences):  # noqa: F811
    texts = packed(mount(library.account.url("imap+insecure")))
    with library.account.raw("INBOX") as raw:
        wanted = {uid: plain_lines(raw.body(uid)) for uid in texts}
    assert sum(map(len, wanted.values())) > (1000 if messages.corpus() else 200)
    missing = {uid: some for uid in texts if (some := wanted[uid] - lines(texts[uid]))}
    # Fields that are there twice, odd boundaries, and what is too deep: Python reads them its way.
    list_differences([("lines_missing", library.names[uid], *sorted(some))
                      for uid, some in missing.items()])
    assert len(missing) < 0.01 * len(texts)


# What is at the root.

ROOTS = {"mail": "", "parts": ".mailfs/parts", "text": ".mailfs/text", "uid": ".mailfs/uid"}


def everything(mounted, folder: str) -> dict[str, bytes]:
    """All files, by their paths below the folder."""
    archive = mounted.run("tar", "-c", "-C", folder or ".", ".", check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}


@pytest.mark.parametrize("view, options", [*((view, []) for view in ROOTS), ("parts", ["ro"])],
                         ids=[*ROOTS, "parts-ro"])
def test_a_view_at_the_root(account, mount, view, options, user):
    account.create("Archive")
    account.create("Archive/2024")
    account.deliver_all(map(Message, (multipart("mixed", PLAIN, FILM), LADDER)))
    account.deliver(message(), "Archive/2024")
    usual = mount(account.url(), user=user)
    mounted = mount(account.url(), f"view={view}", *options, user=user)
    assert mounted.run("ls", check=True).stdout == b"Archive\nINBOX\n"
    found = everything(mounted, "")
    assert len(found) == {"parts": 7}.get(view, 3)
    assert found == everything(usual, ROOTS[view])
    assert mounted.run("cat", ".mailfs/status", check=True).stdout
    for folder in set(ROOTS.values()) - {"", ROOTS[view]}:
        assert everything(mounted, folder) == everything(usual, folder)
    if view != "mail":
        assert everything(mounted, ".mailfs/mail") == everything(usual, "")
    made = mounted.run("touch", "INBOX/new")
    assert view == "mail" or b"Read-only file system" in made.stderr or b"not permitted" in made.stderr


def test_a_view_that_is_none(account, mount):
    with pytest.raises(MountFailed) as failed:
        mount(account.url(), "view=tree")
    assert "view" in failed.value.stderr and "mail, text, parts or uid" in failed.value.stderr


# What changes.

def test_what_comes_and_goes(account, mount):
    uid = account.deliver(multipart("mixed", PLAIN, FILM))
    mounted = mount(account.url())

    def uids(view: str) -> set[str]:
        names = os.listdir(mounted / f".mailfs/{view}/INBOX")
        return {re.search(r"\.u(\d+)", name)[1] for name in names}

    assert uids("parts") == uids("text") == {"1"}
    path = mounted / ".mailfs/parts/INBOX/1"
    assert sorted(os.listdir(path)) == ["1-text.txt", "2-film.mp4", "header"]
    with account.raw("INBOX") as raw:
        raw.must(f"UID STORE {uid} +FLAGS (\\Deleted)")
        raw.must("EXPUNGE")
    account.deliver(LADDER)
    wait_until(lambda: uids("parts") == uids("text") == {"2"})
    assert not path.exists() and not path.is_symlink()
    assert text(mounted, 2) == IN_LADDER + "\nIs the ladder still free?\n"


# Limits.

MIB = 1 << 20
MEMORY = 64 * MIB  # more than of an idle mount
TIME_MAX = 1  # seconds that somebody else may wait
PARTS_MAX = 10_000
N_OTHER = 200  # messages for the bystander, most of them not read before


def test_memory_over_every_message(library, account, mount, release):  # noqa: F811
    idle = mount(account.url("imap+insecure"), binary=release)
    mounted = mount(library.account.url("imap+insecure"), binary=release)
    for view, n_files in (("parts", 2 * len(library.names)), ("text", len(library.names))):
        assert len(everything(mounted, f".mailfs/{view}/INBOX")) >= n_files
    assert peak_memory(mounted) - peak_memory(idle) < MEMORY


class Huge(NamedTuple):
    """A message, made when it is wanted."""

    make: Callable[[], bytes]
    n_parts: int = 1  # that there are files for
    end: str = ""  # of its text


def numbered(n_parts: int) -> bytes:
    return multipart("mixed", *(part(b"%d" % nth) for nth in range(n_parts)))


def in_quoted_printable(line: str) -> bytes:
    """A message of such lines, so long that one copy of it would be too much."""
    encoded = quopri.encodestring(f"{line}\n".encode()).replace(b"\n", b"\r\n")
    return message(encoded * (MEMORY // len(encoded) + 1), mime_version="1.0",
                   content_type="text/plain; charset=utf-8",
                   content_transfer_encoding="quoted-printable")


def in_html(line: bytes) -> bytes:
    """A message that never ends its line, and is many nodes: they would take 20 times as much."""
    return message(line * (MEMORY // 4 // len(line)), content_type="text/html")


HUGE = {
    "100 deep": Huge(lambda: messages.nested(99), end="\nHere.\n"),
    "150 deep": Huge(lambda: messages.nested(150)),
    "10,000 parts": Huge(lambda: numbered(PARTS_MAX - 1), PARTS_MAX - 1),
    "12,000 parts": Huge(lambda: numbered(12_000), PARTS_MAX - 1),
    "1 MiB of header": Huge(lambda: message(x_long="x" * 900 + "\r\n y" * (MIB // 4))),
    "quoted-printable": Huge(lambda: in_quoted_printable("Die Äpfel"), end="\nDie Äpfel\n"),
    "html in one line": Huge(lambda: in_html(b"The <b>ro</b>of &amp; "), end=" The roof &\n"),
}


def time_spent(pid: int) -> float:
    """Seconds of the processor's, not of the clock's."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def mounted_huge(account, mount, release):  # noqa: F811
    """mounted_huge(name): the release build on it, and on many innocent messages in Other."""
    def make(name: str):
        account.create("Other")
        account.deliver(HUGE[name].make())
        account.deliver_all(messages.bulk(N_OTHER), "Other")
        mounted = mount(account.url("imap+insecure"), binary=release)
        mounted.run("ls", "INBOX", "Other", check=True)
        return mounted
    return make


class Bystander:
    """Reads one message of Other after the other, while somebody does something long elsewhere."""

    def __init__(self, mounted):
        self.mounted = mounted
        self.paths = cycle((mounted / "Other").iterdir())

    def run(self, *command) -> bytes:
        """What the command says; nobody waits for it."""
        with ThreadPoolExecutor() as threads:
            done = threads.submit(self.mounted.run, *command, check=True)
            while not wait([done], timeout=0.01).done:
                start = time.monotonic()
                assert len(os.listdir(self.mounted / "Other")) == N_OTHER
                assert next(self.paths).read_bytes().endswith(b"\r\n")
                assert time.monotonic() - start < TIME_MAX
        return done.result().stdout

    def read(self, path) -> bytes:
        """The whole file, whose size is exact before it is read."""
        size, content = int(self.run("stat", "-c", "%s", path)), self.run("cat", path)
        assert len(content) == size > 0
        return content


@pytest.mark.parametrize("huge", HUGE)
def test_huge_messages(mounted_huge, huge):
    """What fits is there, the memory stays small, and other folders answer meanwhile."""
    mounted = mounted_huge(huge)
    if HUGE[huge].n_parts > 1:  # the server itself takes long for each command
        mounted.run("tar", "-c", "Other", check=True)
    before, bystander = peak_memory(mounted), Bystander(mounted)
    path, = (mounted / ".mailfs/parts/INBOX").iterdir()
    files = bystander.run("find", path, "-type", "f").decode().splitlines()
    assert len(files) == 1 + HUGE[huge].n_parts
    for file in {files[0], files[len(files) // 2], files[-1]}:
        bystander.read(file)
    if HUGE[huge].n_parts > 1:  # Dovecot takes 50 ms for each that is not here
        bystander.read(mounted / "INBOX/u1.eml")
    path, = (mounted / TEXTS).iterdir()
    text = bystander.read(path).decode()
    assert text.startswith("From: Alice") and text.endswith(HUGE[huge].end)
    assert peak_memory(mounted) - before < MEMORY


def test_listing_many_parts_takes_no_square(mounted_huge):
    mounted = mounted_huge("10,000 parts")
    path = (mounted / ".mailfs/parts/INBOX/1").resolve()
    assert path.stat() and (path / "header").stat()
    before = time_spent(mounted.pid)
    assert len(os.listdir(path)) == PARTS_MAX
    assert time_spent(mounted.pid) - before < 1.2
