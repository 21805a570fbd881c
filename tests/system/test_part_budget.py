# SPDX-License-Identifier: MIT
"""What parts and texts may cost: round trips and bytes, of the release build at 40 ms."""

import hashlib
import random
import re

import pytest

import messages
from messages import multipart, part
from test_budget import far, fetches, log, release  # noqa: F401: fixtures

MIB = 1 << 20
BLOCK = 65536
FILM = ".mailfs/parts/INBOX/2"


def film_message() -> tuple[bytes, bytes, bytes]:
    """2 KB of text with 10 MB attached; the message, the text and the attachment."""
    text = b"The film is attached.\r\n" * 90
    film = random.Random(5).randbytes(10 * MIB)
    content = messages.with_attachment(10 * MIB, seed=5).replace(b"The film is attached.\r\n", text, 1)
    assert 2000 < len(text) < 2100
    return content, text, film


@pytest.fixture
def film(account, far):  # noqa: F811
    """The mount, with the mailbox open on the connection for bodies; the proxy; text and film."""
    content, text, data = film_message()
    account.deliver(messages.message())
    assert account.deliver(content) == 2
    mounted, between = far(account)
    mounted.run("sh", "-c", "ls INBOX; cat INBOX/u1.eml", check=True)
    return mounted, between, text, data


def test_text_part_of_a_big_message(film):
    mounted, between, text, _ = film
    with between.count() as passed:
        assert mounted.run("cat", f"{FILM}/1-text.txt", check=True).stdout == text
    assert passed.turns <= 3, log(between)
    assert passed.bytes_down < 6000


def test_text_of_a_big_message(film):
    mounted, between, _, _ = film
    with between.count() as passed:
        shown = mounted.run("sh", "-c", "cat .mailfs/text/INBOX/*u2.txt", check=True).stdout
    assert shown.count(b"The film is attached.\n") == 90
    assert shown.endswith(b"\nAttachment: 2-film.mp4 (video/mp4)\n")
    assert passed.turns <= 3, log(between)
    assert passed.bytes_down < 6000


def test_attachment(film):
    mounted, between, _, data = film
    with between.count() as passed:
        cat = mounted.run("cat", f"{FILM}/2-film.mp4", check=True).stdout
    assert hashlib.sha256(cat).digest() == hashlib.sha256(data).digest()
    assert passed.bytes_down < 1.02 * len(data) * 78 / 57
    assert passed.turns <= 8, log(between)


def test_end_of_an_attachment(film):
    mounted, between, _, data = film
    end = mounted.run("tail", "-c", str(BLOCK), f"{FILM}/2-film.mp4", check=True).stdout
    assert end == data[-BLOCK:]
    mounted.finish()  # so that whatever is still asked for has been asked for
    asked = [int(length) for length in re.findall(r"BODY\.PEEK\[2\]<\d+\.(\d+)>", log(between))]
    assert sum(length // BLOCK + (length % BLOCK > 1000) for length in asked) <= 2, asked


def assert_sizes_are_cheap(account, far, n_pictures: int) -> int:  # noqa: F811
    """A message with so many pictures is listed in two turns; the octets that came down."""
    numbers = random.Random(3)
    attached = [part(messages.base64.encodebytes(numbers.randbytes(100_000 + n)).replace(b"\n", b"\r\n"),
                     content_type="image/jpeg", content_transfer_encoding="base64",
                     content_disposition=f'attachment; filename="{n}.jpg"') for n in range(n_pictures)]
    account.deliver(messages.message())
    account.deliver(multipart("mixed", part(b"Pictures.\r\n"), *attached))
    mounted, between = far(account)
    mounted.run("sh", "-c", "ls INBOX; cat INBOX/u1.eml", check=True)
    with between.count() as passed:
        listed = mounted.run("ls", "-l", FILM + "/", check=True).stdout.decode()
    for n in range(n_pictures):
        assert re.search(rf" {100_000 + n} .* {n + 2}-{n}\.jpg\n", listed), listed
    assert re.search(r" 1-text\.txt\n", listed) and re.search(r" header\n", listed), listed
    assert passed.turns <= 2, log(between)
    return passed.bytes_down


def test_listing_of_parts(account, far):  # noqa: F811
    assert assert_sizes_are_cheap(account, far, 5) < 12_000


def test_listing_of_many_parts(account, far):  # noqa: F811
    assert assert_sizes_are_cheap(account, far, 20) < 30_000


def test_listing_of_a_large_part_that_is_decoded_here(account, far):  # noqa: F811
    line = b"x" * 60 + b"=3D\r\n"
    n_lines = 5 * MIB // len(line)
    account.deliver(messages.message())
    account.deliver(multipart("mixed", part(b"A report.\r\n"),
                              part(line * n_lines, content_type="application/x-report",
                                   content_transfer_encoding="quoted-printable",
                                   content_disposition='attachment; filename="report"')))
    mounted, between = far(account)
    mounted.run("sh", "-c", "ls INBOX; cat INBOX/u1.eml", check=True)
    with between.count() as passed:
        # What the listing asked for is answered before the header is.
        names = mounted.run("sh", "-c", f"ls -f {FILM}/; cat {FILM}/header", check=True).stdout
    assert b"2-report\n" in names
    assert passed.turns <= 2, log(between)
    assert passed.bytes_down < 12_000, log(between)
    listed = mounted.run("ls", "-l", FILM + "/", check=True).stdout.decode()
    assert re.search(rf" {n_lines * (len(line) - 2)} .* 2-report\n", listed), listed


def test_text_of_ten(account, far):  # noqa: F811
    account.deliver(messages.message())
    account.deliver(multipart("mixed", *(part(b"Text %d.\r\n" % n) for n in range(10))))
    mounted, between = far(account)
    mounted.run("sh", "-c", "ls INBOX; cat INBOX/u1.eml", check=True)
    with between.count() as passed:
        shown = mounted.run("sh", "-c", "cat .mailfs/text/INBOX/*u2.txt", check=True).stdout
    assert shown.endswith(b"".join(b"\nText %d.\n" % n for n in range(10)))
    assert passed.turns <= 3, log(between)


def test_grep_of_texts(account, far):  # noqa: F811
    letters = list(messages.bulk(1000))
    account.bulk(letters)
    mounted, between = far(account)
    with between.count() as passed:
        found = mounted.run("grep", "-r", "-c", "^Subject: .*, part 500$", ".mailfs/text", check=True)
    assert found.stdout.count(b".txt:") == 1000 and found.stdout.count(b":1\n") == 1
    assert passed.turns < 30, log(between)
    assert passed.bytes_down < 1.3 * sum(len(letter.content) for letter in letters)
    texts = [line for line in fetches(between) if "BODY.PEEK[1]" in line]
    assert len(texts) < 20, log(between)
    with between.count() as passed:
        again = mounted.run("grep", "-r", "-c", "^Subject: .*, part 500$", ".mailfs/text", check=True)
    assert again.stdout == found.stdout
    assert passed.bytes_down < 200


def test_what_is_here_costs_nothing(film):
    mounted, between, text, data = film
    mounted.run("cat", "INBOX/u2.eml", check=True)
    with between.count() as passed:
        assert mounted.run("cat", f"{FILM}/1-text.txt", check=True).stdout == text
        assert mounted.run("cat", f"{FILM}/2-film.mp4", check=True).stdout == data
        assert b"Subject: The film\r\n" in mounted.run("cat", f"{FILM}/header", check=True).stdout
        assert mounted.run("sh", "-c", "cat .mailfs/text/INBOX/*u2.txt", check=True).stdout
    assert passed.bytes_down < 200, log(between)


def test_texts_of_what_is_here_cost_nothing(account, far):  # noqa: F811
    account.deliver_all(messages.Message(multipart("alternative", part(b"Text %d.\r\n" % n),
                                                   part(b"<p>Text</p>", content_type="text/html")))
                        for n in range(100))
    mounted, between = far(account)
    mounted.run("sh", "-c", "cat INBOX/*", check=True)
    with between.count() as passed:
        found = mounted.run("grep", "-r", "-c", "^Text ", ".mailfs/text/INBOX", check=True)
    assert found.stdout.count(b".txt:1") == 100
    assert passed.bytes_down < 200, log(between)
