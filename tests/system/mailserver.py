# SPDX-License-Identifier: MIT
"""Private mail servers: their own folder, ports, certificate and accounts.

Here is what they have in common, and a Dovecot, which runs as root or as anybody.
"""

import grp
import imaplib
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Iterable, Optional

from certs import Authority
from messages import Message
from processes import descendants, end_tree, signal_all, wait_until
from rawimap import RawImap, mutf7, quote
from rawpop import RawPop

MAILDIR_FLAGS = {"\\Draft": "D", "\\Flagged": "F", "\\Answered": "R", "\\Seen": "S",
                 "\\Deleted": "T"}
APPEND_AT_ONCE = 100
PORTS = {"imaps": "tls_port", "pop3s": "pop_tls_port", "pop3": "pop_port",
         "pop3+insecure": "pop_port"}  # by scheme; else "port"

# In a mount namespace of a server's own: a mount could not end elsewhere while it is there too.
WITHOUT_MOUNTS = "umount --all --lazy --types fuse.mailfs"

CONFIG = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
listen = 127.0.0.1
protocols = imap pop3
ssl = yes
ssl_cert = <{certificate.cert}
ssl_key = <{certificate.key}
disable_plaintext_auth = no
auth_mechanisms = {mechanisms}
auth_failure_delay = 0
first_valid_uid = 1
default_vsz_limit = 2G
default_internal_user = {users.internal}
default_internal_group = {users.internal_group}
default_login_user = {users.login}
mail_location = maildir:~/Maildir:LAYOUT=fs
mail_fsync = never
mail_max_userip_connections = 500
mail_plugins = {plugins}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={users.mail} gid={users.mail_group} home={folder}/mail/%u
}}
service imap-login {{
  {chroot}
  service_count = 0
  inet_listener imap {{
    address = 127.0.0.1
    port = {port}
  }}
  inet_listener imaps {{
    address = 127.0.0.1
    port = {tls_port}
    ssl = yes
  }}
}}
service pop3-login {{
  {chroot}
  service_count = 0
  inet_listener pop3 {{
    address = 127.0.0.1
    port = {pop_port}
  }}
  inet_listener pop3s {{
    address = 127.0.0.1
    port = {pop_tls_port}
    ssl = yes
  }}
}}
service anvil {{
  {chroot}
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  {chroot}
}}
protocol imap {{
  mail_plugins = {imap_plugins}
  {capability}
}}
namespace inbox {{
  inbox = yes
  separator = {options.separator}
  prefix = {options.prefix}
{special_use}}}
{quota}
{options.extra}
"""

QUOTA = """\
plugin {{
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:storage={limit}
}}
"""

SPECIAL_USE = """\
  mailbox "{name}" {{
    auto = create
    special_use = {use}
  }}
"""


@dataclass(frozen=True)
class Options:
    """How a server differs from the usual one."""

    capability: Optional[str] = None  # all that it admits to, e.g. "IMAP4rev1"
    compress: bool = False  # COMPRESS=DEFLATE
    separator: str = "/"
    prefix: str = ""
    quota: Optional[str] = None  # e.g. "2K"
    mechanisms: tuple[str, ...] = ("plain", "login")  # also cram-md5 scram-sha-1 scram-sha-256
    special_use: dict[str, str] = field(default_factory=dict)  # {"Sent": "\\Sent"}
    extra: str = ""  # more lines of configuration


@dataclass(frozen=True)
class Users:
    """The system's users that the server's processes run as."""

    internal: str
    internal_group: str
    login: str
    mail: str
    mail_group: str

    @classmethod
    def here(cls) -> "Users":
        if os.geteuid() == 0:
            return cls("dovecot", "dovecot", "dovenull", "nobody", "nogroup")
        me = pwd.getpwuid(os.geteuid()).pw_name
        group = grp.getgrgid(os.getegid()).gr_name
        return cls(me, group, me, me, group)

    def mail_ids(self) -> tuple[int, int]:
        """The owner of all mail, as numbers: what is written into mail/ must be given to it."""
        return pwd.getpwnam(self.mail).pw_uid, grp.getgrnam(self.mail_group).gr_gid


class Server:
    """What each server has; a kind of server says by _command() what to run.

    start() and stop() may be repeated and keep ports and mail.  `folder` is kept at close(), a
    folder made here is removed.  Without `authority` the server makes its own; authority.ca is what
    clients trust.  It ends with the thread that started it, unless it is `lasting`.

    At `pop_port` and `pop_tls_port` a server with `has_pop` speaks POP3.
    """

    has_pop = False

    append_at_once = APPEND_AT_ONCE

    def __init__(self, name: str, *, password: str = "secret", folder: Optional[Path] = None,
                 authority: Optional[Authority] = None, lasting: bool = False):
        self.name = name
        self.password = password
        self.is_lasting = lasting
        self._numbers = itertools.count(1)
        self._own_folder = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix=f"mailfs-{name}-"))
        self.folder.chmod(0o755)
        self.authority = authority or Authority(self.folder / "tls")
        self.certificate = self.authority.issue(name)
        self.port = self.tls_port = self.pop_port = self.pop_tls_port = 0
        self._mark = b"CAPABILITY"  # in its greeting
        self._master: Optional[subprocess.Popen] = None

    def __enter__(self) -> "Server":
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.close()

    @property
    def pid(self) -> int:
        assert self._master is not None
        return self._master.pid

    def start(self) -> None:
        """Returns when the server greets.  Takes new ports at the first start only."""
        attempts = 1 if self.port else 5
        while not self._start_once():
            attempts -= 1
            if attempts == 0:
                raise RuntimeError(f"{self.name} does not start:\n{self.log()}")
            self.port = 0

    def stop(self) -> None:
        """Ends the server and all its connections."""
        if self._master is None:
            return
        self._end()
        self._master.wait()
        self._master = None

    def close(self) -> None:
        self.stop()
        if self._own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def pause(self) -> None:
        """Stops every process where it is; the kernel still accepts connections."""
        os.kill(self.pid, signal.SIGSTOP)
        signal_all(descendants(self.pid), signal.SIGSTOP)

    def resume(self) -> None:
        signal_all([*descendants(self.pid), self.pid], signal.SIGCONT)

    def account(self, user: str) -> "Account":
        return Account(self, user)

    def new_account(self) -> "Account":
        """One that nobody has used yet."""
        return self.account(f"user{next(self._numbers)}")

    def append(self, raw: RawImap, mailbox: str, messages: list[Message]) -> list[int]:
        """Appends up to `append_at_once` messages in the fastest way; returns their UIDs."""
        return raw.append(mailbox, *messages)

    def log(self) -> str:
        """What the server has complained about."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _command(self) -> list:
        """Writes the configuration for the ports; returns what then runs in the foreground."""
        raise NotImplementedError

    def _is_ready(self) -> bool:
        """All ports greet, and those with TLS by our certificate."""
        greetings = [(self._mark, self.port, False), (self._mark, self.tls_port, True)]
        if self.has_pop:
            greetings += [(b"+OK", self.pop_port, False), (b"+OK", self.pop_tls_port, True)]
        return all(mark in self._greeting(port, tls) for mark, port, tls in greetings)

    def _greeting(self, port: int, tls: bool) -> bytes:
        """The first line that comes from a port; nothing if there is none."""
        context = self.authority.client_context() if tls else None
        try:
            with RawImap(port, context, timeout=10) as raw:
                return raw.greeting
        except OSError:
            return b""

    def _leash(self, number: str = "TERM") -> list[str]:
        """What to run a command by, so that this signal comes when we are gone."""
        return [] if self.is_lasting else ["setpriv", "--pdeathsig", number]

    def _end(self) -> None:
        end_tree(self.pid)

    def _start_once(self) -> bool:
        if not self.port:
            self.port, self.tls_port, self.pop_port, self.pop_tls_port = _free_ports(4)
        command = self._command()
        with open(self.folder / "log", "ab") as log:
            self._master = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, start_new_session=True)
        try:
            wait_until(lambda: self._master.poll() is not None or self._is_ready())
        except TimeoutError:
            self.stop()
            return False
        return self._master.poll() is None


class Dovecot(Server):
    """Every account name exists.  Mail is kept as Maildir, in mail/USER/Maildir."""

    has_pop = True

    def __init__(self, options: Options = Options(), **how):
        super().__init__("dovecot", **how)
        self.options = options
        self._make_mail_folder()

    def account(self, user: str) -> "DovecotAccount":
        return DovecotAccount(self, user)

    def _make_mail_folder(self) -> None:
        mail = self.folder / "mail"
        mail.mkdir(exist_ok=True)
        os.chown(mail, *Users.here().mail_ids())

    def _command(self) -> list:
        config = self.folder / "dovecot.conf"
        config.touch(mode=0o600)  # the password is in it
        config.write_text(self._config())
        return [*self._leash(), "/usr/sbin/dovecot", "-F", "-c", config]

    def _config(self) -> str:
        options = self.options
        quota = ["quota"] if options.quota else []
        deflate = ["zlib"] if options.compress else []
        return CONFIG.format(
            options=options, users=Users.here(), folder=self.folder, port=self.port,
            tls_port=self.tls_port, pop_port=self.pop_port, pop_tls_port=self.pop_tls_port,
            certificate=self.certificate, password=self.password,
            chroot="" if os.geteuid() == 0 else "chroot =",
            mechanisms=" ".join(options.mechanisms),
            plugins=" ".join(quota + deflate),
            imap_plugins=" ".join(name + " imap_" + name for name in quota + deflate),
            capability=f"imap_capability = {options.capability}" if options.capability else "",
            quota=QUOTA.format(limit=options.quota) if options.quota else "",
            special_use="".join(SPECIAL_USE.format(name=name, use=use)
                                for name, use in options.special_use.items()))


@dataclass(frozen=True)
class Account:
    """One user's mail on a server."""

    server: Server
    user: str

    def url(self, scheme: str = "imaps", port: Optional[int] = None) -> str:
        """The SOURCE to mount; `port` is that of a proxy, if there is one between."""
        own = getattr(self.server, PORTS.get(scheme, "port"))
        return f"{scheme}://{self.user}@localhost:{port or own}/"

    def client(self) -> imaplib.IMAP4:
        """A logged-in client without TLS."""
        client = imaplib.IMAP4("127.0.0.1", self.server.port, timeout=60)
        client.login(self.user, self.server.password)
        return client

    def raw(self, select: Optional[str] = None, port: Optional[int] = None,
            tls: bool = False) -> RawImap:
        """A logged-in bare client, in that mailbox if one is given."""
        context = self.server.authority.client_context() if tls else None
        own = self.server.tls_port if tls else self.server.port
        raw = RawImap(port or own, context)
        raw.must(f'LOGIN "{self.user}" "{self.server.password}"')
        if select is not None:
            raw.must(f"SELECT {quote(select)}")
        return raw

    def pop(self) -> RawPop:
        """A logged-in bare POP3 client without TLS."""
        raw = RawPop(self.server.pop_port)
        raw.log_in(self.user, self.server.password)
        return raw

    def create(self, *mailboxes: str) -> None:
        with self.raw() as raw:
            for mailbox in mailboxes:
                raw.must(f"CREATE {quote(mailbox)}")

    def deliver(self, content: bytes, mailbox: str = "INBOX", flags: Iterable[str] = (),
                date: Optional[datetime] = None) -> int:
        """Appends one message exactly as it is; returns its UID."""
        return self.deliver_all([Message(content, tuple(flags), date)], mailbox)[0]

    def deliver_all(self, messages: Iterable[Message], mailbox: str = "INBOX") -> list[int]:
        """Appends messages exactly as they are, many in one command; returns their UIDs."""
        waiting, uids, at_once = list(messages), [], self.server.append_at_once
        with self.raw() as raw:
            for first in range(0, len(waiting), at_once):
                uids += self.server.append(raw, mailbox, waiting[first:first + at_once])
        return uids


@dataclass(frozen=True)
class DovecotAccount(Account):
    """Mail whose files can be written without the server."""

    server: Dovecot

    def bulk(self, messages: Iterable[Message], mailbox: str = "INBOX") -> int:
        """Writes messages straight into the Maildir, which nobody has opened yet; returns how many.

        Fast, but knows the system flags only, and every CRLF becomes a line end of the server's.
        """
        folder = self._maildir(mailbox) / "cur"
        owner, written = Users.here().mail_ids(), 0
        for written, message in enumerate(messages, 1):
            lines = message.content.replace(b"\r\n", b"\n")
            flags = "".join(sorted(MAILDIR_FLAGS[flag] for flag in message.flags))
            sizes = f"S={len(lines)},W={len(lines) + lines.count(10)}"
            name = f"1000000000.M{written:08d}.bulk,{sizes}:2,{flags}"
            with open(f"{folder}/{name}", "wb", 0) as file:
                file.write(lines)
                os.fchown(file.fileno(), *owner)
                if message.date:
                    os.utime(file.fileno(), (message.date.timestamp(),) * 2)
        return written

    def _maildir(self, mailbox: str) -> Path:
        """The mailbox's Maildir, made where it does not exist."""
        options = self.server.options
        name = mailbox.removeprefix(options.prefix) if mailbox != "INBOX" else ""
        maildir = self.server.folder / "mail" / self.user / "Maildir"
        made = [maildir.parent, maildir]
        for part in name.split(options.separator) if name else []:
            made.append(made[-1] / mutf7(part))
        made += [made[-1] / sub for sub in ("cur", "new", "tmp")]
        for folder in made:
            if not folder.exists():
                folder.mkdir()
                os.chown(folder, *Users.here().mail_ids())
        return made[-4]


def _free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago: whoever uses them must be ready to try again."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
