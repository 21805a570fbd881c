# SPDX-License-Identifier: MIT
"""The two commands of the README, and what they leave behind: nothing."""

import os
import sys
from pathlib import Path

import pytest

from mount import CHECKOUT, RELEASE, is_mounted
from processes import descendants, run

SAMPLE = CHECKOUT / "packaging" / "sample"
QUICKSTART = CHECKOUT / "packaging" / "quickstart"


@pytest.fixture
def quickstart(folder):
    """quickstart(*arguments): runs it in a home of its own, and returns its output as text."""
    if not RELEASE.exists():
        pytest.skip(f"there is no {RELEASE}: tests/run builds it")
    env = {"HOME": str(folder), "TMPDIR": str(folder), "PATH": os.environ["PATH"],
           "LANG": "C.UTF-8"}

    def go(*arguments):
        done = run([QUICKSTART, *arguments], env=env, cwd=folder, check=True)
        return done.stdout.decode()

    yield go
    run([QUICKSTART, "--stop"], env=env)


def test_sample_account(quickstart, folder):
    said = quickstart()
    mail, = folder.glob("mailfs-sample.*/mail")
    assert is_mounted(mail)
    assert f"fusermount3 -u {mail}" in said
    assert "17 messages  INBOX/" in said and "2 messages  Håndverk/" in said
    assert ".txt:ο θείος μου άφησε ένα αρμόνιο" in said  # which is base64
    assert "item;pieces;each;sum" in said  # the attachment, decoded
    assert len(list(mail.glob("Archive/2024/*.eml"))) == 4

    assert "mounted already" in quickstart()
    assert list(folder.glob("mailfs-sample.*/mail")) == [mail]

    quickstart("--stop")
    assert not is_mounted(mail) and not list(folder.glob("mailfs-sample.*"))
    assert not [pid for pid in descendants(1) if _runs_in(pid, folder)]
    assert "no sample account" in quickstart("--stop")


def test_own_account(quickstart, folder, account):
    account.deliver(b"Subject: Hello\r\n\r\nHello.\r\n")
    password = folder / "password"
    password.write_text("secret\n")
    password.chmod(0o600)
    mail = folder / "my mail"
    options = f"password_file={password},ca_file={account.server.authority.ca}"
    said = quickstart("-o", options, account.url(), "my mail")
    try:
        assert is_mounted(mail) and "Your mail is at my mail" in said
        assert "fusermount3 -u my\\ mail\n" in said
        assert len(list((mail / "INBOX").glob("*_Hello.u1,*.eml"))) == 1
    finally:
        run(["fusermount3", "-u", mail], check=True)


def test_sample_letters_are_the_same_each_time(folder):
    for name in ("one", "two"):
        run([sys.executable, "-B", SAMPLE / "make_sample.py", folder / name], check=True)
    run(["diff", "-r", folder / "one", folder / "two"], check=True)
    assert 35 <= len(list(folder.glob("one/**/*.eml"))) <= 45


def _runs_in(pid: int, folder: Path) -> bool:
    try:
        return str(folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
