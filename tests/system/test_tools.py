# SPDX-License-Identifier: MIT
"""The programs that people use on folders, on a mount: the mail view and .mailfs/uid."""

import email
import email.policy
import os
import re
import shlex
import tarfile
from datetime import datetime, timedelta, timezone
from io import BytesIO
from pathlib import Path

import pytest

import messages
from mailserver import Account
from messages import Message
from mount import ORDINARY_USER, Home, Mount

SOME = 60
INTERNAL_DATE = datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone.utc)
FILM = messages.with_attachment(300_000)
CONTENTS = [message.content for message in messages.bulk(SOME)] + [FILM]


@pytest.fixture(scope="module")
def filled(dovecot) -> Account:
    """INBOX has 60 messages a day apart and then the film; Archive/2024 has one."""
    account = dovecot.new_account()
    account.create("Archive/2024")
    account.deliver_all(Message(content, ("\\Seen",) if number % 2 else (),
                                INTERNAL_DATE + timedelta(days=number))
                        for number, content in enumerate(CONTENTS))
    account.deliver(CONTENTS[0], "Archive/2024", date=INTERNAL_DATE)
    return account


@pytest.fixture(scope="module", params=["self", "ordinary"])
def mounted(request, filled, authority):
    """A mount that the tests of this file share: they only read."""
    if request.param == "ordinary" and os.geteuid() != 0:
        pytest.skip("needs root, to become another user")
    home = Home(ORDINARY_USER if request.param == "ordinary" else None)
    with Mount(filled.url(), f"ca_file={authority.ca}", home=home, deadline=300) as mount:
        yield mount
    home.remove()


@pytest.fixture
def work(mounted, folder) -> Path:
    """A folder on a disk, writable for the user of the mount."""
    folder.chmod(0o777)
    return folder


@pytest.fixture(params=["", ".mailfs/uid/"], ids=["mail", "uid"])
def inbox(request) -> str:
    return request.param + "INBOX"


def shell(mounted: Mount, line: str) -> list[str]:
    """Runs a line of shell in the mount, which must succeed; returns the lines of its output."""
    return mounted.run("sh", "-ec", line, check=True).stdout.decode().splitlines()


def uid_of(path) -> int:
    return int(re.search(r"(\d+)(?:,\w*)?\.eml$", os.fspath(path))[1])


def moment_of(uid: int) -> float:
    return (INTERNAL_DATE + timedelta(days=uid - 1)).timestamp()


def assert_copied(folder: Path) -> None:
    """The folder holds INBOX, with its bytes and dates."""
    found = {uid_of(path): path for path in folder.iterdir()}
    assert sorted(found) == list(range(1, SOME + 2))
    for uid, path in found.items():
        assert path.read_bytes() == CONTENTS[uid - 1]
        assert path.stat().st_mtime == moment_of(uid)


# Listing.

def test_ls(mounted, inbox):
    names = shell(mounted, f"ls {inbox}")
    assert sorted(map(uid_of, names)) == list(range(1, SOME + 2))
    assert sorted(shell(mounted, f"ls -U {inbox}")) == sorted(names)


def test_ls_is_in_order_of_arrival(mounted):
    assert list(map(uid_of, shell(mounted, "ls INBOX"))) == list(range(1, SOME + 2))


def test_ls_of_the_root(mounted):
    assert shell(mounted, "ls -A") == ["Archive", "INBOX"]
    assert shell(mounted, "ls -A .mailfs") == ["lost+found", "parts", "status", "text", "uid"]
    assert shell(mounted, "ls Archive") == ["2024"]


def test_ls_long(mounted, inbox):
    lines = shell(mounted, f"ls -ln --time-style=+%s {inbox}")[1:]
    assert len(lines) == SOME + 1
    for line in lines:
        mode, links, _, _, size, moment, name = line.split(None, 6)
        uid = uid_of(name)
        assert (mode, links, int(size)) == ("-rw-------", "1", len(CONTENTS[uid - 1]))
        assert int(moment) == moment_of(uid)


@pytest.mark.parametrize("test, uids", [
    ("-size +100k", [SOME + 1]),
    ("-size -100k -name '*.eml'", range(1, SOME + 1)),
    ("-type f -newermt '2024-07-01 00:00 UTC'", range(57, SOME + 2)),
    ("-type f -links 1 -perm 600", range(1, SOME + 2)),
])
def test_find(mounted, inbox, test, uids):
    assert sorted(map(uid_of, shell(mounted, f"find {inbox} {test}"))) == list(uids)


def test_find_by_flags(mounted):
    found = shell(mounted, "find INBOX -name '*,*S*.eml'")
    assert sorted(map(uid_of, found)) == list(range(2, SOME + 1, 2))


def test_find_does_not_see_messages_twice(mounted):
    assert len(shell(mounted, "find . -name '*.eml'")) == SOME + 2
    assert shell(mounted, "find . -type d | sort") == [".", "./Archive", "./Archive/2024",
                                                       "./INBOX"]


def test_stat(mounted, inbox):
    told = shell(mounted, f"stat -c '%s,%b,%B,%h,%Y,%F' $(find {inbox} -size +100k)")[0]
    size, blocks, unit, links, moment, kind = told.split(",")
    assert (int(size), links, kind) == (len(FILM), "1", "regular file")
    assert int(blocks) * int(unit) >= len(FILM)
    assert int(moment) == moment_of(SOME + 1)


def test_du(mounted, inbox):
    told = int(shell(mounted, f"du -s --apparent-size -B1 {inbox}")[0].split()[0])
    assert told == sum(map(len, CONTENTS))
    assert int(shell(mounted, f"du -s -B1 {inbox}")[0].split()[0]) >= told


def test_df(mounted):
    line = shell(mounted, "df --output=fstype,target .")[1]
    assert line.split() == ["fuse.mailfs", str(mounted.path)]


# Reading.

def test_cat_head_tail(mounted, inbox):
    whole = mounted.run("sh", "-ec", f"cat {inbox}/*").stdout
    assert len(whole) == sum(map(len, CONTENTS))
    film = shlex.quote(shell(mounted, f"find {inbox} -size +100k")[0])
    assert mounted.run("sh", "-c", f"head -c 1000 {film}").stdout == FILM[:1000]
    assert mounted.run("sh", "-c", f"tail -c 1000 {film}").stdout == FILM[-1000:]
    assert mounted.run("sh", "-c", f"tail -n 3 {film}").stdout == b"".join(
        FILM.splitlines(keepends=True)[-3:])
    assert mounted.run("sh", "-c", f"tac {film} | tac").stdout == FILM


@pytest.mark.parametrize("search", ["grep -rl", "rg -l", "rg -l --mmap"])
def test_search(mounted, inbox, search):
    wanted = [uid for uid, content in enumerate(CONTENTS, 1) if b"bicycle" in content]
    assert 0 < len(wanted) < SOME
    assert sorted(map(uid_of, shell(mounted, f"{search} bicycle {inbox}"))) == wanted


def test_wc(mounted, inbox):
    total = shell(mounted, f"wc -c {inbox}/*")[-1]
    assert int(total.split()[0]) == sum(map(len, CONTENTS))
    lines = shell(mounted, f"cat {inbox}/* | wc -l")
    assert int(lines[0]) == sum(content.count(b"\n") for content in CONTENTS)


def test_file(mounted, inbox):
    told = shell(mounted, f"file -b {inbox}/*")
    assert len(told) == SOME + 1
    assert all("SMTP mail" in line or "ASCII text" in line for line in told), set(told)


def test_less(mounted, inbox):
    name = shell(mounted, f"find {inbox} -name '*1.eml' -o -name '*.u1,*.eml'")[0]
    shown = mounted.run("sh", "-ec", f"less {shlex.quote(name)} | cat").stdout
    assert shown == CONTENTS[uid_of(name) - 1]


def test_checksums(mounted, inbox, work):
    sums = shell(mounted, f"sha256sum {inbox}/*")
    (work / "sums").write_text("\n".join(sums) + "\n")
    assert all(line.endswith(": OK") for line in shell(mounted, f"sha256sum -c {work}/sums"))
    assert len({line.split()[0] for line in sums}) == SOME + 1


# Copying.

def test_cp(mounted, inbox, work):
    shell(mounted, f"cp -a {inbox} {work}/copy")
    assert_copied(work / "copy")


def test_cp_of_single_files(mounted, inbox, work):
    (work / "copy").mkdir()
    (work / "copy").chmod(0o777)
    shell(mounted, f"cp -p --sparse=auto {inbox}/*.eml {work}/copy")
    assert_copied(work / "copy")


def test_tar(mounted, inbox, work):
    assert len([name for name in shell(mounted, f"tar -c {inbox} | tar -t")
                if name.endswith(".eml")]) == SOME + 1
    shell(mounted, f"tar -c {inbox} | tar -x -p -C {work}")
    assert_copied(work / inbox)
    archive = mounted.run("tar", "-c", inbox, check=True).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        assert {uid_of(one.name): one.size for one in tar if one.isfile()} == {
            uid: len(content) for uid, content in enumerate(CONTENTS, 1)}


def test_rsync(mounted, inbox, work):
    shell(mounted, f"rsync -a {inbox}/ {work}/copy")
    assert_copied(work / "copy")
    assert shell(mounted, f"rsync -ai {inbox}/ {work}/copy") == []  # nothing to be done
    assert shell(mounted, f"rsync -aic {inbox}/ {work}/copy") == []  # not by checksum either


def test_diff_of_two_mounts(mounted, filled, authority):
    other = Home(mounted.home.user)
    with Mount(filled.url("imap"), f"ca_file={authority.ca}", home=other) as second:
        shell(mounted, f"diff -r . {second.path}")
        shell(mounted, f"diff -r .mailfs/uid {second.path}/.mailfs/uid")
        assert mounted.run("diff", "-r", "INBOX", f"{second.path}/Archive").returncode == 1
    other.remove()


# Attributes.

def test_getfattr(mounted, inbox):
    film = shell(mounted, f"find {inbox} -size +100k")[0]
    told = shell(mounted, f"getfattr -d {shlex.quote(film)}")
    assert sorted(told[1:-1]) == [
        'user.mail.date="Sun, 15 Feb 2026 14:30:00 +0100"',
        'user.mail.from="Alice Moller <alice@example.org>"',
        'user.mail.message-id="<20260215.1430@example.org>"',
        'user.mail.subject="The film"',
        'user.mail.to="Bob <bob@example.net>"',
        f'user.mail.uid="{SOME + 1}"',
    ]
    seen = shell(mounted, f"find {inbox} -name '2.eml' -o -name '*.u2,*.eml'")[0]
    assert shell(mounted, f"getfattr --only-values -n user.mail.flags {shlex.quote(seen)}") == [
        "\\Seen"]
    assert mounted.run("getfattr", "-n", "user.none", film).returncode == 1


# Programs that read mail.

def test_python_email(mounted, filled):
    program = ("import email, email.policy, pathlib, sys\n"
               "for path in sorted(pathlib.Path('INBOX').iterdir()):\n"
               "    with open(path, 'rb') as file:\n"
               "        print(email.message_from_binary_file(file, policy=email.policy.default)"
               "['subject'])\n")
    told = mounted.run("/usr/bin/python3", "-c", program, check=True).stdout.decode().splitlines()
    assert told == [email.message_from_bytes(content, policy=email.policy.default)["subject"]
                    for content in CONTENTS]


def test_status_can_be_read_like_any_file(mounted):
    lines = shell(mounted, "cat .mailfs/status")
    assert "state: online" in lines and "waiting calls: 0" in lines
    assert shell(mounted, "grep -c . .mailfs/status") == [str(len(lines))]
    assert lines[0].startswith("account: imaps://") and "secret" not in "".join(lines)
