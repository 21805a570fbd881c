# SPDX-License-Identifier: MIT
"""Mailboxes: their tree and names, flags and keywords, what other clients change, and the same
tree over every server that lacks something."""

import os
import re
from contextlib import ExitStack, suppress
from datetime import datetime, timezone
from pathlib import Path

import pytest

import messages
from mailserver import Account, Dovecot, Options
from messages import Message
from mount import Home, Mount
from processes import wait_until

MOMENT = datetime(2026, 2, 15, 14, 30, tzinfo=timezone.utc)
LETTER = messages.message()

EXTENSIONS = ("LITERAL+ LITERAL- SASL-IR AUTH=PLAIN UIDPLUS MOVE CONDSTORE QRESYNC ENABLE ID IDLE "
              "NOTIFY ESEARCH LIST-EXTENDED LIST-STATUS SPECIAL-USE NAMESPACE BINARY MULTIAPPEND "
              "UNSELECT STATUS=SIZE QUOTA COMPRESS=DEFLATE").split()
# Dovecot by itself refuses mailboxes whose names look like paths.
FREE_NAMES = "mail_full_filesystem_access = yes"


def folders(mounted: Mount) -> list[str]:
    """The paths of all mailboxes, in order."""
    return sorted(os.path.relpath(Path(parent) / name, mounted.path)
                  for parent, names, _ in os.walk(mounted.path) for name in names)


def tree(mounted: Mount) -> dict[str, bytes]:
    """All messages by their paths, and each mailbox as an empty one."""
    found = {path: b"" for path in folders(mounted)}
    for parent, _, names in os.walk(mounted.path):
        for name in names:
            path = Path(parent) / name
            found[os.path.relpath(path, mounted.path)] = path.read_bytes()
    return found


def assert_soon(folder: Path, *ends: str) -> None:
    """What ls shows is, before long, the messages whose names end so after ".u"."""
    def shown() -> list[str]:
        return sorted(name.partition(".u")[2] for name in os.listdir(folder))

    with suppress(TimeoutError):
        wait_until(lambda: shown() == sorted(ends), pause=0.1)
    assert shown() == sorted(ends)


# The tree and its names.

@pytest.mark.parametrize("separator, prefix", [("/", ""), (".", ""), (".", "INBOX."),
                                               ("/", "Mail/"), ('"\\\\"', "")])
def test_tree(special_account, mount, separator, prefix):
    extra = "" if separator == "/" else "mail_location = maildir:~/Maildir"
    account = special_account(separator=separator, prefix=prefix, extra=extra)
    sign = separator.strip('"')[0]
    for path in ("Lists", "Lists/Garden", "Lists/Garden/2024", "Alone/Child"):
        account.create(prefix + path.replace("/", sign))
    account.deliver(LETTER, prefix + sign.join(["Lists", "Garden", "2024"]), date=MOMENT)
    mounted = mount(account.url())
    root = {"": "", "INBOX.": "INBOX/", "Mail/": "Mail/"}[prefix]
    assert folders(mounted) == sorted(
        ["INBOX", *(["Mail"] if root == "Mail/" else [])] +
        [root + path for path in ("Alone", "Alone/Child", "Lists", "Lists/Garden",
                                  "Lists/Garden/2024")])
    assert os.listdir(mounted / f"{root}Lists/Garden/2024") == [
        "2026-02-15_1430_Alice-Moller_Budget.u1,.eml"]
    assert os.listdir(mounted / f"{root}Alone") == ["Child"]


NAMES = {
    "Entwürfe & mehr": "Entwürfe & mehr",
    "日本語": "日本語",
    "100% sure": "100%25 sure",
    "a%2Fb": "a%252Fb",
    ".hidden": "%2Ehidden",
    "two  blanks ": "two  blanks ",
    "-rf": "-rf",
    "R&D": "R&D",
    "quote\"back\\slash": "quote\"back\\slash",
    "right\u202eleft": "right%E2%80%AEleft",
    "letter.eml": "letter%2Eeml",
    "u7.eml": "u7%2Eeml",
    "star*": "star*",
    "😀": "😀",
    "x" * 200: "x" * 200,
}


def test_names(special_account, mount):
    account = special_account(extra=FREE_NAMES)
    for name in NAMES:
        account.create(name)
        account.deliver(messages.message(subject="In " + str(len(name))), name, date=MOMENT)
    mounted = mount(account.url())
    assert folders(mounted) == sorted(["INBOX", *NAMES.values()])
    for name, shown in NAMES.items():
        assert os.listdir(mounted / shown) == [
            f"2026-02-15_1430_Alice-Moller_In-{len(name)}.u1,.eml"]
        assert len(os.listdir(mounted / ".mailfs/uid" / shown)) == 1


def test_names_stay_after_a_remount(account, mount, home):
    shared = home()
    account.create("Übung/Größe", "R&D")
    before = mount(account.url(), home=shared)
    inodes = {path: (before / path).stat().st_ino for path in folders(before)}
    before.finish()
    after = mount(account.url(), home=shared)
    assert {path: (after / path).stat().st_ino for path in folders(after)} == inodes


def test_special_use_shows_recipients(special_account, mount):
    account = special_account(special_use={"Post out": "\\Sent", "Entwürfe": "\\Drafts",
                                           "Bin": "\\Trash"})
    for box in ("Post out", "Entwürfe", "Bin"):
        account.deliver(LETTER, box, date=MOMENT)
    mounted = mount(account.url())
    assert {box: os.listdir(mounted / box)[0].split("_")[2] for box in
            ("Post out", "Entwürfe", "Bin")} == {
                "Post out": "Bob", "Entwürfe": "Bob", "Bin": "Alice-Moller"}


def test_spaced_names(account, mount):
    account.deliver(messages.message(subject="Größe: 7/8"), flags=["\\Seen"], date=MOMENT)
    mounted = mount(account.url(), "names=spaced")
    name, = os.listdir(mounted / "INBOX")
    assert name == "2026-02-15 1430 Alice Moller - Größe 7 8.u1,S.eml"
    assert (mounted / "INBOX" / name).stat().st_size > 0


# Keywords.

def test_keywords(account, mount, home):
    shared = home()
    account.deliver(LETTER, flags=["urgent", "\\Seen", "$Label1"], date=MOMENT)
    account.deliver(LETTER, flags=["$Label1"], date=MOMENT)
    for _ in range(2):  # the letters stay after a remount
        mounted = mount(account.url(), home=shared)
        names = sorted(os.listdir(mounted / "INBOX"))
        flags = [re.search(r"\.u\d,(.*)\.eml", name)[1] for name in names]
        assert re.fullmatch("S[ab]{2}", flags[0]) and flags[1] in ("a", "b")
        both, one = (mounted / "INBOX" / name for name in names)
        assert set(os.getxattr(both, "user.mail.keywords").split()) == {b"urgent", b"$Label1"}
        assert set(os.getxattr(both, "user.xdg.tags").split(b",")) == {b"urgent", b"$Label1"}
        assert os.getxattr(both, "user.mail.flags") == b"\\Seen"
        assert os.getxattr(one, "user.mail.keywords") == b"$Label1"
        mounted.finish()


# What other clients change.

@pytest.fixture(params=["all", "no QRESYNC", "no CONDSTORE", "bare"])
def watched(request, special_account, mount):
    """(account, INBOX of a mount) with three messages; servers tell changes differently."""
    bare = {"capability": "IMAP4rev1"} if request.param == "bare" else {}
    disabled = {"no QRESYNC": ["disable=QRESYNC"],
                "no CONDSTORE": ["disable=QRESYNC", "disable=CONDSTORE"]}.get(request.param, [])
    account = special_account(**bare)
    with account.raw() as raw:
        for _ in range(3):
            raw.append("INBOX", Message(LETTER))
    inbox = mount(account.url("imap+insecure"), *disabled) / "INBOX"
    assert len(os.listdir(inbox)) == 3
    return account, inbox


def test_changes_of_another_client(watched):
    account, inbox = watched
    with account.raw("INBOX") as raw:
        raw.must("UID STORE 1 +FLAGS (\\Seen \\Flagged)")
        assert_soon(inbox, "1,FS.eml", "2,.eml", "3,.eml")
        raw.must("UID STORE 1 FLAGS (\\Answered)")
        raw.append("INBOX", Message(LETTER, ("\\Draft",)))
        raw.must("UID STORE 2 +FLAGS (\\Deleted)")
        raw.must("EXPUNGE")
        assert_soon(inbox, "1,R.eml", "3,.eml", "4,D.eml")
        raw.must("UID STORE 1,3,4 +FLAGS (\\Deleted)")
        raw.must("EXPUNGE")
        assert_soon(inbox)
    assert not (inbox / "u1.eml").exists()


def test_changes_between_mounts(special_account, mount, home):
    for capability in (None, "IMAP4rev1"):
        account, shared = special_account(capability=capability), home()
        with account.raw("INBOX") as raw:
            for _ in range(4):
                raw.append("INBOX", Message(LETTER))
            first = mount(account.url("imap+insecure"), home=shared)
            assert_soon(first / "INBOX", "1,.eml", "2,.eml", "3,.eml", "4,.eml")
            first.finish()
            raw.must("UID STORE 1 +FLAGS (\\Seen)")
            raw.must("UID STORE 2 +FLAGS (\\Deleted)")
            raw.must("EXPUNGE")
            raw.append("INBOX", Message(LETTER))
        second = mount(account.url("imap+insecure"), home=shared)
        assert_soon(second / "INBOX", "1,S.eml", "3,.eml", "4,.eml", "5,.eml")


def test_a_mailbox_made_anew_is_another_one(account, mount, home):
    shared = home()
    for subject in ("Old", "New"):
        account.create("Box")
        account.deliver(messages.message(subject=subject), "Box", date=MOMENT)
        mounted = mount(account.url(), home=shared)
        name, = os.listdir(mounted / "Box")
        assert name.endswith(f"_{subject}.u1,.eml")
        assert (mounted / "Box/u1.eml").read_bytes() == messages.message(subject=subject)
        mounted.finish()
        with account.raw() as raw:
            raw.must("DELETE Box")


def test_mailboxes_made_and_deleted_by_another_client(account, mount, home):
    shared = home()
    account.create("Goes", "Stays")
    first = mount(account.url(), home=shared)
    assert folders(first) == ["Goes", "INBOX", "Stays"]
    account.create("Comes/Deep")
    with account.raw() as raw:
        raw.must("DELETE Goes")
        raw.must("RENAME Stays Moved")
    first.finish()
    assert folders(mount(account.url(), home=shared)) == ["Comes", "Comes/Deep", "INBOX", "Moved"]


def test_open_file_of_an_expunged_message(account, mount):
    film = messages.with_attachment(500_000)
    account.deliver(film)
    inbox = mount(account.url()) / "INBOX"
    name, = os.listdir(inbox)
    with open(inbox / name, "rb", buffering=0) as file, account.raw("INBOX") as raw:
        assert file.read(100) == film[:100]
        raw.must("UID STORE 1 +FLAGS (\\Deleted)")
        raw.must("EXPUNGE")
        assert_soon(inbox)
        with pytest.raises(OSError, match="Stale file handle"):
            os.pread(file.fileno(), 100, 400_000)


# Servers that lack something.

def fill(account: Account) -> None:
    """One message a command, for servers without MULTIAPPEND."""
    account.create("Lists/Garden", "Entwürfe")
    with account.raw() as raw:
        for content in messages.samples().values():
            raw.append("Lists/Garden", Message(content, ("\\Seen",), MOMENT))
        raw.append("INBOX", Message(LETTER, ("\\Flagged", "urgent"), MOMENT))
        raw.append("Entwürfe", Message(messages.of_size(200_000), (), MOMENT))


@pytest.fixture(scope="module")
def rich(authority):
    """An account on a server that offers what it can."""
    with Dovecot(Options(compress=True, quota="1G"), authority=authority) as server:
        account = server.account("alice")
        fill(account)
        yield account


@pytest.fixture(scope="module")
def rich_tree(rich, authority):
    """What a mount of it shows when nothing is disabled."""
    home = Home()
    with Mount(rich.url(), f"ca_file={authority.ca}", home=home) as mounted:
        found = tree(mounted)
    home.remove()
    assert len(found) == len(messages.samples()) + 2 + 4
    return found


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_without_one_extension(rich, rich_tree, mount, extension):
    assert tree(mount(rich.url(), f"disable={extension}")) == rich_tree


@pytest.mark.parametrize("lacking", [(), ("QRESYNC",), ("QRESYNC", "CONDSTORE"),
                                     ("QRESYNC", "CONDSTORE", "ESEARCH")])
def test_a_second_mount_shows_the_same(rich, mount, home, lacking):
    at_home, options = home(), [f"disable={name}" for name in lacking]
    first = mount(rich.url("imap+insecure"), *options, home=at_home)
    before = tree(first)
    first.finish()
    assert tree(mount(rich.url("imap+insecure"), *options, home=at_home)) == before


def test_with_everything_disabled(rich, rich_tree, mount):
    assert tree(mount(rich.url(), *(f"disable={name}" for name in EXTENSIONS))) == rich_tree


def test_disabled_extensions_are_not_used(rich, rich_tree, mount, proxy):
    recorder = proxy(rich.server.port, record=True)
    options = [f"disable={name}" for name in EXTENSIONS]
    assert tree(mount(rich.url("imap+insecure", recorder.port), *options)) == rich_tree
    said = recorder.said(from_client=True)
    for word in (b"ENABLE", b"COMPRESS", b"RETURN", b"CHANGEDSINCE", b"QRESYNC", b"CONDSTORE",
                 b"NAMESPACE", b"AUTHENTICATE PLAIN", b"+}", b"\"mailfs\""):
        assert word not in said, word


@pytest.mark.parametrize("options", [{"capability": "IMAP4rev1"}, {"compress": True},
                                     {"capability": "IMAP4rev1 LITERAL+ CONDSTORE"}, {}],
                         ids=["bare", "compressed", "condstore", "usual"])
def test_the_same_tree_everywhere(special_account, mount, rich_tree, options):
    account = special_account(**options)
    fill(account)
    assert tree(mount(account.url("imap+insecure"))) == rich_tree


def test_compression_is_used_for_listings(rich, rich_tree, mount, proxy):
    passed = []
    for options in ([], ["disable=COMPRESS=DEFLATE"]):
        with (counter := proxy(rich.server.port)).count() as counts:
            os.listdir(mount(rich.url("imap+insecure", counter.port), *options) / "Lists/Garden")
        passed.append(counts.bytes_down)
    assert passed[0] < 0.5 * passed[1]


# Logging in.

@pytest.fixture(scope="module")
def mechanisms(authority):
    """mechanisms(name): an account on a server that takes no other one."""
    with ExitStack() as servers:
        made = {}

        def make(name: str) -> Account:
            if name not in made:
                server = servers.enter_context(Dovecot(Options(mechanisms=(name,)),
                                                       authority=authority))
                made[name] = server.account("alice")
                made[name].bulk([Message(LETTER)])
            return made[name]
        yield make


@pytest.mark.parametrize("scheme", ["imaps", "imap", "imap+insecure"])
@pytest.mark.parametrize("mechanism", ["plain", "login", "cram-md5", "scram-sha-1",
                                       "scram-sha-256"])
def test_mechanism(mechanisms, mount, scheme, mechanism):
    account = mechanisms(mechanism)
    mounted = mount(account.url(scheme), "-d")
    assert (mounted / "INBOX/u1.eml").read_bytes() == LETTER
    mounted.finish()
    assert f"AUTHENTICATE {mechanism.upper()}" in mounted.stderr


def test_the_best_mechanism_is_chosen(special_account, mount):
    account = special_account(mechanisms=("plain", "login", "cram-md5", "scram-sha-1",
                                          "scram-sha-256"))
    mounted = mount(account.url("imap+insecure"), "-d")
    mounted.finish()
    assert "AUTHENTICATE SCRAM-SHA-256" in mounted.stderr
