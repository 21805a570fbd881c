# SPDX-License-Identifier: MIT
"""Processes: running a command that must not hang, finding children, waiting for an end."""

import os
import pwd
import signal
import subprocess
import time
from pathlib import Path
from typing import Callable, Iterable, Mapping, Optional, Sequence, Union

PATIENCE = 60  # seconds for what takes a moment on a machine that has nothing else to do


class Hung(Exception):
    """A command did not end in time, and was killed."""


def run(command: Sequence[Union[str, os.PathLike]], *, timeout: float = 60,
        user: Optional[str] = None, env: Optional[Mapping[str, str]] = None, cwd=None,
        stdin: bytes = b"", check: bool = False) -> subprocess.CompletedProcess:
    """Runs a command in a process group of its own, which is killed after `timeout` seconds.

    Output is bytes.  Never waits for a process that not even SIGKILL ends, as one can be that
    hangs in a filesystem.
    """
    arguments = [os.fspath(argument) for argument in command]
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=env, cwd=cwd, process_group=0,
                               **as_user(user))
    try:
        stdout, stderr = process.communicate(stdin, timeout)
    except subprocess.TimeoutExpired:
        raise Hung(f"{arguments} ran for {timeout} s; {_abandon(process)}") from None
    done = subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)
    if check and done.returncode != 0:
        said = stderr.decode(errors="replace")
        raise AssertionError(f"{arguments}: exit {done.returncode}: {said}")
    return done


def as_user(name: Optional[str]) -> dict:
    """What Popen needs to run something as that user; nothing when there is no name."""
    if name is None:
        return {}
    entry = pwd.getpwnam(name)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def wait_until(condition: Callable[[], object], timeout: float = PATIENCE, pause: float = 0.01):
    """Polls until `condition` returns something true, and returns that; or raises TimeoutError."""
    deadline = time.monotonic() + timeout
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so after {timeout} s: {condition}")
        time.sleep(pause)
    return result


def descendants(pid: int) -> list[int]:
    """The children of a process, their children, and so on."""
    parents = {child: stat[0] for child in _pids() if (stat := _stat(child))}
    found = [pid]
    for parent in found:
        found += [child for child, its_parent in parents.items() if its_parent == parent]
    return found[1:]


def start_time(pid: int) -> Optional[int]:
    """When the process started, in ticks since boot: with the pid it names one process for ever."""
    stat = _stat(pid)
    return stat[1] if stat else None


def ended(pid: int) -> bool:
    """True when there is no such process, or only its exit status is left."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True


def stacks(pid: int) -> str:
    """Where each thread of the process is: its state and, for root, its kernel stack."""
    lines = []
    for task in sorted(Path(f"/proc/{pid}/task").glob("*")):
        for name in ("comm", "wchan", "syscall", "stack"):
            try:
                lines.append(f"{task.name} {name}: {(task / name).read_text().strip()}")
            except OSError as error:
                lines.append(f"{task.name} {name}: {error.strerror}")
    return "\n".join(lines)


def signal_all(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def end_tree(pid: int, patience: float = 10) -> None:
    """Ends a process, stopped or not, and after it what is left of its descendants.

    By SIGTERM; what has not ended then is killed.  The exit status is left for the parent.
    """
    family = {one: start_time(one) for one in [pid, *descendants(pid)]}

    def left() -> list[int]:
        return [one for one, started in family.items()
                if not ended(one) and start_time(one) == started]

    signal_all(family, signal.SIGCONT)
    _end([pid], lambda: pid in left(), patience)
    _end(left(), left, patience)


def _end(pids: list[int], there: Callable[[], object], patience: float) -> None:
    signal_all(pids, signal.SIGTERM)
    try:
        wait_until(lambda: not there(), patience)
    except TimeoutError:
        signal_all(pids, signal.SIGKILL)
        wait_until(lambda: not there(), patience)


def _abandon(process: subprocess.Popen) -> str:
    where = "\n".join(stacks(pid) for pid in [process.pid, *descendants(process.pid)])
    os.killpg(process.pid, signal.SIGKILL)
    try:
        stdout, stderr = process.communicate(timeout=5)
        return f"stderr {stderr[-2000:]!r}, stdout {stdout[-2000:]!r}, it was at\n{where}"
    except subprocess.TimeoutExpired:
        return f"SIGKILL did not end it, it is at\n{where}"


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _stat(pid: int) -> Optional[tuple[int, int]]:
    """(parent, start time) of a process that exists."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[1]), int(fields[19])
