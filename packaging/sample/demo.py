#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The throw-away server of packaging/quickstart, with the sample account on it.

    demo.py start FOLDER   starts it with everything in FOLDER, and prints its TLS port
    demo.py stop FOLDER    ends exactly that server
"""

import sys
from pathlib import Path

from make_sample import SPECIAL_USE, build, read_letters

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests" / "system"))

from mailserver import Account, Dovecot, Options  # noqa: E402
from messages import Message  # noqa: E402
from processes import end_tree, start_time  # noqa: E402

USER = "nora"


def start(folder: Path) -> None:
    """Leaves in `folder`: server/ (tls/ca.pem in it), password, and pid for stop()."""
    password = (folder / "password").read_text().strip()
    (folder / "server").mkdir()
    server = Dovecot(Options(special_use=SPECIAL_USE), folder=folder / "server", password=password,
                     lasting=True)
    server.start()
    (folder / "pid").write_text(f"{server.pid} {start_time(server.pid)}\n")
    _deliver(server.account(USER))
    print(server.tls_port)


def stop(folder: Path) -> None:
    """A pid alone may by now be somebody else's: the time of its start must agree."""
    if not (folder / "pid").exists():
        return
    pid, started = map(int, (folder / "pid").read_text().split())
    if start_time(pid) == started:
        end_tree(pid)
    (folder / "pid").unlink()


def _deliver(account: Account) -> None:
    letters = read_letters()
    boxes: dict[str, list[Message]] = {}
    for letter in letters.values():
        message = Message(bytes(build(letter, letters)), letter.flags, letter.received)
        boxes.setdefault(letter.mailbox, []).append(message)
    account.create(*(box for box in boxes if box != "INBOX" and box not in SPECIAL_USE))
    for box, messages in boxes.items():
        account.deliver_all(messages, box)


if __name__ == "__main__":
    {"start": start, "stop": stop}[sys.argv[1]](Path(sys.argv[2]))
