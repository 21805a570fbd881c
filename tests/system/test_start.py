# SPDX-License-Identifier: MIT
"""How mailfs begins: what it refuses, in which words; what others can see of it; the background."""

import base64
import os
import pty
import re
import select
import signal
import socket
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Optional

import pytest

import messages
from citizen import Box, Citizen, Stored
from mount import BINARY, RELEASE, MountFailed, is_mounted
from processes import descendants, ended, run, signal_all, wait_until
from script import Peer

LETTER = messages.message()


@pytest.fixture(params=["foreground", "background"])
def refused(request, mount):
    """refused(source, *options, home=…): the one sentence with which the mount is refused.

    That nothing is mounted then, Mount sees to.
    """
    def make(source: str, *options: str, **how) -> str:
        with pytest.raises(MountFailed) as caught:
            mount(source, *options, foreground=request.param == "foreground", **how)
        return sentence(caught.value.code, caught.value.stderr)
    return make


def sentence(code: int, stderr: str) -> str:
    """What a failed start has said, which must be one sentence."""
    assert code in (1, 2)
    assert re.fullmatch(r"mailfs: [^\n]+\n", stderr), stderr
    return stderr.removeprefix("mailfs: ").rstrip("\n")


def start(home, *arguments, **how) -> subprocess.CompletedProcess:
    """Runs mailfs with exactly these arguments, until it ends or has gone to the background."""
    return run([home.binary(BINARY), *arguments], env=home.environment(), user=home.user, **how)


def refusal(home, *arguments, **how) -> str:
    done = start(home, *arguments, **how)
    return sentence(done.returncode, done.stderr.decode())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


# The account and the way to it.

def test_wrong_password(account, refused, home):
    shared = home()
    shared.password_file.write_text("wrong\n")
    said = refused(account.url(), home=shared)
    assert said.startswith(f"localhost: log in as {account.user}: ")
    assert "Authentication failed" in said and "wrong" not in said


def test_unknown_host(refused):
    assert refused("imaps://alice@nosuch.invalid/", "timeout=5") == (
        "connect to nosuch.invalid:993: name not found")


def test_refused_connection(refused):
    port = free_port()
    assert refused(f"imaps://alice@localhost:{port}/") == (
        f"connect to localhost:{port}: connection refused")


def test_server_that_says_nothing(script, refused):
    server = script(Peer.wait)
    assert "timed out" in (said := refused(server.url(), "timeout=1")) or "no answer" in said


@pytest.mark.parametrize("url, complaint", [
    ("alice@localhost", "must begin with imaps://"),
    ("http://alice@localhost/", "must begin with imaps://"),
    ("imaps://localhost/", "names no user"),
    ("imaps://alice@/", "names no host"),
    ("imaps://alice@localhost:0/", "port is not a number"),
    ("imaps://alice:secret@localhost/", "seems to hold a password"),
])
def test_source_that_makes_no_sense(refused, url, complaint):
    said = refused(url)
    assert complaint in said and "secret" not in said


# TLS.

def test_certificate_of_an_unknown_authority(account, refused):
    said = refused(account.url(), "ca_file=/etc/ssl/certs/ca-certificates.crt")
    assert "unknown authority" in said and "mailfs test authority" in said
    assert "tls_fingerprint=" in said


@pytest.mark.parametrize("scheme", ["imaps", "imap"])
def test_self_signed_certificate(authority, script, refused, scheme):
    server = script(Citizen(), authority.self_signed(), implicit_tls=scheme == "imaps")
    assert "certificate is self-signed and not trusted" in refused(server.url())


@pytest.mark.parametrize("how, complaint", [
    ({"alt_names": ("DNS:mail.example.org",)}, "certificate is for mail.example.org, not for "
                                               "localhost"),
    ({"starts": timedelta(days=-9), "ends": timedelta(days=-1)}, "certificate expired on "),
    ({"starts": timedelta(days=1)}, "certificate is not valid before "),
])
def test_certificate_that_does_not_fit(authority, script, refused, how, complaint):
    server = script(Citizen(), authority.issue(**how), implicit_tls=True)
    assert complaint in refused(server.url())


def test_fingerprint(authority, script, refused, mount):
    certificate = authority.self_signed()
    server = script(Citizen(), certificate, implicit_tls=True)
    said = refused(server.url(), f"tls_fingerprint={'0' * 64}")
    told = re.search(r"fingerprint ((?:[0-9A-F]{2}:){31}[0-9A-F]{2})$", said)[1]
    assert told.replace(":", "").lower() == certificate.fingerprint
    for fingerprint in (told, certificate.fingerprint):
        mount(server.url(), f"tls_fingerprint={fingerprint}").finish()


def test_fingerprint_that_is_none(account, refused):
    assert "SHA-256" in refused(account.url(), "tls_fingerprint=abc")


def test_no_starttls(script, refused):
    citizen = Citizen()
    assert "offers no STARTTLS" in refused(script(citizen).url("imap"))
    assert not {"LOGIN", "AUTHENTICATE"} & {command.name for command in citizen.commands}


class Presumptuous(Citizen):
    def greeting(self, peer: Peer) -> bytes:
        return b"* PREAUTH welcome back\r\n"


@pytest.mark.parametrize("scheme", ["imap", "imap+insecure"])
def test_preauth(script, refused, scheme):
    assert "PREAUTH" in refused(script(Presumptuous()).url(scheme))


# The mount point.

def test_mountpoint_does_not_exist(account, refused, home):
    shared = home()
    shared.mountpoint.rmdir()
    assert refused(account.url(), home=shared) == (
        f"mount on {shared.mountpoint}: there is no such directory")


def test_mountpoint_in_a_folder_that_does_not_exist(account, refused, home):
    shared = home()
    shared.mountpoint = shared.path / "nosuch" / "mail"
    assert refused(account.url(), home=shared) == (
        f"mount on {shared.mountpoint}: there is no such directory")


def test_mountpoint_that_one_may_not_write_to(account, refused, home, ordinary_user):
    shared = home(ordinary_user)
    shared.mountpoint.chmod(0o500)
    assert refused(account.url(), home=shared) == (
        f"mount on {shared.mountpoint}: you may not write there, so you may not mount there")


def test_mountpoint_is_a_file(account, refused, home):
    shared = home()
    shared.mountpoint.rmdir()
    shared.mountpoint.touch()
    assert refused(account.url(), home=shared) == (
        f"mount on {shared.mountpoint}: it is no directory")


def test_mountpoint_is_mounted_already(account, mount):
    account.deliver(LETTER)
    first = mount(account.url())
    said = refusal(first.home, account.url(), str(first.path), "-o", "cache_dir=/tmp/unused")
    assert said == f"mount on {first.path}: a mailfs is mounted there already"
    assert (first / "INBOX/u1.eml").read_bytes() == LETTER


def test_cache_is_in_use(account, mount, home):
    first, other = mount(account.url()), home()
    options = f"password_file={first.home.password_file},ca_file={account.server.authority.ca}"
    said = refusal(first.home, "-o", options, account.url(), str(other.mountpoint))
    assert "another mailfs has it open" in said and "cache_dir=" in said
    assert not is_mounted(other.mountpoint)


def test_mountpoint_with_a_strange_name(account, home):
    shared = home()
    strange = shared.path / "my mail, \\ ünd\tmore"
    strange.mkdir()
    options = f"password_file={shared.password_file},ca_file={account.server.authority.ca}"
    account.deliver(LETTER)
    assert start(shared, "-o", options, account.url(), str(strange)).returncode == 0
    try:
        assert (strange / "INBOX/u1.eml").read_bytes() == LETTER
    finally:
        run(["fusermount3", "-u", strange], check=True)


# Options.

@pytest.mark.parametrize("arguments, complaint", [
    (["-o", "password_fil=x", "imaps://a@b", "."],
     'unknown option "password_fil": did you mean "password_file"?'),
    (["-o", "timeuot=3", "imaps://a@b", "."], 'unknown option "timeuot": did you mean "timeout"?'),
    (["-o", "whatever", "imaps://a@b", "."],
     'unknown option "whatever" (mailfs --help lists them)'),
    (["-o", "uid=1000", "imaps://a@b", "."], 'unknown option "uid" (mailfs --help lists them)'),
    (["-q", "imaps://a@b", "."], 'unknown option "-q" (mailfs --help lists them)'),
    (["--fast", "imaps://a@b", "."], 'unknown option "--fast" (mailfs --help lists them)'),
    (["-o", "timeout=0", "imaps://a@b", "."],
     'the option "timeout" needs a number of seconds from 1 to 3600, not "0"'),
    (["-o", "cache_size=much", "imaps://a@b", "."],
     'the option "cache_size" needs a size of at least 1M, such as 500M or 2G, not "much"'),
    (["-o", "ro=1", "imaps://a@b", "."], 'the option "ro" takes no value'),
    (["-o", "names", "imaps://a@b", "."],
     'the option "names" needs a value: dashed or spaced'),
    ([], "the account is missing (mailfs --help says more)"),
    (["imaps://a@b"], "the mount point is missing (mailfs --help says more)"),
    (["imaps://a@b", ".", "more"], 'one argument too many: "more"'),
])
def test_wrong_arguments(home, arguments, complaint):
    done = start(home(), *arguments)
    assert done.returncode == 2
    assert sentence(done.returncode, done.stderr.decode()) == complaint


@pytest.mark.parametrize("flag, beginning", [("--help", b"Usage: mailfs "), ("-h", b"Usage: "),
                                             ("--version", b"mailfs "), ("-V", b"mailfs ")])
def test_help_and_version(home, flag, beginning):
    done = start(home(), flag)
    assert done.returncode == 0 and done.stdout.startswith(beginning) and not done.stderr


def test_options_of_fstab_are_swallowed(account, mount):
    account.deliver(LETTER)
    mounted = mount(account.url(), "rw,defaults,_netdev,noauto,nofail,user", "x-gvfs-show",
                    "x-systemd.automount,x-systemd.idle-timeout=60", "nosuid,nodev,noexec")
    assert (mounted / "INBOX/u1.eml").read_bytes() == LETTER


@pytest.mark.parametrize("options", ["rw,noexec,nosuid,nodev,_netdev,user", "rw,_netdev,noauto"])
def test_mounted_by_the_helper_of_mount(account, home, options):
    """As mount(8) calls it for an entry of fstab."""
    shared = home()
    account.deliver(LETTER)
    env = shared.environment()
    env["PATH"] = f"{BINARY.parent}:{env['PATH']}"
    options += f",password_file={shared.password_file},ca_file={account.server.authority.ca}"
    run(["mount.fuse3", account.url(), shared.mountpoint, "-t", "fuse.mailfs", "-o", options],
        env=env, check=True)
    try:
        assert (shared.mountpoint / "INBOX/u1.eml").read_bytes() == LETTER
    finally:
        run(["umount", shared.mountpoint], check=True)


# The password.

def test_password_file_that_others_can_read(account, refused, home):
    shared = home()
    shared.password_file.chmod(0o640)
    assert refused(account.url(), home=shared) == (
        f"read the password file {shared.password_file}: others have access to it; run chmod 600 "
        "on it")


def test_password_file_that_is_not_there(account, refused):
    assert refused(account.url(), "password_file=/nonexistent") == (
        "read the password file /nonexistent: No such file or directory")


@pytest.mark.parametrize("command, complaint", [
    ("exit 3", "it failed with exit status 3"),
    ("kill -9 $$", "it was killed by signal 9"),
    ("true", "the first line is empty"),
    ("echo; echo secret", "the first line is empty"),
])
def test_password_command_that_fails(account, refused, command, complaint):
    assert refused(account.url(), f"password_command={command}") == (
        f"run the password command: {complaint}")


@pytest.mark.full
def test_password_command_that_hangs(account, home):
    shared = home()
    pid_file = shared.path / "pid"
    said = refusal(shared, "-o", f"password_command=echo $$ >{pid_file}; sleep 1000",
                   account.url(), str(shared.mountpoint), timeout=100)
    assert said == "run the password command: no answer within 60 s"
    assert ended(int(pid_file.read_text()))


def test_password_command(account, mount):
    account.deliver(LETTER)
    mounted = mount(account.url(), "password_command=printf 'secret\\\\nmore\\\\n'")
    assert (mounted / "INBOX/u1.eml").read_bytes() == LETTER


def test_no_terminal_to_ask_on(account, home):
    shared = home()
    done = run(["setsid", "-w", BINARY, account.url(), shared.mountpoint],
               env=shared.environment())
    assert "terminal" in sentence(done.returncode, done.stderr.decode())
    assert not is_mounted(shared.mountpoint)


def test_password_from_the_terminal(account, home):
    shared = home()
    ca_file = f"ca_file={account.server.authority.ca}"
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(BINARY, [BINARY, "-o", ca_file, account.url(), shared.mountpoint],
                  shared.environment())
    said = read_until(terminal, b": ")
    assert said.decode() == f"Password for {account.url().rstrip('/')}: "
    os.write(terminal, b"secret\n")
    said += read_until(terminal, None)
    os.close(terminal)
    try:
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, said
        assert b"secret" not in said and is_mounted(shared.mountpoint)
    finally:
        run(["fusermount3", "-u", shared.mountpoint])


def read_until(fd: int, end: Optional[bytes]) -> bytes:
    """Reads a terminal until that comes, or else until nobody has it open any more."""
    said = b""
    while end is None or not said.endswith(end):
        assert select.select([fd], [], [], 20)[0], said
        try:
            said += os.read(fd, 1000)
        except OSError:  # EIO: the last one has closed it
            break
    return said


class Discreet(Citizen):
    """Has a password that occurs nowhere else."""

    password = "xyzzy-plugh-plover"
    capabilities = "IMAP4rev1 AUTH=PLAIN SASL-IR"


class OldDiscreet(Discreet):
    capabilities = "IMAP4rev1"  # so that LOGIN is used


@pytest.mark.parametrize("citizen", [Discreet, OldDiscreet])
@pytest.mark.parametrize("how", ["password_file", "password_command"])
def test_password_is_nowhere_to_be_seen(script, mount, home, citizen, how):
    server = script(citizen(Box("INBOX", [Stored(1, LETTER)])))
    shared = home()
    shared.password_file.write_text(Discreet.password + "\n")
    option = f"password_command=cat {shared.password_file}" if how == "password_command" else (
        f"password_file={shared.password_file}")
    mounted = mount(server.url(), option, "-d", home=shared)
    assert (mounted / "INBOX/u1.eml").read_bytes() == LETTER

    proc = Path(f"/proc/{mounted.pid}")
    seen = {name: (proc / name).read_bytes() for name in ("cmdline", "environ", "comm")}
    seen["status"] = (mounted / ".mailfs/status").read_bytes()
    seen["ps"] = run(["ps", "-ef"], check=True).stdout
    mounted.finish()
    seen["log"] = mounted.stderr.encode()
    seen |= {str(path): path.read_bytes() for path in shared.path.rglob("*")
             if path.is_file() and path != shared.password_file}
    whole = f"\0alice\0{Discreet.password}"
    for name, content in seen.items():
        for secret in (Discreet.password.encode(), base64.b64encode(whole.encode())):
            assert secret not in content, name
    assert b"EXAMINE" in seen["log"]


@pytest.mark.parametrize("foreground", [True, False])
def test_password_is_never_swapped_out(account, mount, foreground):
    """Asks the release, because sanitizers do not let a program lock memory."""
    if not RELEASE.exists():
        pytest.skip(f"there is no {RELEASE}: tests/run builds it")
    mounted = mount(account.url(), foreground=foreground, binary=RELEASE)
    status = Path(f"/proc/{mounted.pid}/status").read_text()
    assert int(re.search(r"^VmLck:\s+(\d+) kB$", status, re.MULTILINE)[1]) > 0


def test_no_core_dumps(account, mount):
    limits = Path(f"/proc/{mount(account.url()).pid}/limits").read_text()
    assert re.search(r"Max core file size +0 +0 ", limits)


# The mount.

def test_background(account, mount, home, user):
    account.deliver(LETTER)
    mounted = mount(account.url(), user=user, foreground=False)  # sees that it is there at once
    assert mounted.run("cat", "INBOX/u1.eml", check=True).stdout == LETTER
    proc = Path(f"/proc/{mounted.pid}")
    assert {os.readlink(proc / "fd" / str(fd)) for fd in range(3)} == {"/dev/null"}
    assert os.readlink(proc / "cwd") == "/"
    assert os.getsid(mounted.pid) == mounted.pid
    mounted.unmount()
    wait_until(lambda: ended(mounted.pid))


def test_background_lets_go_of_its_parent(account, home):
    shared = home()
    options = f"password_file={shared.password_file},ca_file={account.server.authority.ca}"
    done = start(shared, "-o", options, account.url(), str(shared.mountpoint))  # waits for the EOF
    try:
        assert done.returncode == 0 and not done.stdout and not done.stderr
        assert is_mounted(shared.mountpoint)
    finally:
        run(["fusermount3", "-u", shared.mountpoint], check=True)


def start_that_waits(home, server, *flags) -> subprocess.Popen:
    """mailfs, connected to a server that says nothing."""
    process = subprocess.Popen(
        [BINARY, *flags, "-o", f"password_file={home.password_file}", server.url(),
         home.mountpoint], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env=home.environment(), process_group=0)
    wait_until(lambda: server.connections)
    return process


@pytest.mark.parametrize("give_up", [
    lambda pid: os.kill(pid, signal.SIGTERM),  # timeout(1)
    lambda pid: os.kill(pid, signal.SIGKILL),
    lambda pid: os.killpg(pid, signal.SIGINT),  # Ctrl-C
], ids=["term", "kill", "ctrl-c"])
def test_giving_up_on_a_start_in_the_background(script, home, give_up):
    process = start_that_waits(home(), script(Peer.wait))
    daemons = descendants(process.pid)  # it and the process that watches over it
    give_up(process.pid)
    assert process.wait(10) != 0
    try:
        wait_until(lambda: all(map(ended, daemons)))
    finally:
        signal_all([pid for pid in daemons if not ended(pid)], signal.SIGKILL)
    process.stderr.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_ended_before_the_mount(script, home, number):
    process = start_that_waits(home(), script(Peer.wait), "-f")
    process.send_signal(number)
    said = process.communicate(timeout=10)[1].decode()
    assert sentence(process.returncode, said) == "stopped before anything was mounted"


def test_entry_in_the_mount_table(account, mount):
    mounted = mount(account.url())
    line, = [line for line in Path("/proc/mounts").read_text().splitlines()
             if line.split()[1] == str(mounted.path)]
    source, _, kind, options, *_ = line.split()
    assert source == account.url().rstrip("/") and kind == "fuse.mailfs"
    assert {"nosuid", "nodev"} <= set(options.split(","))


def test_user_with_an_at_sign(special_account, mount):
    account = special_account().server.account("alice@example.org")
    account.deliver(LETTER)
    mounted = mount(account.url())
    assert (mounted / "INBOX/u1.eml").read_bytes() == LETTER


def test_others_stay_out(account, mount, ordinary_user):
    account.deliver(LETTER)
    mounted = mount(account.url())
    for path in (mounted.path, mounted / "INBOX/u1.eml"):
        done = run(["stat", path], user=ordinary_user)
        assert done.returncode != 0 and b"Permission denied" in done.stderr


def test_others_are_let_in_as_far_as_permissions_go(account, mount, ordinary_user):
    account.deliver(LETTER)
    mounted = mount(account.url(), "allow_other")
    told = run(["stat", "-c", "%a", mounted.path], user=ordinary_user, check=True)
    assert told.stdout == b"700\n"
    for command in (["ls", mounted.path], ["cat", mounted / "INBOX/u1.eml"]):
        done = run(command, user=ordinary_user)
        assert done.returncode != 0 and b"Permission denied" in done.stderr


def test_others_are_let_in_only_where_root_lets_them(account, refused, home, ordinary_user):
    if "user_allow_other" in re.findall(r"^\w+", Path("/etc/fuse.conf").read_text(), re.MULTILINE):
        pytest.skip("/etc/fuse.conf has the line user_allow_other")
    assert refused(account.url(), "allow_other", home=home(ordinary_user)) == (
        "allow_other needs the line user_allow_other in /etc/fuse.conf")


def test_owner_and_permissions(account, mount, user):
    account.deliver(LETTER)
    mounted = mount(account.url(), user=user)
    told = mounted.run("stat", "-c", "%U %a", ".", "INBOX", "INBOX/u1.eml", check=True).stdout
    owner = run(["id", "-un"], user=user, check=True).stdout.decode().strip()
    assert told.decode().splitlines() == [f"{owner} 700", f"{owner} 700", f"{owner} 600"]


def test_nothing_can_be_changed(account, mount):
    account.deliver(LETTER)
    mounted = mount(account.url(), "ro")
    name, = os.listdir(mounted / "INBOX")
    for command in (["touch", "new"], ["rm", "-f", name], ["mv", name, "x.eml"], ["mkdir", "box"],
                    ["chmod", "600", name], ["ln", name, "x"], ["ln", "-s", name, "x"],
                    ["truncate", "-s", "0", name], ["dd", f"of={name}", "if=/dev/null"],
                    ["setfattr", "-n", "user.mail.flags", "-v", "x", name], ["rmdir", "../INBOX"]):
        done = mounted.run("env", "-C", "INBOX", *command)
        assert done.returncode != 0 and b"Read-only file system" in done.stderr, command
    assert (mounted / "INBOX" / name).read_bytes() == LETTER


def test_log_of_every_call(account, mount):
    account.deliver(LETTER)
    mounted = mount(account.url(), "-d")
    assert (mounted / "INBOX/u1.eml").read_bytes() == LETTER
    assert not (mounted / "INBOX/\x1b[2J\nmailfs: fine").exists()
    mounted.finish()
    lines = mounted.stderr.split("\n")
    assert {"mailfs: lookup ./INBOX", "mailfs: lookup INBOX/u1.eml", "mailfs: open INBOX/u1.eml",
            "mailfs: read INBOX/u1.eml", "mailfs: lookup INBOX/?[2J?mailfs: fine"} <= set(lines)
    assert "\x1b" not in mounted.stderr and "mailfs: fine" not in lines
