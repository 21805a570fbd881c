# SPDX-License-Identifier: MIT
"""Fixtures: a server for the session, an account for each test, proxies, scripts and mounts."""

import os
import pwd
import signal
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

import messages
from certs import Authority
from courier import Courier
from cyrus import Cyrus
from mailserver import Dovecot, Options
from mount import BINARY, CHECKOUT, ORDINARY_USER, Home, Mount
from proxy import Proxy
from script import ScriptServer

DIFFERENCES = "differences"  # a folder of the build, and a property of reports


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="also run what takes minutes")


def pytest_configure(config):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs us may have ignored it
    config.addinivalue_line("markers", "full: takes minutes; run by --full only")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--full"):
        for item in items:
            if item.get_closest_marker("full"):
                item.add_marker(pytest.mark.skip(reason="takes minutes: use --full"))


def pytest_report_header():
    return [messages.corpus_summary(), f"mailfs: {BINARY}"]


def pytest_terminal_summary(terminalreporter):
    """Names what list_differences() was given: tests pass with it, but somebody may want to know."""
    calls = [report for reports in terminalreporter.stats.values() for report in reports
             if getattr(report, "when", "") == "call"]
    told = [value for call in calls for name, value in call.user_properties if name == DIFFERENCES]
    if told:
        terminalreporter.section("differences that have a reason")
        for line in told:
            terminalreporter.line(line)


@pytest.fixture
def list_differences(request, record_property):
    """list_differences(rows): keeps (reason, message, part, …) in a file beside the program."""
    def keep(rows):
        path = BINARY.parent / DIFFERENCES / f"{request.node.name}.tsv"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join("\t".join(map(str, row)) + "\n" for row in sorted(rows)),
                        encoding="utf-8")
        counts = Counter(reason for reason, *_ in rows)
        told = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
        record_property(DIFFERENCES, f"{request.node.name}: {told or 'none'}, listed in {path}")
    return keep


@pytest.fixture
def stack():
    """Whatever is entered here is left at the end of the test, the last first."""
    with ExitStack() as entered:
        yield entered


@pytest.fixture
def folder(stack) -> Path:
    """An empty folder that anybody may look into."""
    path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mailfs-test-")))
    path.chmod(0o755)
    return path


@pytest.fixture(scope="session")
def authority():
    with tempfile.TemporaryDirectory(prefix="mailfs-test-") as path:
        Path(path).chmod(0o755)
        yield Authority(Path(path) / "tls")


@pytest.fixture(scope="session")
def dovecot(authority):
    """The server that the tests share; each has an account of its own on it."""
    with Dovecot(authority=authority) as server:
        yield server


@pytest.fixture(scope="session")
def cyrus(authority):
    """A Cyrus that the tests share, as the Dovecot."""
    with Cyrus(unpacked("cyrus"), authority=authority) as server:
        yield server


@pytest.fixture(scope="session")
def courier(authority):
    """A Courier that the tests share, as the Dovecot."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to lay Courier's files over the system's")
    with Courier(unpacked("courier"), authority=authority) as server:
        yield server


def unpacked(server: str) -> Path:
    """The folder with a server's packages, which tests/run makes."""
    folder = CHECKOUT / "build-servers" / server
    if not folder.is_dir():
        pytest.skip(f"there is no {folder}: run in {CHECKOUT} "
                    f"tests/unpack-packages build-servers/{server} tests/packages.{server}")
    return folder


@pytest.fixture
def account(dovecot):
    """A user without mail."""
    return dovecot.new_account()


@pytest.fixture
def special_account(stack, authority):
    """special_account(compress=True, …): a user of a server that differs by mailserver.Options."""
    def make(**options):
        server = stack.enter_context(Dovecot(Options(**options), authority=authority))
        return server.account("alice")
    return make


@pytest.fixture
def proxy(stack, dovecot):
    """proxy(port, rtt=0.04, record=True): a proxy, to the shared server's plain port by default."""
    def make(port=None, **how):
        return stack.enter_context(Proxy(port or dovecot.port, **how))
    return make


@pytest.fixture
def script(stack):
    """script(session, certificate, implicit_tls): a scripted server, checked at the end."""
    def make(session, *certificate, **how):
        return stack.enter_context(ScriptServer(session, *certificate, **how))
    return make


@pytest.fixture
def home(stack):
    """home(user, folder=None): folders that mounts of this test may share, removed at the end."""
    def make(user=None, folder=None):
        made = Home(user, folder=folder)
        stack.callback(made.remove)
        return made
    return make


@pytest.fixture
def mount(stack, home, authority):
    """mount(source, *options, user=None, home=None, foreground=True, …): see mount.Mount.

    Without `home` each mount has its own.  The test authority is trusted, unless the options say
    something about certificates.
    """
    new_home = home

    def make(source, *options, user=None, home=None, **how):
        if not source.partition(":")[0].endswith("+insecure") and not any(
                option.startswith(("ca_file=", "tls_fingerprint=")) for option in options):
            options += (f"ca_file={authority.ca}",)
        mounted = Mount(source, *options, home=home or new_home(user), **how)
        stack.callback(mounted.finish)
        return mounted
    return make


@pytest.fixture
def ordinary_user():
    """The name of a user that root can become."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to become another user")
    try:
        return pwd.getpwnam(ORDINARY_USER).pw_name
    except KeyError:
        pytest.skip(f"there is no user {ORDINARY_USER}: tests/run makes it")


@pytest.fixture(params=["self", "ordinary"])
def user(request):
    """Runs a test twice: as whoever runs the tests, and as an ordinary user."""
    return request.getfixturevalue("ordinary_user") if request.param == "ordinary" else None
