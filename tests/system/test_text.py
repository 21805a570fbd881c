# SPDX-License-Identifier: MIT
"""Messages as text to read, and mounts that show the views at their root."""

import io
import os
import quopri
import re
import tarfile
import unicodedata
from email.parser import BytesParser

import pytest

import messages
from messages import Message, message, multipart, part
from mount import MountFailed
from processes import wait_until
from test_part_trees import written_here
from test_parts import decoded, has_wrong_base64, is_shown_as_text, leaves

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


@pytest.fixture(scope="module")
def library(dovecot):
    """An account whose INBOX holds one of everything."""
    account = dovecot.new_account()
    account.deliver_all(map(Message, (written_here() | messages.corpus()).values()))
    return account


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
                         if is_shown_as_text(leaf) and not has_wrong_base64(leaf)))


def packed(mounted) -> dict[int, bytes]:
    return by_uid(mounted.run("tar", "-c", TEXTS, check=True).stdout)


def test_every_text(library, mount, proxy):
    """It is clean, and the same if it is made of the message that is here."""
    told = packed(mount(library.url("imap+insecure")))
    between = proxy()
    mounted = mount(library.url("imap+insecure", between.port))
    mounted.run("tar", "-c", "INBOX", check=True)
    between.stall()
    with between.count() as passed:
        own = packed(mounted)
    assert passed.bytes_down == 0
    assert told == own and len(told) == len(messages.corpus()) + len(written_here())
    for content in map(bytes.decode, told.values()):
        strange = {letter for letter in content if unicodedata.category(letter) == "Cc"}
        assert strange <= {"\t", "\n"} and content[-1:] in ("", "\n")


def test_every_plain_text_is_in_it(library, mount):
    texts = packed(mount(library.url("imap+insecure")))
    with library.raw("INBOX") as raw:
        wanted = {uid: plain_lines(raw.body(uid)) for uid in texts}
    assert sum(map(len, wanted.values())) > (1000 if messages.corpus() else 200)
    missing = {uid: some for uid in texts if (some := wanted[uid] - lines(texts[uid]))}
    print(missing)
    # Fields that are there twice, odd boundaries, and what is too deep: Python reads them its way.
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
    assert b"Read-only file system" in made.stderr or b"not permitted" in made.stderr


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
    wait_until(lambda: uids("parts") == uids("text") == {"2"}, 5)
    assert not path.exists() and not path.is_symlink()
    assert text(mounted, 2) == IN_LADDER + "\nIs the ladder still free?\n"
