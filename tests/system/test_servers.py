# SPDX-License-Identifier: MIT
"""The Cyrus and the Courier of the tests, and in what they differ for a client that writes."""

import imaplib
import os
import re
import shutil
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

import messages
from courier import append_slowly
from mailserver import Account
from messages import Message
from mount import CHECKOUT
from processes import ended, run, wait_until
from rawimap import RawImap

LETTER = messages.message()
HERE = Path(__file__).resolve().parent
UNPACK = CHECKOUT / "tests" / "unpack-packages"


@pytest.fixture(params=["cyrus", "courier"])
def server(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def user(server):
    """On each server, somebody with two messages and an empty mailbox."""
    account = server.new_account()
    account.deliver_all([Message(LETTER)] * 2)
    account.create(work_of(account))
    return account


@pytest.fixture
def cyrus_user(cyrus):
    return cyrus.new_account()


@pytest.fixture
def courier_user(courier):
    return courier.new_account()


def work_of(account: Account) -> str:
    return "INBOX.Work" if account.server.name == "courier" else "Work"


def capabilities(account: Account) -> set[str]:
    with account.raw() as raw:
        return set(raw.must("CAPABILITY").untagged[0].decode().split()[2:])


def selected(account: Account, mailbox: str) -> str:
    """All that the server says at SELECT."""
    with account.raw() as raw:
        reply = raw.must(f'SELECT "{mailbox}"')
        return b"".join([*reply.untagged, reply.tagged]).decode()


# Both.

def test_bytes_flags_and_date_are_kept(user):
    content = messages.message("Überall.\r\n".encode())
    date = datetime(2024, 2, 13, 4, 5, 6, tzinfo=timezone.utc)
    uid = user.deliver(content, work_of(user), ["\\Seen", "$Forwarded"], date)
    with user.raw(work_of(user)) as raw:
        assert raw.body(uid) == content
        told = b"".join(raw.must(f"UID FETCH {uid} (FLAGS INTERNALDATE)").untagged)
    assert b"\\Seen" in told and b"$Forwarded" in told and b'"13-Feb-2024 04:05:06 +0000"' in told


def test_appending_and_copying_tell_uids(user):
    with user.raw("INBOX") as raw:
        appended = append_slowly(raw, work_of(user), Message(LETTER)).tagged
        copied = raw.must(f"UID COPY 1:2 {work_of(user)}").tagged
    uid_validity = re.search(r"UIDVALIDITY (\d+)", selected(user, work_of(user)))[1].encode()
    assert b"[APPENDUID %s 1]" % uid_validity in appended
    assert b"[COPYUID %s 1:2 2:3]" % uid_validity in copied


def test_expunging_by_uid_spares_others(user):
    with user.raw("INBOX") as raw:
        raw.must("UID STORE 1:2 +FLAGS.SILENT (\\Deleted)")
        raw.must("UID EXPUNGE 1")
        assert raw.body(2) == LETTER
        assert raw.must("UID SEARCH ALL").untagged[-1].split() == [b"*", b"SEARCH", b"2"]


def test_an_idling_client_hears_of_new_mail(user):
    with user.raw(work_of(user)) as raw:
        tag, = raw.start("IDLE")
        assert raw.response().startswith(b"+")
        user.deliver(LETTER, work_of(user))
        assert raw.response() == b"* 1 EXISTS\r\n"
        raw.send(b"DONE\r\n")
        assert b"OK" in raw.finish(tag).tagged


def test_accounts_are_apart(user):
    assert "* 2 EXISTS" in selected(user, "INBOX")
    assert "* 0 EXISTS" in selected(user.server.new_account(), "INBOX")


def test_tls_is_there_in_both_ways(user):
    with user.raw("INBOX", tls=True) as raw:
        assert raw.body(1) == LETTER
    client = imaplib.IMAP4("127.0.0.1", user.server.port)
    client.starttls(user.server.authority.client_context())
    client.login(user.user, user.server.password)
    client.logout()


def test_mail_outlives_a_restart(user):
    raw = user.raw("INBOX")
    user.server.stop()
    with pytest.raises(ConnectionError):
        raw.must("NOOP")
    with pytest.raises(ConnectionRefusedError):
        RawImap(user.server.port)
    user.server.start()
    with user.raw("INBOX") as again:
        assert again.body(2) == LETTER


def test_nothing_is_left_of_a_session_that_was_killed(server, folder):
    kind = type(server)
    program = ("import os, signal\n"
               f"from {kind.__module__} import {kind.__name__}\n"
               "from pathlib import Path\n"
               "from processes import descendants\n"
               f"packages, folder = Path({str(server.unpacked)!r}), Path({str(folder)!r})\n"
               f"server = {kind.__name__}(packages, folder=folder)\n"
               "server.start()\n"
               "connection = server.account('alice').raw()\n"
               "print(server.pid, *descendants(server.pid), flush=True)\n"
               "os.kill(os.getpid(), signal.SIGKILL)\n")
    done = run([sys.executable, "-B", "-c", program], env=os.environ | {"PYTHONPATH": str(HERE)})
    family = [int(pid) for pid in done.stdout.split()]
    assert len(family) > 1
    wait_until(lambda: all(map(ended, family)))


def test_mail_is_read_through_a_mount(user, mount):
    mounted = mount(user.url())
    names = os.listdir(mounted / "INBOX")
    assert sum(name.endswith(".eml") for name in names) == 2
    assert (mounted / "INBOX/u2.eml").read_bytes() == LETTER
    assert os.listdir(mounted / work_of(user).replace(".", "/")) == []


# Cyrus.

def test_cyrus_has_what_helps_to_write(cyrus_user):
    assert capabilities(cyrus_user) >= {"UIDPLUS", "MOVE", "LITERAL+", "MULTIAPPEND", "QUOTA",
                                        "ACL", "SPECIAL-USE", "CONDSTORE", "QRESYNC"}


def test_cyrus_refuses_a_wrong_password(cyrus_user):
    with RawImap(cyrus_user.server.port) as raw:
        assert b" NO " in raw.command(f"LOGIN {cyrus_user.user} wrong").tagged


def test_cyrus_tells_special_uses(cyrus_user):
    with cyrus_user.raw() as raw:
        told = b"".join(raw.must('LIST "" % RETURN (SPECIAL-USE)').untagged).lower()
    for name in (b"drafts", b"sent", b"trash"):
        assert rb'\%s) "/" %s' % (name, name) in told


def test_cyrus_moves(cyrus_user):
    uid = cyrus_user.deliver(LETTER)
    with cyrus_user.raw("INBOX") as raw:
        told = raw.must(f"UID MOVE {uid} Trash").untagged
    assert any(b"[COPYUID " in line for line in told)
    assert any(b" EXPUNGE" in line for line in told)


@pytest.mark.parametrize("content", [b"There is no header.\r\n", b": no name\r\n\r\nHello.\r\n"])
def test_cyrus_refuses_an_invalid_header(cyrus_user, content):
    with cyrus_user.raw() as raw:
        reply = append_slowly(raw, "INBOX", Message(content))
    assert reply.tagged.endswith(b"NO Message contains invalid header")
    assert "* 0 EXISTS" in selected(cyrus_user, "INBOX")


def test_cyrus_tells_that_the_quota_is_exceeded_by_words_only(cyrus, cyrus_user):
    cyrus_user.deliver(messages.of_size(1500))
    cyrus.set_quota(cyrus_user.user, 2)
    with cyrus_user.raw("INBOX") as raw:
        refusals = [append_slowly(raw, "INBOX", Message(messages.of_size(5000))),
                    raw.command("UID COPY 1 Trash")]
    assert all(reply.tagged.endswith(b" NO Over quota") for reply in refusals)


def test_cyrus_says_read_only_where_a_stranger_may_only_read(cyrus, cyrus_user):
    stranger = cyrus.new_account()
    cyrus.set_acl(f"user/{cyrus_user.user}/Sent", stranger.user, "lr")
    told = selected(stranger, f"Other Users/{cyrus_user.user}/Sent")
    assert "[PERMANENTFLAGS ()]" in told and "[READ-ONLY]" in told


def test_cyrus_says_read_write_where_an_owner_may_only_read(cyrus, cyrus_user):
    uid = cyrus_user.deliver(LETTER, "Sent")
    cyrus.set_acl(f"user/{cyrus_user.user}/Sent", cyrus_user.user, "lr")
    told = selected(cyrus_user, "Sent")
    assert "[PERMANENTFLAGS ()]" in told and "[READ-WRITE]" in told
    with cyrus_user.raw("Sent") as raw:
        rights = raw.must("MYRIGHTS Sent").untagged[0].split()[-1]
        assert not set(b"swite") & set(rights)
        for command in (f"UID STORE {uid} +FLAGS (\\Seen)", f"UID MOVE {uid} Trash"):
            assert raw.command(command).tagged.endswith(b"NO Permission denied")
        assert not append_slowly(raw, "Sent", Message(LETTER)).ok


# Courier.

def test_courier_has_little_that_helps_to_write(courier_user):
    assert "UIDPLUS" in capabilities(courier_user)
    assert not capabilities(courier_user) & {"MOVE", "LITERAL+", "MULTIAPPEND", "SPECIAL-USE",
                                             "CONDSTORE", "QRESYNC", "UNSELECT"}


def test_courier_keeps_all_mailboxes_below_inbox(courier_user):
    with courier_user.raw() as raw:
        assert b'(("INBOX." "."))' in raw.must("NAMESPACE").untagged[0]
        assert not raw.command("CREATE Work").ok
        raw.must("CREATE INBOX.Work")
        assert any(b'"." "INBOX.Work"' in line for line in raw.must('LIST "" "*"').untagged)


def test_courier_does_not_tell_the_next_uid_at_select(courier_user):
    told = selected(courier_user, "INBOX")
    assert "UIDVALIDITY" in told and "UIDNEXT" not in told
    with courier_user.raw() as raw:
        assert b"UIDNEXT 1" in raw.must("STATUS INBOX (UIDNEXT)").untagged[0]


def test_courier_ends_the_last_line(courier_user):
    uid = courier_user.deliver(messages.message(b"cut off he"))
    with courier_user.raw("INBOX") as raw:
        assert raw.body(uid) == messages.message(b"cut off he\r\n")


def test_courier_says_no_to_what_it_does_not_know(courier_user):
    uid = courier_user.deliver(LETTER)
    with courier_user.raw("INBOX") as raw:
        assert b" NO " in raw.command(f"UID MOVE {uid} INBOX.Trash").tagged
        assert raw.body(uid) == LETTER


# Unpacking.

@pytest.fixture
def without_apt(folder) -> dict[str, str]:
    """The environment of a machine on which nothing can be downloaded."""
    tools = folder / "bin"
    tools.mkdir()
    for name in ("bash", "cmp"):
        (tools / name).symlink_to(shutil.which(name))
    return {"PATH": str(tools)}


def test_what_was_unpacked_is_not_unpacked_again(folder, without_apt):
    packages, wanted = folder / "packages", folder / "list"
    packages.mkdir()
    for path in (wanted, packages / ".packages"):
        path.write_text("cyrus-imapd\n")
    run(["bash", UNPACK, packages, wanted], env=without_apt, check=True)
    wanted.write_text("courier-imap\n")
    assert run(["bash", UNPACK, packages, wanted], env=without_apt).returncode != 0
    assert packages.is_dir()


def test_unpacking_spares_a_folder_of_somebody_else(folder):
    (folder / "list").write_text("cyrus-imapd\n")
    done = run([UNPACK, folder, folder / "list"])
    assert done.returncode == 1 and b"was not made by" in done.stderr
    assert (folder / "list").exists()
