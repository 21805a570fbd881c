# SPDX-License-Identifier: MIT
"""Whoever calls a daemon that is killed is let go, whatever the daemon was at."""

import subprocess
from pathlib import Path

import pytest

from messages import message
from mount import Mount
from place import Place
from processes import as_user, descendants, ended, run, wait_until

DEAD = (b"Software caused connection abort", b"Transport endpoint is not connected")


@pytest.fixture
def begin(stack):
    """begin(mounted, script): starts a shell as the one who mounted; ended with the test."""
    def make(mounted: Mount, script: str) -> subprocess.Popen:
        process = subprocess.Popen(
            ["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, cwd=mounted.path.parent, **as_user(mounted.home.user))
        stack.callback(process.kill)
        return process
    return make


@pytest.fixture
def let_go(stack):
    """let_go(mounted): at the end of the test, all that hangs in it is let go."""
    return lambda mounted: stack.callback(run, ["umount", "-f", mounted.path])


def waits_in_kernel(pid: int) -> bool:
    """Whether a thread of the process cannot be killed just now."""
    states = [(task / "stat").read_text().rpartition(")")[2].split()[0]
              for task in Path(f"/proc/{pid}/task").iterdir()]
    return "D" in states


def test_killed_while_it_waits_in_the_kernel(account, mount, proxy, user, begin, let_go):
    """A note about a directory waits for its lock, and who has that waits for an answer."""
    account.deliver(message())
    between = proxy()
    mounted = mount(account.url("imap+insecure", between.port), user=user)
    let_go(mounted)
    here = Place(account, mounted, between)
    mark = "setfattr -n user.mail.flags /proc/self/fd/3 -v"
    flagging = begin(mounted, f"exec 3< {here.file('INBOX')} && {mark} '\\Seen' &&"
                              "sync mail/INBOX && echo ready && read go &&"
                              f"{mark} '\\Flagged' && echo done && read go")
    assert flagging.stdout.readline() == b"ready\n"
    between.stall()
    making = begin(mounted, "exec mkdir mail/INBOX/Child")
    wait_until(lambda: b"changes not sent: 1\n" in mounted.run("cat", ".mailfs/status").stdout)
    flagging.stdin.write(b"go\n")
    flagging.stdin.flush()
    assert flagging.stdout.readline() == b"done\n", flagging.stderr.read()
    wait_until(lambda: waits_in_kernel(mounted.pid))
    mounted.kill(clean=False)
    _, said = making.communicate(timeout=10)
    assert any(text in said for text in DEAD), said


@pytest.mark.parametrize("end", [Mount.unmount, Mount.kill])
@pytest.mark.parametrize("foreground", [True, False])
def test_nobody_is_left(account, mount, user, end, foreground):
    mounted = mount(account.url("imap+insecure"), user=user, foreground=foreground)
    watcher, = descendants(mounted.pid)
    end(mounted)
    wait_until(lambda: ended(watcher))


def test_what_watches_over_the_dead_leaves_the_next_one_alone(account, mount, home, user, stack):
    """Which is mounted at the same place, under the same number, before that gets to work."""
    account.deliver(message())
    shared = home(user)
    first = mount(account.url("imap+insecure"), user=user, home=shared)
    watcher, = descendants(first.pid)
    slowly = subprocess.Popen(["strace", "-qq", "-p", str(watcher), "--trace=fcntl",
                               "--inject=fcntl:delay_enter=2s"], stderr=subprocess.PIPE)
    stack.callback(slowly.kill)
    wait_until(lambda: f"TracerPid:\t{slowly.pid}\n" in
               Path(f"/proc/{watcher}/status").read_text())
    first.kill(clean=False)
    second = mount(account.url("imap+insecure"), user=user, home=shared)
    wait_until(lambda: ended(watcher))
    assert len(second.run("ls", "INBOX", check=True).stdout.split()) == 1
