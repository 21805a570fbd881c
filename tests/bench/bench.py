# SPDX-License-Identifier: MIT
"""What mailfs costs, as ratios to what the same costs without it, measured in turn in one run.

Each line gives the median of the ratios, the least and the greatest, and what was asked of it.  The exit
status is 1 when a median is over its limit.  Absolute times say little on a busy machine and are not
shown; `--rounds` gives more certainty.
"""

import argparse
import io
import os
import random
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, Optional

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "tests" / "system"))

import messages  # noqa: E402
from correspondence import letters  # noqa: E402
from mailserver import Account, Dovecot  # noqa: E402
from mount import Home, Mount  # noqa: E402
from pop_place import spool_of  # noqa: E402
from processes import wait_until  # noqa: E402
from proxy import Proxy  # noqa: E402
from rawimap import RawImap  # noqa: E402

BINARY = CHECKOUT / "build" / "mailfs"
RTT = 0.04
LINES = "UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)"


@dataclass
class Result:
    name: str
    limit: Optional[float]
    ratios: list[float]

    @property
    def is_good(self) -> bool:
        return self.limit is None or statistics.median(self.ratios) <= self.limit

    def __str__(self) -> str:
        verdict = "" if self.limit is None else f"  limit {self.limit}" + (
            "" if self.is_good else "  OVER")
        return (f"{self.name:58} {statistics.median(self.ratios):6.2f} "
                f"[{min(self.ratios):.2f} to {max(self.ratios):.2f}]{verdict}")


def timed(action: Callable[[], object]) -> float:
    """The seconds it takes; what others have written is on the disk before."""
    os.sync()
    begin = time.monotonic()
    action()
    return time.monotonic() - begin


def shell(command: str, folder: Path, check: bool = False) -> Callable[[], object]:
    # With a timeout of its own, subprocess would look only every 50 ms whether it has ended.
    return lambda: subprocess.run(["timeout", "600", "bash", "-c", command], cwd=folder, check=check,
                                  stdout=subprocess.DEVNULL)


@contextmanager
def mounted(account: Account, port: Optional[int] = None, *options: str,
            home: Optional[Home] = None, scheme: str = "imap+insecure") -> Iterator[Mount]:
    own = home or Home()
    mount = Mount(account.url(scheme, port), *options, home=own, binary=BINARY, deadline=900)
    try:
        yield mount
    finally:
        with redirect_stdout(io.StringIO()):
            mount.finish()
        if home is None:
            own.remove()


@contextmanager
def logged_in(account: Account, port: int) -> Iterator[RawImap]:
    """A bare connection with INBOX open."""
    with RawImap(port, timeout=600) as raw:
        raw.must(f"LOGIN {account.user} secret")
        raw.must("EXAMINE INBOX")
        yield raw


class Drain:
    """Sends one command and throws away what comes, as fast as that goes."""

    def __init__(self, raw: RawImap):
        self.socket = raw.socket

    def __call__(self, command: str) -> int:
        self.socket.sendall(b"zz " + command.encode() + b"\r\n")
        received, tail = 0, b""
        while b"\r\nzz OK" not in tail:
            data = self.socket.recv(1 << 20)
            if not data:
                raise ConnectionError("closed")
            received += len(data)
            tail = (tail + data)[-200:]
        return received


def bench_list(server: Dovecot, rounds: int) -> Iterator[Result]:
    """A first listing of 100,000 messages against one FETCH of the same."""
    account = server.new_account()
    account.bulk(messages.bulk(100_000))
    plain = server.port
    times, sizes = [], []
    with logged_in(account, plain) as raw:
        Drain(raw)(LINES)  # the server makes its own cache at the first
    for _ in range(rounds):
        with Proxy(plain) as proxy, logged_in(account, proxy.port) as raw:
            alone = timed(lambda: Drain(raw)(LINES))
            alone_bytes = proxy.totals().bytes_down
        with Proxy(plain) as proxy, mounted(account, proxy.port) as mount:
            listing = timed(shell("ls -l INBOX", mount.path))
            times.append(listing / alone)
            sizes.append(proxy.totals().bytes_down / alone_bytes)
    yield Result("first ls -l of 100,000: time / one FETCH", 1.5, times)
    yield Result("first ls -l of 100,000: bytes / one FETCH", 1.05, sizes)


def bench_cat(server: Dovecot, rounds: int) -> Iterator[Result]:
    """A message of 14 MB, at 40 ms, against one FETCH of it on a connection that is open."""
    account = server.new_account()
    account.deliver(messages.with_attachment(10_000_000))
    ratios = []
    for _ in range(rounds):
        with Proxy(server.port, rtt=RTT) as proxy:
            with logged_in(account, proxy.port) as raw:
                alone = timed(lambda: Drain(raw)("UID FETCH 1 (BODY.PEEK[])"))
            with mounted(account, proxy.port) as mount:
                shell("ls INBOX; head -c 1000 .mailfs/uid/INBOX/1.eml", mount.path)()
                ratios.append(timed(shell("cat INBOX/*", mount.path)) / alone)
    yield Result("cat of 14 MB at 40 ms: time / one FETCH", 1.7, ratios)


def maildir_copy(mount: Mount, folder: Path) -> Path:
    """The same messages as files of a local filesystem."""
    copy = folder / "INBOX"
    subprocess.run(["cp", "-r", mount.path / "INBOX", copy], check=True)
    return folder


COMMANDS = {
    "ls -l": ("ls -l INBOX", 1.0, 1.0),
    "find": ("find INBOX -size +100k", None, None),
    "grep -r": ("grep -r xyzzyneedle INBOX", 2.5, 1.15),
    "rg": ("rg xyzzyneedle INBOX", None, None),
}


def ratios_against_files(mount: Mount, files: Path, command: str, rounds: int) -> list[float]:
    there, here = shell(command, mount.path), shell(command, files)
    there(), here()
    return [timed(there) / timed(here) for _ in range(rounds)]


def mixed_mail(count: int) -> Iterator[messages.Message]:
    """Small messages, and a tenth of larger ones, as a mailbox has them: 40 KB on an average."""
    numbers = random.Random(7)
    for message in messages.bulk(count):
        if numbers.random() < 0.1:
            size = int(numbers.lognormvariate(12.2, 1.1))
            message = message._replace(content=messages.of_size(min(max(size, 20_000), 8_000_000)))
        yield message


def bench_local(server: Dovecot, rounds: int) -> Iterator[Result]:
    """10,000 messages, warm and cold, against the same as files on the disk."""
    account = server.new_account()
    account.bulk(mixed_mail(10_000))
    with ExitStack() as stack:
        home = Home()
        stack.callback(home.remove)
        files_home = Home()
        stack.callback(files_home.remove)
        with mounted(account, None, home=home) as mount:
            files = maildir_copy(mount, files_home.path)
        for name, (command, limit, limit_ro) in COMMANDS.items():
            cold = []
            for _ in range(rounds):
                with mounted(account, None, home=home) as mount:
                    cold.append(timed(shell(command, mount.path)) / timed(shell(command, files)))
            yield Result(f"{name}: fresh mount, all cached / files", None, cold)
        for options, column in (((), 1), (("ro",), 2)):
            with mounted(account, None, *options, home=home) as mount:
                for name, row in COMMANDS.items():
                    ratios = ratios_against_files(mount, files, row[0], rounds)
                    yield Result(f"{name}: warm{' with ro' if options else ''} / files", row[column],
                                 ratios)


MBSYNC = """
FSync no

IMAPStore far
Host 127.0.0.1
Port {port}
User {user}
Pass secret
SSLType None
AuthMechs LOGIN

MaildirStore near
Path {folder}/
Inbox {folder}/INBOX

Channel all
Far :far:
Near :near:
Patterns INBOX
Sync Pull New
Create Near
SyncState *
"""


def pull(account: Account, port: int) -> float:
    """The seconds that mbsync takes for all of INBOX."""
    home = Home()
    try:
        (home.path / "mbsyncrc").write_text(
            MBSYNC.format(port=port, user=account.user, folder=home.path))
        return timed(shell(f"mbsync -q -c {home.path}/mbsyncrc all", home.path, check=True))
    finally:
        home.remove()


# All texts were read, or it fails.
GREP_TEXTS = """test $(grep -rL xyzzyneedle .mailfs/text/INBOX | wc -l) -eq 10000"""


def bench_text(server: Dovecot, rounds: int) -> Iterator[Result]:
    """grep over the text of 10,000 letters, 1 GB with attachments, at 40 ms, against pulling them all."""
    account = server.new_account()
    text_bytes = 0

    def written() -> Iterator[messages.Message]:
        nonlocal text_bytes
        for letter in letters(10_000):
            text_bytes += letter.text_bytes
            yield letter.message

    account.bulk(written())
    with logged_in(account, server.port) as raw:
        Drain(raw)("UID FETCH 1:* (RFC822.SIZE ENVELOPE BODYSTRUCTURE)")
    times, sizes, again = [], [], []
    for _ in range(rounds):
        with Proxy(server.port, rtt=RTT) as proxy:
            pulled = pull(account, proxy.port)
        with Proxy(server.port, rtt=RTT) as proxy, mounted(account, proxy.port) as mount:
            grep = shell(GREP_TEXTS, mount.path, check=True)
            times.append(timed(grep) / pulled)
            sizes.append(proxy.totals().bytes_down / text_bytes)
            grep()
            again.append(proxy.totals().bytes_down / text_bytes - sizes[-1])
    yield Result("grep -r of 10,000 texts at 40 ms: time / mbsync of all", 0.33, times)
    yield Result("grep -r of 10,000 texts: bytes / texts and headers", 1.3, sizes)
    yield Result("the same again: bytes / texts and headers", 0.0001, again)


MPOP = """
defaults
account default
host 127.0.0.1
port {port}
user {user}
password secret
auth user
tls off
pipelining on
keep on
uidls_file {folder}/uidls
delivery maildir {folder}/maildir
"""
N_UNREAD = 1000


def pull_drop(account: Account, port: int) -> float:
    """The seconds that mpop takes for the whole maildrop."""
    home = Home()
    try:
        for name in ("cur", "new", "tmp"):
            (home.path / "maildir" / name).mkdir(parents=True)
        config = home.path / "mpoprc"
        config.write_text(MPOP.format(port=port, user=account.user, folder=home.path))
        config.chmod(0o600)
        taken = timed(shell(f"mpop -q -C {config}", home.path, check=True))
        assert len(os.listdir(home.path / "maildir/new")) == N_UNREAD
        return taken
    finally:
        home.remove()


def prefetch(account: Account, port: int) -> float:
    """The seconds from the start of a mount until all messages are in its spool."""
    home = Home()

    def is_done() -> bool:
        folders = (spool_of(home) / "cur", spool_of(home) / "new")
        return sum(len(os.listdir(folder)) for folder in folders) == N_UNREAD

    try:
        os.sync()
        begin = time.monotonic()
        with mounted(account, port, "prefetch=all", home=home, scheme="pop3+insecure"):
            wait_until(is_done, 300, 0.02)
            return time.monotonic() - begin
    finally:
        home.remove()


def bench_pop(server: Dovecot, rounds: int) -> Iterator[Result]:
    """1,000 unread messages of 100 KB each, near and far, against mpop, which pipelines, too."""
    account = server.new_account()
    account.bulk(letter.message for letter in letters(N_UNREAD))
    pull_drop(account, server.pop_port)  # the server makes its own cache
    for rtt in (0, RTT):
        reads, turns, ahead = [], [], []
        for _ in range(rounds):
            with Proxy(server.pop_port, rtt=rtt) as proxy:
                pulled = pull_drop(account, proxy.port)
                least = proxy.totals().turns
            with Proxy(server.pop_port, rtt=rtt) as proxy, \
                    mounted(account, proxy.port, scheme="pop3+insecure") as mount:
                reads.append(timed(shell("cat INBOX/*", mount.path, check=True)) / pulled)
                turns.append(proxy.totals().turns / least)
            with Proxy(server.pop_port, rtt=rtt) as proxy:
                ahead.append(prefetch(account, proxy.port) / pulled)
        where = f" at {rtt * 1000:.0f} ms" if rtt else ""
        yield Result(f"cat of 1,000 unread{where}: time / mpop", 1.3, reads)
        if rtt:  # without a delay they cannot be counted
            yield Result(f"cat of 1,000 unread{where}: round trips / mpop's", 2, turns)
        yield Result(f"prefetch of 1,000 unread{where}: time / mpop", 1.1, ahead)


BENCHES = {"list": bench_list, "cat": bench_cat, "local": bench_local, "text": bench_text,
           "pop": bench_pop}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *BENCHES], help="which; all by default")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    results = []
    with Dovecot() as server:
        for name in arguments.names or BENCHES:
            for result in BENCHES[name](server, arguments.rounds):
                print(result, flush=True)
                results.append(result)
    return 0 if all(result.is_good for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
