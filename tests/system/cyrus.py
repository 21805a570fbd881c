# SPDX-License-Identifier: MIT
"""A private Cyrus, unpacked by tests/unpack-packages; runs as root or as anybody."""

import os
from pathlib import Path

from mailserver import WITHOUT_MOUNTS, Account, Server, Users
from processes import run
from rawimap import quote

ADMIN = "cyrusadmin"

IMAPD_CONFIG = """\
configdirectory: {folder}/conf
defaultpartition: default
partition-default: {folder}/spool
cyrus_user: {users.mail}
cyrus_group: {users.mail_group}
admins: {admin}
servername: {name}
unixhierarchysep: yes
altnamespace: yes
virtdomains: off
allowplaintext: yes
failedloginpause: 0
imapidlepoll: 1
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {folder}/sasldb2
sasl_mech_list: PLAIN LOGIN
tls_server_cert: {certificate.cert}
tls_server_key: {certificate.key}
tls_session_timeout: 0
autocreate_quota: 0
autocreate_inbox_folders: Drafts|Sent|Trash
xlist-drafts: Drafts
xlist-sent: Sent
xlist-trash: Trash
delete_mode: immediate
expunge_mode: immediate
"""

MASTER_CONFIG = """\
START {{
  recover cmd="{bin}/ctl_cyrusdb -C {folder}/imapd.conf -r"
}}
SERVICES {{
  imap cmd="{bin}/imapd -C {folder}/imapd.conf" listen="127.0.0.1:{port}" prefork=0
  imaps cmd="{bin}/imapd -C {folder}/imapd.conf -s" listen="127.0.0.1:{tls_port}" prefork=0
}}
EVENTS {{
}}
"""

# The checkout may lie where only root can go, and Cyrus does not run as root.
MOUNT_AND_RUN = WITHOUT_MOUNTS + ' && mount --bind "$1" "$2" && shift 2 && exec "$@"'


class Cyrus(Server):
    """Each account has an INBOX, Drafts, Sent and Trash, the three with their special uses.

    `unpacked` is the folder with the packages.  Cyrus complains to the system's log only; log() has
    what is said on the connections of its accounts.
    """

    def __init__(self, unpacked: Path, **how):
        super().__init__("cyrus", **how)
        self._mark = self.folder.name.encode()  # it goes on without a port that it does not get
        self.unpacked = unpacked
        self._root = unpacked
        if os.geteuid() == 0:
            self._root = self.folder / "root"
            self._root.mkdir(exist_ok=True)
        for name in ("conf", "conf/proc", "conf/log", "spool"):
            self._make_folder(name)
        os.chown(self.certificate.key, *Users.here().mail_ids())
        self._set_password(ADMIN)

    def account(self, user: str) -> Account:
        """The server must run."""
        account = Account(self, user)
        self._set_password(user)
        self._make_folder(f"conf/log/{user}")
        account.raw().close()  # its first login makes its mailboxes
        return account

    def set_quota(self, user: str, kib: int) -> None:
        """Limits what all mailboxes of the user hold together."""
        self._administer(f"SETQUOTA {quote(f'user/{user}')} (STORAGE {kib})")

    def set_acl(self, mailbox: str, user: str, rights: str) -> None:
        """Gives the user exactly these rights (RFC 4314).

        The mailbox goes by its administrator's name: user/alice is the INBOX of alice, and
        user/alice/Work her Work.  An owner always keeps the rights l, k, x and a.
        """
        self._administer(f'SETACL {quote(mailbox)} {quote(user)} "{rights}"')

    def log(self) -> str:
        talks = sorted(self.folder.glob("conf/log/*/*"))
        return super().log() + "".join(talk.read_text(errors="replace") for talk in talks)

    def _administer(self, command: str) -> None:
        with Account(self, ADMIN).raw() as raw:
            raw.must(command)

    def _set_password(self, user: str) -> None:
        run([*self._environment(self.unpacked), self.unpacked / "usr/sbin/saslpasswd2", "-p", "-c",
             "-f", self.folder / "sasldb2", "-u", self.folder.name, user],
            stdin=self.password.encode(), check=True)
        os.chown(self.folder / "sasldb2", *Users.here().mail_ids())

    def _make_folder(self, name: str) -> None:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        os.chown(folder, *Users.here().mail_ids())

    def _command(self) -> list:
        binaries = self._root / "usr/lib/cyrus/bin"
        (self.folder / "imapd.conf").write_text(IMAPD_CONFIG.format(
            folder=self.folder, users=Users.here(), admin=ADMIN, name=self.folder.name,
            certificate=self.certificate))
        (self.folder / "cyrus.conf").write_text(MASTER_CONFIG.format(
            folder=self.folder, bin=binaries, port=self.port, tls_port=self.tls_port))
        return [*self._as_its_user(), *self._environment(self._root), binaries / "master", "-D",
                "-C", self.folder / "imapd.conf", "-M", self.folder / "cyrus.conf",
                "-p", self.folder / "conf/master.pid"]

    def _as_its_user(self) -> list:
        if os.geteuid() != 0:
            return self._leash()
        users = Users.here()
        return [*self._leash(), "unshare", "--mount", "--propagation=slave", "sh", "-c",
                MOUNT_AND_RUN, "sh",
                self.unpacked, self._root, "setpriv", f"--reuid={users.mail}",
                f"--regid={users.mail_group}", "--clear-groups", *self._leash()[1:]]

    def _environment(self, root: Path) -> list[str]:
        """Runs a command with the packages' libraries, seen at `root`, before the system's."""
        [libraries] = self.unpacked.glob("usr/lib/*-linux-gnu*")
        place = libraries.relative_to(self.unpacked)
        return ["env", f"LD_LIBRARY_PATH={root / place}",
                f"SASL_PATH={root / place}/sasl2:{Path('/') / place}/sasl2"]
