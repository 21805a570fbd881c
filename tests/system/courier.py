# SPDX-License-Identifier: MIT
"""A private Courier, unpacked by tests/unpack-packages; runs as root only.

Its paths are compiled in: it sees its packages laid over /usr and /etc, in namespaces of its own.
"""

import os
import re
import shutil
import signal
from pathlib import Path

from mailserver import WITHOUT_MOUNTS, Account, Server, Users
from messages import Message
from processes import descendants, ended, run, signal_all, wait_until
from rawimap import RawImap, Reply, imap_date, quote

AUTH_CONFIG = """\
authmodulelist="authuserdb"
daemons=5
authdaemonvar=/run/courier/authdaemon
"""

INSIDE = """\
set -e
packages=$1 folder=$2 port=$3 tls_port=$4 pop_port=$5 pop_tls_port=$6
""" + WITHOUT_MOUNTS + """
mount -t overlay -o "ro,lowerdir=$packages/usr:/usr" overlay /usr
mount -t overlay -o "ro,lowerdir=$packages/etc:/etc" overlay /etc
mount --bind "$folder/courier" /etc/courier
mount --bind "$folder/passwd" /etc/passwd
mount --bind "$folder/run" /run
makeuserdb
/usr/lib/courier/courier-authlib/authdaemond &
until [ -S /run/courier/authdaemon/socket ]; do sleep 0.01; done
programs=/usr/lib/courier/courier
set -a
serve() {
    /usr/sbin/couriertcpd -address=127.0.0.1 -maxprocs=200 -maxperip=200 -nodnslookup \\
        -noidentlookup "$@" Maildir &
}
. /etc/courier/imapd
. /etc/courier/imapd-ssl
unset TLS_CACHEFILE
IMAP_IDLE_TIMEOUT=1
IMAP_STARTTLS=$IMAPDSTARTTLS
IMAP_TLS=1 serve "$tls_port" "$COURIERTLS" -server -tcpd $programs/imaplogin /usr/bin/imapd
serve "$port" $programs/imaplogin /usr/bin/imapd
. /etc/courier/pop3d
. /etc/courier/pop3d-ssl
unset TLS_CACHEFILE
POP3_TLS=1 serve "$pop_tls_port" "$COURIERTLS" -server -tcpd $programs/courierpop3login \\
    $programs/courierpop3d
serve "$pop_port" $programs/courierpop3login $programs/courierpop3d
wait -n
"""


class Courier(Server):
    """All mailboxes but INBOX are called INBOX.NAME.

    `unpacked` is the folder with the packages.  Mail is kept as Maildir, in mail/USER/Maildir.
    """

    append_at_once = 1
    has_pop = True

    def __init__(self, unpacked: Path, **how):
        super().__init__("courier", **how)
        self.unpacked = unpacked
        self._config = self.folder / "courier"
        for folder in (self._config, self.folder / "run/courier/authdaemon", self.folder / "mail"):
            folder.mkdir(parents=True, exist_ok=True)
        self._write_config()
        self._crypted = run(["openssl", "passwd", "-1", "-stdin"], stdin=self.password.encode(),
                            check=True).stdout.decode().strip()

    def account(self, user: str) -> Account:
        """The server must run."""
        home = self.folder / "mail" / user
        self._make_mail_folder(home)
        uid, gid = Users.here().mail_ids()
        with open(self._config / "userdb", "a", encoding="utf-8") as users:
            users.write(f"{user}\thome={home}|mail={home}/Maildir|uid={uid}|gid={gid}|"
                        f"systempw={self._crypted}\n")
        run(["nsenter", f"--mount=/proc/{self.pid}/ns/mnt", "makeuserdb"], check=True)
        return Account(self, user)

    def append(self, raw: RawImap, mailbox: str, messages: list[Message]) -> list[int]:
        uids = []
        for message in messages:
            reply = append_slowly(raw, mailbox, message)
            if not reply.ok:
                raise RuntimeError(f"APPEND to {mailbox}: {reply.tagged!r}")
            found = re.search(rb"\[APPENDUID \d+ (\d+)\]", reply.tagged)
            uids += [int(found[1])] if found else []
        return uids

    def _write_config(self) -> None:
        uid, gid = Users.here().mail_ids()
        for name in ("imapd", "imapd-ssl", "pop3d", "pop3d-ssl"):
            shutil.copy(self.unpacked / "etc/courier" / name, self._config)
        (self._config / "authdaemonrc").write_text(AUTH_CONFIG)
        for name in ("imapd.pem", "pop3d.pem", "userdb"):
            (self._config / name).touch(mode=0o600)
        for name in ("imapd.pem", "pop3d.pem"):
            (self._config / name).write_text(
                self.certificate.cert.read_text() + self.certificate.key.read_text())
            os.chown(self._config / name, uid, gid)
        (self.folder / "passwd").write_text(  # STARTTLS needs the user courier
            f"courier:x:{uid}:{gid}::/:/bin/false\n" + Path("/etc/passwd").read_text())

    @staticmethod
    def _make_mail_folder(home: Path) -> None:
        maildir = home / "Maildir"
        for folder in (home, maildir, maildir / "cur", maildir / "new", maildir / "tmp"):
            folder.mkdir(exist_ok=True)
            os.chown(folder, *Users.here().mail_ids())

    def _command(self) -> list:
        (self.folder / "run/courier/authdaemon/socket").unlink(missing_ok=True)  # is waited for
        return [*self._leash("KILL"), "unshare", "--mount", "--propagation=slave", "--pid",
                "--fork", "--kill-child",
                "bash", "-c", INSIDE, "courier", self.unpacked, self.folder, str(self.port),
                str(self.tls_port), str(self.pop_port), str(self.pop_tls_port)]

    def _end(self) -> None:
        """By SIGKILL, for the first process of a namespace hears no SIGTERM."""
        family = [self.pid, *descendants(self.pid)]
        signal_all(family, signal.SIGKILL)
        wait_until(lambda: all(map(ended, family)))


def append_slowly(raw: RawImap, mailbox: str, message: Message) -> Reply:
    """APPEND as every server knows it: the message is sent when the server asks for it."""
    date = f' "{imap_date(message.date)}"' if message.date else ""
    tag, = raw.start(f"APPEND {quote(mailbox)} ({' '.join(message.flags)}){date} "
                     f"{{{len(message.content)}}}")
    answer = raw.response()
    if not answer.startswith(b"+"):
        return Reply([], answer.rstrip(b"\r\n"))
    raw.send(message.content + b"\r\n")
    return raw.finish(tag)
