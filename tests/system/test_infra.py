# SPDX-License-Identifier: MIT
"""Tests of the test tools themselves; none of them needs mailfs."""

import email
import imaplib
import os
import ssl
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

import messages
import mount as mounting
from citizen import Box, Citizen, Stored
from mailserver import Dovecot
from messages import Message
from mount import Home, Mount, MountFailed
from processes import Hung, descendants, ended, run, start_time, wait_until
from rawimap import RawImap, mutf7, quote, uid_set

HERE = Path(__file__).resolve().parent
LETTER = messages.message()


# Dovecot.

def test_dovecot_keeps_bytes_flags_and_date(account):
    content = messages.message(b"one\rtwo\r\nthree")
    account.create("Archive/2024", "Entwürfe & mehr")
    uid = account.deliver(content, "Entwürfe & mehr", ["\\Seen", "$Forwarded"],
                          datetime(2024, 2, 3, 4, 5, 6, tzinfo=timezone.utc))
    with account.raw("Entwürfe & mehr") as raw:
        assert raw.body(uid) == content
        told = raw.must("UID FETCH 1:* (FLAGS INTERNALDATE)").untagged[0]
    assert b"\\Seen" in told and b"$Forwarded" in told and b'"03-Feb-2024 04:05:06 +0000"' in told


def test_dovecot_serves_bulk_mail(account):
    sent = list(messages.bulk(300))
    account.bulk(sent, "Lists/Garden")
    with account.raw("Lists/Garden") as raw:
        told = raw.must("UID FETCH 1:* (FLAGS RFC822.SIZE)").untagged
        assert len(told) == 300
        for uid in (1, 150, 300):
            assert raw.body(uid) == sent[uid - 1].content
            assert b"RFC822.SIZE %d)" % len(sent[uid - 1].content) in told[uid - 1]
            assert all(flag.encode() in told[uid - 1] for flag in sent[uid - 1].flags)


def test_dovecot_appends_many(account):
    sent = [Message(content) for content in messages.samples().values()]
    uids = account.deliver_all(sent)
    with account.raw("INBOX") as raw:
        assert [raw.body(uid) for uid in uids] == [message.content for message in sent]


def test_dovecot_speaks_tls_that_the_authority_vouches_for(account):
    with account.raw("INBOX", tls=True) as raw:
        assert raw.socket.version() in ("TLSv1.2", "TLSv1.3")
    with pytest.raises(ssl.SSLCertVerificationError):
        RawImap(account.server.tls_port, ssl.create_default_context())


def test_dovecot_offers_starttls(account):
    client = imaplib.IMAP4("127.0.0.1", account.server.port)
    client.starttls(account.server.authority.client_context())
    client.login(account.user, "secret")
    client.logout()


def test_dovecot_refuses_a_wrong_password_at_once(account):
    began = time.monotonic()
    for _ in range(15):
        with RawImap(account.server.port) as raw:
            assert b"AUTHENTICATIONFAILED" in raw.command(f"LOGIN {account.user} wrong").tagged
    assert time.monotonic() - began < 15 * 2  # Dovecot's own delay is 2 s


def test_dovecot_variants(special_account):
    odd = special_account(separator=".", prefix="INBOX.", compress=True, quota="20K",
                          mechanisms=("plain", "cram-md5", "scram-sha-1", "scram-sha-256"),
                          special_use={"Sent": "\\Sent"})
    with RawImap(odd.server.port) as raw:
        assert b"AUTH=SCRAM-SHA-256" in raw.greeting
    client = imaplib.IMAP4("127.0.0.1", odd.server.port)
    client.login_cram_md5(odd.user, "secret")
    client.logout()
    odd.bulk([Message(LETTER)], "INBOX.Lists.Garden")
    with odd.raw("INBOX.Lists.Garden") as raw:
        assert raw.body(1) == LETTER
        assert b"COMPRESS=DEFLATE" in raw.must("CAPABILITY").untagged[0]
        assert any(b'(\\HasNoChildren \\Sent) "." INBOX.Sent' in line
                   for line in raw.must('LIST "" "*"').untagged)
    with pytest.raises(RuntimeError, match="OVERQUOTA"):
        odd.deliver(messages.of_size(30_000))


def test_dovecot_hides_its_capabilities(special_account):
    with special_account(capability="IMAP4rev1").raw() as raw:
        assert raw.must("CAPABILITY").untagged == [b"* CAPABILITY IMAP4rev1\r\n"]


def test_dovecot_goes_and_comes_back(special_account):
    account = special_account()
    uid = account.deliver(LETTER)
    server, raw = account.server, account.raw("INBOX")
    family = [server.pid, *descendants(server.pid)]
    assert len(family) > 3
    server.stop()
    wait_until(lambda: all(map(ended, family)))
    with pytest.raises(ConnectionError):
        while True:
            raw.response()
    with pytest.raises(ConnectionRefusedError):
        RawImap(server.port)
    server.start()
    with account.raw("INBOX") as again:
        assert again.body(uid) == LETTER


def test_dovecot_pauses(special_account):
    account = special_account()
    account.server.pause()
    with pytest.raises(TimeoutError):
        RawImap(account.server.port, timeout=0.3)
    account.server.resume()
    account.raw().close()


def test_dovecot_starts_quickly(authority):
    began = time.monotonic()
    with Dovecot(authority=authority) as server:
        server.account("alice").raw().close()
        assert time.monotonic() - began < 20  # alone on a machine: 0.1


def test_dovecot_runs_as_an_ordinary_user(ordinary_user, folder):
    copies = [folder / name for name in ("certs.py", "mailserver.py", "messages.py",
                                         "processes.py", "rawimap.py", "rawpop.py")]
    for copy in copies:
        copy.write_bytes((HERE / copy.name).read_bytes())
    program = ("from mailserver import Dovecot\n"
               "with Dovecot() as server:\n"
               "    account = server.account('alice')\n"
               "    account.deliver(b'Subject: x\\r\\n\\r\\n')\n"
               "    print(account.raw('INBOX', tls=True).body(1), server.pid)\n")
    done = run([sys.executable, "-B", "-c", program], user=ordinary_user, cwd=folder,
               env={"PYTHONPATH": str(folder), "PATH": os.environ["PATH"]}, check=True)
    content, _, pid = done.stdout.decode().rpartition(" ")
    assert content == repr(b"Subject: x\r\n\r\n")
    assert ended(int(pid))


# The proxy.

def test_proxy_counts_round_trips(account, proxy):
    account.deliver(LETTER)
    between = proxy()
    with between.count() as session:
        with account.raw("INBOX", port=between.port) as raw:  # LOGIN and SELECT: two turns
            with between.count() as one:
                reply = raw.must("UID FETCH 1 (BODY.PEEK[])")
    assert (session.connections, session.turns) == (1, 3)
    assert (one.connections, one.turns) == (0, 1)
    assert one.bytes_up == len(b"r3 UID FETCH 1 (BODY.PEEK[])\r\n")
    assert one.bytes_down == sum(map(len, reply.untagged)) + len(reply.tagged) + 2


def test_proxy_counts_a_pipelined_burst_as_one_turn(account, proxy):
    between = proxy(rtt=0.04)
    with account.raw("INBOX", port=between.port) as raw, between.count() as counts:
        tags = []
        for _ in range(20):
            tags += raw.start("NOOP")
        assert all(raw.finish(tag).ok for tag in tags)
    assert counts.turns == 1


def test_proxy_counts_imaplib(account, proxy):
    between = proxy()
    with between.count() as counts:
        client = imaplib.IMAP4("127.0.0.1", between.port)
        client.login(account.user, "secret")
        client.logout()
    assert counts.connections == 1
    assert 3 <= counts.turns <= 5  # it asks CAPABILITY too


def test_proxy_delays(account, proxy):
    between = proxy(rtt=0.5)
    began = time.monotonic()
    with account.raw(port=between.port) as raw:  # connecting and greeting 0.75 s, LOGIN 0.5 s
        assert 1.25 <= time.monotonic() - began
        began = time.monotonic()
        raw.must("NOOP")
        assert 0.5 <= time.monotonic() - began
        between.set_rtt(0)
        began = time.monotonic()
        raw.must("NOOP")
        assert time.monotonic() - began < 0.5


def test_proxy_carries_bulk_unharmed(account, proxy):
    content = messages.of_size(8_000_000)
    uid = account.deliver(content)
    for rtt in (0, 0.02):
        with account.raw("INBOX", port=proxy(rtt=rtt).port) as raw:
            assert raw.body(uid) == content


def test_proxy_stalls_and_resumes(account, proxy):
    between = proxy()
    with account.raw("INBOX", port=between.port) as raw:
        between.stall()
        raw.socket.settimeout(0.3)
        tag, = raw.start("NOOP")
        with pytest.raises(TimeoutError):
            raw.socket.recv(1)
        with pytest.raises(TimeoutError):
            RawImap(between.port, timeout=0.3)
        between.resume()
        raw.socket.settimeout(10)
        assert b"NOOP completed" in raw.socket.recv(1000)
        assert tag
    account.raw(port=between.port).close()


def test_proxy_stalls_in_the_middle(account, proxy):
    between = proxy()
    uid = account.deliver(messages.of_size(100_000))
    raw = account.raw("INBOX", port=between.port)
    between.stall(after=40_000)
    raw.start(f"UID FETCH {uid} (BODY.PEEK[])")
    assert len(_all_that_comes(raw.socket, 0.3)) == 40_000
    between.resume()
    assert len(_all_that_comes(raw.socket, 0.3)) > 60_000


@pytest.mark.parametrize("rtt", [0, 0.02])
@pytest.mark.parametrize("reset", [False, True])
def test_proxy_cuts_at_a_byte(account, proxy, rtt, reset):
    between = proxy(rtt=rtt)
    uid = account.deliver(messages.of_size(100_000))
    raw = account.raw("INBOX", port=between.port)
    between.cut(after=12_345, reset=reset)
    raw.start(f"UID FETCH {uid} (BODY.PEEK[])")
    if reset:
        with pytest.raises(ConnectionResetError):
            _all_that_comes(raw.socket, 5)
    else:
        assert len(_all_that_comes(raw.socket, 5)) == 12_345
    account.raw("INBOX", port=between.port).close()


def test_proxy_cuts_what_the_client_says(account, proxy):
    between = proxy(record=True)
    raw = account.raw("INBOX", port=between.port)
    between.cut(after=5, from_client=True)
    raw.start("NOOP")
    assert raw.socket.recv(100) == b""
    assert between.said(from_client=True).endswith(b'SELECT "INBOX"\r\nr3 NO')


def test_proxy_cuts_now(account, proxy):
    between = proxy()
    raw = account.raw(port=between.port)
    between.cut()
    with pytest.raises(ConnectionError):
        raw.must("NOOP")


def test_proxy_turns_newcomers_away(account, proxy):
    between = proxy()
    raw = account.raw(port=between.port)
    between.newcomers("drop")
    with pytest.raises(ConnectionError):
        RawImap(between.port)
    between.newcomers("refuse")
    with pytest.raises(ConnectionRefusedError):
        RawImap(between.port)
    raw.must("NOOP")
    between.newcomers("serve")
    account.raw(port=between.port).close()


def test_proxy_records(account, proxy):
    between = proxy(record=True)
    account.raw("INBOX", port=between.port).close()
    wire = between.wire()
    assert not wire[0].from_client and wire[0].data.startswith(b"* OK")
    assert wire[1].from_client and b"LOGIN" in wire[1].data
    assert b"secret" in between.said(from_client=True)
    assert b"secret" not in between.said(from_client=False)


# Scripted servers.

def test_script_may_say_anything(script):
    def session(peer):
        peer.send(b"* OK \x00\xff\r\n")
        assert peer.command().words == ["user name", "pass\"word", "(a (b) c)"]
        peer.send(b"r1 O")
        peer.wait(0.05)
        peer.send(b"K done\r\n")

    server = script(session)
    with RawImap(server.port) as raw:
        assert raw.greeting == b"* OK \x00\xff\r\n"
        assert raw.command('DO "user name" {9+}\r\npass"word (a (b) c)').ok


def test_script_errors_are_not_lost(script):
    def session(peer):
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"), script(session) as server:
        with pytest.raises(ConnectionError):
            RawImap(server.port)


def test_citizen_behaves(script):
    box = Box("Entwürfe", [Stored(7, LETTER, ("\\Seen",)), Stored(9, messages.samples()["greek"])])
    citizen = Citizen(Box(), box)
    with RawImap(script(citizen).port) as raw:
        assert b"LOGINDISABLED" not in raw.greeting
        assert not raw.command("LOGIN alice wrong").ok
        raw.must('LOGIN alice "secret"')
        assert b'* LIST () "/" "Entw&APw-rfe"\r\n' in raw.must('LIST "" "*"').untagged
        assert b"* 2 EXISTS\r\n" in raw.must(f"EXAMINE {quote('Entwürfe')}").untagged
        assert raw.must("UID SEARCH UID 8:*").untagged == [b"* SEARCH 9\r\n"]
        told = raw.must("UID FETCH 1:* (FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)").untagged
        assert told[0] == (
            b'* 1 FETCH (UID 7 FLAGS (\\Seen) INTERNALDATE "15-Feb-2026 14:30:00 +0000" '
            b'RFC822.SIZE %d ENVELOPE ("Sun, 15 Feb 2026 14:30:00 +0100" "Budget" '
            b'(("Alice Moller" NIL "alice" "example.org")) '
            b'(("Alice Moller" NIL "alice" "example.org")) '
            b'(("Alice Moller" NIL "alice" "example.org")) (("Bob" NIL "bob" "example.net")) '
            b'NIL NIL NIL "<20260215.1430@example.org>"))\r\n' % len(LETTER))
        assert raw.body(7) == LETTER
        part = raw.must("UID FETCH 7 (BODY.PEEK[]<10.20>)")
        assert part.untagged[0].startswith(b"* 1 FETCH (UID 7 BODY[]<10> {20}\r\n")
        assert part.literal() == LETTER[10:30]
    assert citizen.commands[0].words == ["alice", "wrong"]


def test_citizen_understands_imaplib(script, authority):
    server = script(Citizen(Box(messages=[Stored(1, LETTER)])), authority.issue())
    client = imaplib.IMAP4("localhost", server.port)
    client.starttls(authority.client_context())
    client.authenticate("PLAIN", lambda _: b"\0alice\0secret")
    client.select("INBOX", readonly=True)
    assert client.uid("FETCH", "1", "(BODY.PEEK[])")[1][0][1] == LETTER
    client.logout()


def test_citizen_envelopes_are_like_dovecots(account, script):
    contents = list(messages.samples().values())
    account.deliver_all(map(Message, contents))
    stored = [Stored(uid, content) for uid, content in enumerate(contents, 1)]
    with account.raw("INBOX") as raw:
        theirs = raw.must("UID FETCH 1:* (ENVELOPE)").untagged
    with RawImap(script(Citizen(Box(messages=stored))).port) as raw:
        raw.must("LOGIN alice secret")
        raw.must("EXAMINE INBOX")
        ours = raw.must("UID FETCH 1:* (ENVELOPE)").untagged
    alike = sum(their == our for their, our in zip(theirs, ours))
    assert len(theirs) == len(ours) and alike > len(ours) * 0.7


def test_citizen_can_be_made_to_lie(script):
    class Liar(Citizen):
        def size(self, message):
            return super().size(message) + 1

        def body(self, message, section, origin, length):
            return b"NIL"

    with RawImap(script(Liar(Box(messages=[Stored(1, LETTER)]))).port) as raw:
        raw.must("LOGIN alice secret")
        raw.must("EXAMINE INBOX")
        told = raw.must("UID FETCH 1 (RFC822.SIZE BODY.PEEK[])").untagged[0]
    assert told == b"* 1 FETCH (UID 1 RFC822.SIZE %d BODY[] NIL)\r\n" % (len(LETTER) + 1)


def test_script_inside_tls(script, authority):
    server = script(Citizen(), authority.issue(), implicit_tls=True)
    with RawImap(server.port, authority.client_context()) as raw:
        assert b"STARTTLS" not in raw.greeting
    assert server.url().startswith("imaps://alice@localhost:")


@pytest.mark.parametrize("notify, error", [(True, ConnectionError), (False, ssl.SSLError)])
def test_script_may_leave_out_close_notify(script, authority, notify, error):
    server = script(lambda peer: peer.end(notify), authority.issue(), implicit_tls=True)
    with pytest.raises(error):
        RawImap(server.port, authority.client_context())


@pytest.mark.parametrize("how, reason", [
    ({"ends": timedelta(minutes=-5)}, "expired"),
    ({"starts": timedelta(days=1)}, "not yet valid"),
    ({"alt_names": ("DNS:other.example.org",)}, "Hostname mismatch"),
    (None, "self-signed"),
])
def test_bad_certificates_are_bad(script, authority, how, reason):
    bad = authority.self_signed() if how is None else authority.issue("bad", **how)
    server = script(Citizen(), bad, implicit_tls=True)
    with pytest.raises(ssl.SSLCertVerificationError, match=reason):
        RawImap(server.port, authority.client_context())


# Messages.

def test_samples_have_proper_line_ends_and_parse():
    for name, content in messages.samples().items():
        assert b"\n" not in content.replace(b"\r\n", b""), name
        assert email.message_from_bytes(content) is not None


def test_sizes_are_exact():
    assert [len(messages.of_size(size)) for size in (300, 65_536, 1_000_003)] == \
        [300, 65_536, 1_000_003]


def test_bulk_is_the_same_each_time():
    assert list(messages.bulk(100)) == list(messages.bulk(100))
    assert list(messages.bulk(100)) != list(messages.bulk(100, seed=2))


@pytest.mark.skipif(not messages.CORPUS.exists(), reason="there is no corpus beside the checkout")
def test_corpus_is_complete():
    table = (messages.CORPUS / "LICENSES.tsv").read_text()
    rows = [line.split("\t") for line in table.splitlines()]
    columns = [rows[0].index(name) for name in ("messages", "from_mbox_split")]
    assert len(messages.corpus()) == sum(int(row[at]) for row in rows[1:] for at in columns)


def test_mailbox_names_are_encoded():
    assert mutf7("~peter/mail/台北/日本語") == "~peter/mail/&U,BTFw-/&ZeVnLIqe-"
    assert quote('a & "b"') == '"a &- \\"b\\""'
    assert uid_set("3,7:9") == [3, 7, 8, 9]


# Processes and mounts.

def test_run_does_not_wait_for_ever():
    with pytest.raises(Hung):
        run(["sh", "-c", "sleep 60 & sleep 60"], timeout=0.3)
    assert run(["cat"], stdin=b"x").stdout == b"x"
    with pytest.raises(AssertionError, match="exit 1"):
        run(["false"], check=True)


def test_processes_are_told_apart():
    process = subprocess.Popen(["sleep", "60"])
    assert process.pid in descendants(os.getpid()) and not ended(process.pid)
    assert start_time(process.pid)
    process.kill()
    wait_until(lambda: ended(process.pid))
    process.wait()


def _pretend(folder: Path, script_text: str) -> Path:
    """A program that does not mount anything, in place of mailfs."""
    program = folder / "mailfs"
    program.write_text(f"#!/bin/sh\n{script_text}\n")
    program.chmod(0o755)
    return program


def test_mount_reports_a_refusal(mount, folder):
    program = _pretend(folder, 'echo "mailfs: wrong password" >&2; exit 1')
    with pytest.raises(MountFailed, match="wrong password") as failed:
        mount("imap+insecure://a@localhost:1/", binary=program)
    assert failed.value.code == 1


@pytest.mark.parametrize("ending, complaint", [
    ("exit 3", "exited with 3"),
    ("echo 'x.c:1: runtime error: overflow' >&2", "overflow"),
    ("echo '=1=ERROR: AddressSanitizer: leak' >$HOME/sanitizer.1", "AddressSanitizer"),
    ("exec sleep 60", "did not exit"),
])
def test_mount_complains(folder, monkeypatch, ending, complaint):
    monkeypatch.setattr(mounting, "EXIT_TIMEOUT", 1)
    home = Home()
    started = Mount("imap://x", home=home,
                    binary=_pretend(folder, f'echo "mailfs: mounted" >&2\nsleep 0.3\n{ending}'))
    with pytest.raises(AssertionError, match=complaint):
        started.finish()
    home.remove()


def test_mount_gives_up_on_a_test_that_hangs(folder):
    home = Home()
    started = Mount("imap://x", home=home, deadline=0.5,
                    binary=_pretend(folder, 'echo "mailfs: mounted" >&2\nexec sleep 60'))
    wait_until(lambda: ended(started.pid))
    with pytest.raises(AssertionError, match="still mounted after 0.5 s"):
        started.finish()
    home.remove()


def test_mount_runs_as_the_user_with_what_it_needs(mount, folder, user):
    program = _pretend(folder, 'id -un >&2; cat "$XDG_CACHE_HOME/../home/password" >&2\n'
                               'echo "$@" >&2; echo "mailfs: mounted" >&2; sleep 0.1')
    started = mount("imaps://x@localhost/", "names=spaced", "-v", user=user, binary=program)
    started.finish()
    said = started.stderr
    assert said.startswith(run(["id", "-un"], user=user).stdout.decode() + "secret\n-f -v -o ")
    assert "-o names=spaced -o ca_file=" in said and "-o password_file=" in said
    assert said.split("\n")[2].endswith(f"imaps://x@localhost/ {started.path}")


def test_fusermount_and_the_device_are_there(user):
    check = "test -r /dev/fuse -a -w /dev/fuse && fusermount3 --version"
    done = run(["sh", "-c", check], user=user)
    assert done.returncode == 0, "no access to /dev/fuse, or no fusermount3"


def _all_that_comes(sock, patience: float) -> bytes:
    """Until the end, or until nothing has come for so long."""
    sock.settimeout(patience)
    data = b""
    try:
        while chunk := sock.recv(1 << 16):
            data += chunk
    except TimeoutError:
        pass
    return data
