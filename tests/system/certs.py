# SPDX-License-Identifier: MIT
"""Throw-away certificates: an authority of our own, and servers it vouches for."""

import hashlib
import itertools
import ssl
import subprocess
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

LOCALHOST = ("DNS:localhost", "IP:127.0.0.1")

CA_CONFIG = """\
[ca]
default_ca = here
[here]
database = {folder}/index
new_certs_dir = {folder}
certificate = {folder}/ca.pem
private_key = {folder}/ca.key
default_md = sha256
policy = any
unique_subject = no
rand_serial = yes
[any]
commonName = supplied
"""


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, as PEM files."""

    cert: Path
    key: Path

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the DER form, as 64 hexadecimal digits."""
        der = ssl.PEM_cert_to_DER_cert(self.cert.read_text())
        return hashlib.sha256(der).hexdigest()

    def context(self) -> ssl.SSLContext:
        """What a server with this certificate needs."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        return context


class Authority:
    """Signs certificates; `ca` is the file a client is told to trust."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.ca = folder / "ca.pem"
        self._numbers = itertools.count(1)
        (folder / "index").touch()
        (folder / "ca.cnf").write_text(CA_CONFIG.format(folder=folder))
        self._openssl("req", "-x509", *self._new_key("ca"), "-days", "30", "-out", self.ca,
                      "-subj", "/CN=mailfs test authority")

    def issue(self, name: str = "server", alt_names: tuple[str, ...] = LOCALHOST,
              common_name: str = "localhost", starts: timedelta = timedelta(days=-1),
              ends: timedelta = timedelta(days=30)) -> Certificate:
        """A new certificate for `alt_names` ("DNS:…", "IP:…"), valid between the given offsets."""
        name = f"{name}-{next(self._numbers)}"
        request, cert, extensions = (self.folder / f"{name}.{end}" for end in ("csr", "pem", "ext"))
        extensions.write_text(f"subjectAltName = {','.join(alt_names)}\n" if alt_names else "")
        self._openssl("req", "-new", *self._new_key(name), "-out", request,
                      "-subj", f"/CN={common_name}")
        self._openssl("ca", "-batch", "-notext", "-config", self.folder / "ca.cnf", "-in", request,
                      "-out", cert, "-extfile", extensions, "-startdate", _asn1_time(starts),
                      "-enddate", _asn1_time(ends))
        return Certificate(cert, self.folder / f"{name}.key")

    def self_signed(self, name: str = "self-signed") -> Certificate:
        """A certificate for localhost that nobody vouches for."""
        cert = self.folder / f"{name}.pem"
        self._openssl("req", "-x509", *self._new_key(name), "-days", "30", "-out", cert,
                      "-subj", "/CN=localhost", "-addext", f"subjectAltName={','.join(LOCALHOST)}")
        return Certificate(cert, self.folder / f"{name}.key")

    def client_context(self) -> ssl.SSLContext:
        """What a client needs that trusts this authority, and notices a missing close_notify."""
        context = ssl.create_default_context(cafile=self.ca)
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
        return context

    def _new_key(self, name: str) -> list:
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", self.folder / f"{name}.key"]

    def _openssl(self, *arguments) -> None:
        command = ["openssl", *map(str, arguments)]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, timeout=30)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.decode(errors='replace')}")


def _asn1_time(offset: timedelta) -> str:
    return (datetime.now(timezone.utc) + offset).strftime("%Y%m%d%H%M%SZ")
