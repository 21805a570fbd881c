# SPDX-License-Identifier: MIT
"""The POP3 servers of the tests, seen by Python's client."""

import poplib

import pytest

import messages
from mailserver import Account
from rawpop import RawPop

LETTERS = [messages.message(b"One.\r\n.\r\n..two\r\n", subject="Dots"), messages.message()]


@pytest.fixture(params=["dovecot", "courier"])
def user(request) -> Account:
    """On each server, somebody with two messages."""
    account = request.getfixturevalue(request.param).new_account()
    for letter in LETTERS:
        account.deliver(letter)
    return account


def connected(account: Account, way: str) -> poplib.POP3:
    server, context = account.server, account.server.authority.client_context()
    if way == "tls":
        return poplib.POP3_SSL("localhost", server.pop_tls_port, context=context)
    client = poplib.POP3("127.0.0.1", server.pop_port)
    if way == "stls":
        client.host = "localhost"  # which the certificate is for
        client.stls(context)
    return client


@pytest.mark.parametrize("way", ["plain", "stls", "tls"])
def test_mail_is_the_same_in_all_ways(user, way):
    client = connected(user, way)
    client.user(user.user)
    client.pass_(user.server.password)
    found = [b"".join(line + b"\r\n" for line in client.retr(number)[1]) for number in (1, 2)]
    client.quit()
    assert sorted(found) == sorted(LETTERS)


def test_what_they_can(user):
    client = connected(user, "plain")
    assert {"UIDL", "TOP", "PIPELINING", "STLS", "USER"} <= set(client.capa())
    client.close()


def test_octets_are_those_of_the_wire(user):
    with user.pop() as raw:
        assert sorted(raw.messages()) == sorted(LETTERS)
        assert len(set(raw.uidls())) == 2


def test_nothing_is_deleted_without_a_goodbye(user):
    with user.pop() as raw:
        raw.must("DELE 1")
    with user.pop() as raw:
        raw.must("DELE 2")
        raw.must("QUIT")
    with user.pop() as raw:
        assert len(raw.uidls()) == 1


def test_a_wrong_password_is_refused(user):
    with RawPop(user.server.pop_port) as raw:
        raw.must(f"USER {user.user}")
        assert raw.command("PASS wrong").startswith(b"-ERR")
