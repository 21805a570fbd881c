# SPDX-License-Identifier: MIT
"""mailfs under test: started in a home of its own, watched, ended, searched for misbehaviour."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Optional

from processes import Hung, as_user, ended, run, signal_all, stacks, wait_until

CHECKOUT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("MAILFS_BINARY", CHECKOUT / "build-asan" / "mailfs"))
RELEASE = Path(os.environ.get("MAILFS_RELEASE_BINARY", CHECKOUT / "build" / "mailfs"))
ORDINARY_USER = "mailfstest"

ALARMING = ("ERROR: AddressSanitizer", "LeakSanitizer", "runtime error:", "CRITICAL", "assertion")
START_TIMEOUT = 30
EXIT_TIMEOUT = 30


class MountFailed(Exception):
    """mailfs ended without mounting anything."""

    def __init__(self, code: int, stderr: str):
        super().__init__(f"mailfs ended with {code}:\n{stderr}")
        self.code = code
        self.stderr = stderr


class Home:
    """A user's folders, in `folder`: home, cache, state and configuration, all empty, and a
    mountpoint."""

    def __init__(self, user: Optional[str] = None, password: str = "secret",
                 folder: Optional[Path] = None):
        self.user = user
        self.path = Path(tempfile.mkdtemp(prefix="mailfs-test-", dir=folder))
        self.path.chmod(0o755)
        for name in ("home", "cache", "state", "config", "mail"):
            (self.path / name).mkdir(mode=0o700)
        self.mountpoint = self.path / "mail"
        self.password_file = self.path / "home" / "password"
        self.password_file.write_text(password + "\n")
        self.password_file.chmod(0o600)
        if user:
            self.give(self.path)

    def give(self, *paths: Path) -> None:
        """Makes files and folders the user's, with all that is in them."""
        ids = pwd.getpwnam(self.user).pw_uid, pwd.getpwnam(self.user).pw_gid
        for path in paths:
            for one in [path, *path.rglob("*")]:
                os.chown(one, *ids)

    def environment(self) -> dict[str, str]:
        own = {"HOME": "home", "XDG_CACHE_HOME": "cache", "XDG_STATE_HOME": "state",
               "XDG_CONFIG_HOME": "config"}
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
                "ASAN_OPTIONS": f"log_path={self.path}/home/sanitizer",
                "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
                **{name: str(self.path / folder) for name, folder in own.items()}}

    def reports(self) -> str:
        """What AddressSanitizer has written; UBSan writes to stderr."""
        files = sorted((self.path / "home").glob("sanitizer.*"))
        return "".join(file.read_text(errors="replace") for file in files)

    def binary(self, wanted: Path) -> Path:
        """The program, where the user can run it: the checkout may lie in a closed folder."""
        if not self.user:
            return wanted
        copy = self.path / wanted.parent.name
        if not copy.exists():
            shutil.copy2(wanted, copy)
        return copy

    def remove(self) -> None:
        if is_mounted(self.mountpoint):
            raise AssertionError(f"{self.mountpoint} is still mounted; nothing is removed")
        shutil.rmtree(self.path, ignore_errors=True)


class Mount:
    """A mounted account.  Made when the mount is there, else MountFailed is raised.

    `options` are -o options; those that begin with "-" are given as they are.  `called` is what the
    mountpoint is called on the command line, if not by its path.  After `deadline` seconds the
    daemon is killed, so that a test that hangs in the mount goes on.  finish() unmounts and
    complains; call it, or use this as a context manager.
    """

    def __init__(self, source: str, *options: str, home: Home, foreground: bool = True,
                 binary: Path = BINARY, called: Optional[str] = None, deadline: float = 250):
        self.home = home
        self.path = home.mountpoint
        self.foreground = foreground
        self.complaints: list[str] = []
        self._expected_code: Optional[int] = 0
        self._finished = False
        file, name = tempfile.mkstemp(prefix="stderr-", dir=home.path)
        os.close(file)
        self._stderr_path = Path(name)
        words = self._words(options)
        self._start([str(home.binary(binary)), *words, source, called or str(self.path)])
        self._watchdog = threading.Timer(deadline, self._expire, (deadline,))
        self._watchdog.daemon = True
        self._watchdog.start()

    def __enter__(self) -> "Mount":
        return self

    def __exit__(self, *_) -> None:
        self.finish()

    @property
    def stderr(self) -> str:
        return self._stderr_path.read_text(errors="replace")

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def run(self, *command, **how) -> subprocess.CompletedProcess:
        """Runs a command in the mount, as the user that mounted it; see processes.run()."""
        how.setdefault("env", self.home.environment())
        return run(["env", "-C", self.path, *command], user=self.home.user, **how)

    def unmount(self) -> None:
        """Unmounts as a user does, and waits for the daemon's end."""
        if is_mounted(self.path):
            done = run(["fusermount3", "-u", self.path], user=self.home.user)
            if done.returncode != 0:
                self.complaints.append(f"fusermount3 -u: {done.stderr.decode(errors='replace')}")
                self.signal(signal.SIGTERM)
        self.wait()

    def signal(self, number: int) -> None:
        signal_all([self.pid], number)

    def kill(self, clean: bool = True) -> None:
        """kill -9; `clean` also takes away the mount, which is left behind dead."""
        self._expected_code = None
        self.signal(signal.SIGKILL)
        self.wait()
        if clean:
            run(["fusermount3", "-u", "-z", self.path], user=self.home.user)

    def wait(self) -> None:
        """Waits for the daemon's end; if it does not come, says where it is, and kills it."""
        try:
            wait_until(self._ended, EXIT_TIMEOUT)
        except TimeoutError:
            self.complaints.append(f"mailfs did not exit in {EXIT_TIMEOUT} s, it was at\n"
                                   f"{stacks(self.pid)}")
            self._expected_code = None
            self.signal(signal.SIGKILL)
            wait_until(self._ended, EXIT_TIMEOUT)

    def finish(self) -> None:
        """Unmounts and raises AssertionError about all that was wrong.  May be called twice."""
        if self._finished:
            return
        self._finished = True
        if self._ended() and self._expected_code == 0 and is_mounted(self.path):
            self.complaints.append("mailfs died")
        self._end()
        self._watchdog.cancel()
        self._inspect()
        print(f"--- stderr of mailfs on {self.path}\n{self.stderr}")
        assert not self.complaints, "\n".join(self.complaints)

    def _end(self) -> None:
        try:
            self.unmount()
        except (Hung, TimeoutError) as problem:
            self.complaints.append(str(problem))
        if is_mounted(self.path):
            self.complaints.append(f"{self.path} was left mounted")
            run(["umount", "-l", self.path])

    def _inspect(self) -> None:
        code = self._process.returncode
        if self.foreground and self._expected_code is not None and code != self._expected_code:
            self.complaints.append(f"mailfs exited with {code}")
        said = self.stderr + self.home.reports()
        if any(word in said for word in ALARMING):
            self.complaints.append(said[-20_000:])

    def _words(self, options: tuple[str, ...]) -> list[str]:
        flags = [option for option in options if option.startswith("-")]
        settings = [option for option in options if not option.startswith("-")]
        if not any(setting.startswith("password_") for setting in settings):
            settings.append(f"password_file={self.home.password_file}")
        settings = [word for setting in settings for word in ("-o", setting)]
        return [*(["-f"] if self.foreground else []), *flags, *settings]

    def _start(self, command: list[str]) -> None:
        with open(self._stderr_path, "wb") as stderr:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr, cwd="/",
                env=self.home.environment(), process_group=0, **as_user(self.home.user))
        self.pid = self._process.pid
        try:
            wait_until(self._started, START_TIMEOUT)
        except TimeoutError as late:
            where = stacks(self.pid)
            self._process.kill()
            self._process.wait(EXIT_TIMEOUT)
            raise AssertionError(f"no mount in {START_TIMEOUT} s:\n{self.stderr}{where}") from late
        except MountFailed:
            self._refuse_reports()
            raise
        if not self.foreground:
            self.pid = _daemon_of(command)

    def _started(self) -> bool:
        code = self._process.poll()
        if self.foreground and code is None:
            return "mailfs: mounted" in self.stderr
        if code is not None and (self.foreground or code != 0 or not is_mounted(self.path)):
            raise MountFailed(code, self.stderr)
        return code == 0

    def _refuse_reports(self) -> None:
        """A refusal must be a clean one, too."""
        said = self.stderr + self.home.reports()
        assert not any(word in said for word in ALARMING), said
        assert not is_mounted(self.path), f"exited with an error, but left {self.path} mounted"

    def _ended(self) -> bool:
        return self._process.poll() is not None if self.foreground else ended(self.pid)

    def _expire(self, deadline: float) -> None:
        self.complaints.append(f"still mounted after {deadline} s, it was at\n{stacks(self.pid)}")
        self._expected_code = None
        self.signal(signal.SIGKILL)


def is_mounted(path: Path) -> bool:
    """Looks into the kernel's list: asking the path itself could hang."""
    escaped = str(path).replace(" ", "\\040")
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
        return any(line.split(" ")[4] == escaped for line in mounts)


def _daemon_of(command: list[str]) -> int:
    """The process that a background mount has left, told by its command line.

    The process that watches over it has the same, but another name.
    """
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            name = (folder / "comm").read_text()
        except OSError:
            continue
        if words[:-1] == command and name != "fuse-deadman\n":
            return int(folder.name)
    raise AssertionError(f"mounted, but there is no process {command}")
