# SPDX-License-Identifier: MIT
"""The files of parts: what an independent reader makes of each message, at any offset."""

import binascii
import io
import os
import quopri
import random
import re
import tarfile
import zipfile
from collections import Counter
from email.message import Message as Mail
from email.parser import BytesHeaderParser, BytesParser
from pathlib import Path
from typing import Iterator, NamedTuple, Optional

import pytest

import messages
from hostile import besiege, idle_memory
from mailserver import Account
from messages import Message, multipart, part
from processes import wait_until
from test_part_fetch import Office, Part as Leaf
from test_part_trees import fetched, written_here

SEED = 20260215
PARTS = ".mailfs/parts/INBOX"
MIB = 1 << 20


# What is in the mount.

class File(NamedTuple):
    """A file of a message's directory."""

    path: str  # below that of the message
    content: bytes


def section_of(path: list[str]) -> str:
    """What IMAP calls the file; and the folders that it is in must lead to it."""
    *folders, name = path
    around = ""
    for folder in folders:
        around = section_below(around, folder) + "."
    if name == "header":
        return around + "HEADER"
    if name == "message.eml" and around:
        return around[:-1]
    return section_below(around, name)


def section_below(around: str, name: str) -> str:
    section = re.match(r"[\d.]+(?=-)", name)[0]
    assert section.startswith(around), name
    return section


def unpacked(archive: bytes) -> dict[int, dict[str, File]]:
    """What tar has packed, by UID and section: of each file as many octets as its size promised."""
    found: dict[int, dict[str, File]] = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in filter(tarfile.TarInfo.isfile, tar):
            _, _, _, message, *path = member.name.split("/")
            files = found.setdefault(int(re.search(r"\.u(\d+)$", message)[1]), {})
            section = section_of(path)
            assert section not in files, member.name
            files[section] = File("/".join(path), tar.extractfile(member).read())
    return found


def packed(mounted) -> bytes:
    return mounted.run("tar", "-c", PARTS, check=True).stdout


def directory(mounted, uid: int = 1) -> Path:
    return mounted / PARTS / str(uid)


def sizes(mounted) -> dict[str, int]:
    """Of all files, by path; none is read for it."""
    listed = mounted.run("find", PARTS, "-type", "f", "-printf", r"%s %p\0", check=True).stdout
    lines = (line.split(" ", 1) for line in listed.decode().split("\0")[:-1])
    return {path: int(size) for size, path in lines}


def lengths(archive: bytes) -> dict[str, int]:
    """As sizes(), of what tar has read."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {member.name: len(tar.extractfile(member).read())
                for member in tar if member.isfile()}


# What should be in it, as Python's email package reads it.

WIDER = {  # names that stand for less than their senders mean: https://encoding.spec.whatwg.org
    "us-ascii": "utf-8", "ascii": "utf-8", "iso-8859-1": "cp1252", "latin1": "cp1252",
    "iso-8859-9": "cp1254", "iso-8859-11": "cp874", "tis-620": "cp874", "gb2312": "gb18030",
    "gbk": "gb18030", "big5": "big5hkscs", "shift_jis": "cp932", "euc-kr": "cp949",
    "ks_c_5601-1987": "cp949", "iso-2022-jp": "iso2022_jp_2"}


def is_shown_as_text(leaf: Mail) -> bool:
    return (leaf.get_content_maintype() == "text"
            and leaf.get_content_disposition() != "attachment")


def decoded(leaf: Mail) -> bytes:
    """The octets of the leaf's file."""
    if encoding := leaf["content-transfer-encoding"]:
        leaf.replace_header("content-transfer-encoding", str(encoding).strip())
    return shown(leaf, leaf.get_payload(decode=True))


def shown(leaf: Mail, data: bytes) -> bytes:
    """The octets of the leaf in its file: a text is in UTF-8."""
    if not is_shown_as_text(leaf):
        return data
    charset = leaf.get_content_charset() or "utf-8"
    try:
        return data.decode(WIDER.get(charset, charset), "replace").encode()
    except LookupError:
        return data.decode(errors="replace").encode()


def leaves(mail: Mail, prefix: str = "") -> Iterator[tuple[str, Mail]]:
    """The leaves and the messages in a message, by the sections that IMAP has for them."""
    if mail.get_content_maintype() != "multipart":
        yield from below(f"{prefix}1", mail)
    elif mail.is_multipart():
        for nth, one in enumerate(mail.get_payload(), 1):
            yield from below(f"{prefix}{nth}", one)


def below(section: str, mail: Mail) -> Iterator[tuple[str, Mail]]:
    if mail.get_content_maintype() == "multipart":
        yield from leaves(mail, f"{section}.")
        return
    yield section, mail
    if mail.get_content_type() == "message/rfc822":
        yield from leaves(mail.get_payload(0), f"{section}.")


class Letter(NamedTuple):
    """A message as the server has it, and the sections that the mount has files for."""

    uid: int
    name: str
    raw: bytes
    mail: Mail  # the same, as Python reads it
    served: dict[str, bytes]  # those sections, and the headers of leaves

    def leaf(self, section: str) -> Mail:
        """Taken out by the server: only its encoding and its charset are Python's to read."""
        leaf = BytesHeaderParser().parsebytes(self.served[f"{section}.MIME"])
        leaf.set_payload(self.served[section].decode("ascii", "surrogateescape"))
        return leaf


# Where the mount may differ from Python.

def is_broken(letter: Letter) -> bool:
    """Python itself says that the structure is broken, and repairs it in its own way."""
    return any(part.defects for part in letter.mail.walk())


def repeats_a_delimiter(letter: Letter) -> bool:
    """Python takes delimiters behind one another for one; there are empty parts between them."""
    return bool(re.search(rb"^(--[^\r\n]+)[ \t]*\r\n(?:[ \t]*\r\n)?\1", letter.raw, re.M))


def has_an_odd_boundary(letter: Letter) -> bool:
    """Python reads on behind what is wrong in the parameters; servers, and so we, do not."""
    return bool(re.search(rb"(?i);\s*;|boundary\*=|boundary=[^\"\s;]*=", letter.raw))


def is_too_deep(letter: Letter) -> bool:
    """Deeper than a hundred multiparts nobody looks, except Python."""
    return max(section.count(".") for section, _ in leaves(letter.mail)) >= 99


SHAPE_REASONS = {is_broken: 0.16, repeats_a_delimiter: 0.01, has_an_odd_boundary: 0.01,
                 is_too_deep: 0.005}  # and the share of the messages that may need it


def is_wrong_base64(leaf: Mail) -> bool:
    if "base64" not in leaf.get("content-transfer-encoding", "").lower():
        return False
    digits = re.sub(r"\s", "", leaf.get_payload())
    return not (len(digits) % 4 == 0 and re.fullmatch(r"[A-Za-z0-9+/]*={0,2}", digits))


def digits_say(leaf: Mail) -> bytes:
    """The octets of its base64 until it is padded, whatever is between the digits."""
    digits = re.sub(r"[^A-Za-z0-9+/=]", "", leaf.get_payload()).partition("=")[0]
    digits = digits[:len(digits) - (len(digits) % 4 == 1)]  # one alone says no octet
    return binascii.a2b_base64(digits + "=" * (-len(digits) % 4), strict_mode=True)


def has_wrong_base64(leaf: Mail, _: bytes, found: bytes) -> bool:
    """Python gives up base64 that breaks off or has strange characters; we decode what there is."""
    if not is_wrong_base64(leaf):
        return False
    wanted = shown(leaf, digits_say(leaf))
    return found == wanted or has_wrong_characters(leaf, wanted, found)


def has_wrong_characters(leaf: Mail, wanted: bytes, found: bytes) -> bool:
    """What is no character is replaced; how many octets one U+FFFD is for, anybody may choose."""
    def merged(data: bytes) -> str:
        return re.sub("\ufffd+", "\ufffd", data.decode())
    return is_shown_as_text(leaf) and merged(wanted) == merged(found) != found.decode()


PART_REASONS = {has_wrong_base64: 0.01, has_wrong_characters: 0.02}


class Comparison:
    """Compares, and keeps what reasons were needed for."""

    def __init__(self):
        self.counts: Counter[str] = Counter()
        self.excused: list[tuple[str, str, str]] = []  # reason, message, and path if it is one part
        self.wrong: list[str] = []

    def letter(self, letter: Letter, files: dict[str, File]) -> None:
        self.counts["messages"] += 1
        wanted = dict(leaves(letter.mail))
        found = {section for section in files if not section.endswith("HEADER")}
        if is_broken(letter) or wanted.keys() != found:
            self._excuse(SHAPE_REASONS, (letter.name, ""), f"{wanted.keys() ^ found}", letter)
            wanted = {section: letter.leaf(section) for section in found}
        for section, file in files.items():
            self._file(letter, section, file, wanted.get(section))

    def _file(self, letter: Letter, section: str, file: File, leaf: Optional[Mail]) -> None:
        self.counts["files"] += 1
        if leaf is None or file.path.endswith("/message.eml"):
            wanted = letter.served[section]
        elif leaf.get_content_maintype() == "message":  # which Python takes apart
            wanted = decoded(letter.leaf(section))
        else:
            wanted = decoded(leaf)
        if file.content != wanted:
            what = f"{file.content[-60:]}, not {wanted[-60:]}"
            reasons = {} if leaf is None else PART_REASONS
            self._excuse(reasons, (letter.name, file.path), what, leaf, wanted, file.content)

    def _excuse(self, reasons, where: tuple[str, str], what: str, *arguments) -> None:
        for reason in reasons:
            if reason(*arguments):
                self.counts[reason.__name__] += 1
                self.excused.append((reason.__name__, *where))
                return
        self.wrong.append(f"{' '.join(where)}: {what}")

    def conclude(self) -> None:
        assert not self.wrong, f"{len(self.wrong)} differences:\n" + "\n".join(self.wrong[:20])
        for all_of_them, reasons in (("messages", SHAPE_REASONS), ("files", PART_REASONS)):
            for reason, share in reasons.items():
                name = reason.__name__
                assert self.counts[name] <= share * self.counts[all_of_them], name


class Library(NamedTuple):
    """An account whose INBOX holds one of everything."""

    account: Account
    names: dict[int, str]  # by UID

    def letters(self, found: dict[int, dict[str, File]]) -> Iterator[Letter]:
        with self.account.raw("INBOX") as raw:
            for uid, files in found.items():
                items = [*files, *(f"{section}.MIME" for section in files
                                   if not section.endswith("HEADER"))]
                content = raw.body(uid)
                yield Letter(uid, self.names[uid], content, BytesParser().parsebytes(content),
                             fetched(raw, uid, items))


@pytest.fixture(scope="module")
def library(dovecot):
    account = dovecot.new_account()
    contents = written_here() | messages.corpus()
    uids = account.deliver_all(map(Message, contents.values()))
    return Library(account, dict(zip(uids, contents)))


# Every message.

def test_every_part(library, mount, list_differences):
    mounted = mount(library.account.url("imap+insecure"))
    told, archive = sizes(mounted), packed(mounted)
    assert told == lengths(archive)
    found = unpacked(archive)
    assert found.keys() == library.names.keys()
    comparison = Comparison()
    for letter in library.letters(found):
        comparison.letter(letter, found[letter.uid])
    list_differences(comparison.excused)
    comparison.conclude()


def test_without_the_server(library, mount, proxy):
    """Once the messages are here, their parts are found in them, and are the same."""
    told = packed(mount(library.account.url("imap+insecure")))
    between = proxy(record=True)
    mounted = mount(library.account.url("imap+insecure", between.port), "timeout=60")
    mounted.run("tar", "-c", "INBOX", check=True)
    assert b"BODYSTRUCTURE" not in between.said(from_client=True)
    between.stall()
    with between.count() as passed:
        own_sizes, own = sizes(mounted), packed(mounted)
    assert passed.bytes_down == 0
    assert own_sizes == lengths(own)
    assert unpacked(own) == unpacked(told)


def test_a_second_mount_reads_the_same_from_its_cache(library, mount, home, proxy):
    between, shared = proxy(), home()
    source = library.account.url("imap+insecure", between.port)
    first = mount(source, home=shared)
    told = packed(first)
    first.finish()
    with between.count() as passed:
        again = mount(source, home=shared)
        assert packed(again) == told
    assert passed.bytes_down < 20_000
    assert "damaged" not in first.stderr + again.stderr


# Any offset.

class Base64(NamedTuple):
    """How somebody writes base64."""

    width: int = 76  # 0: one line
    is_padded: bool = True
    end: bytes = b""  # what follows
    short_line: bool = False  # one in the middle

    def write(self, data: bytes) -> bytes:
        return messages.in_base64(data, self.width, is_padded=self.is_padded,
                                  has_short_line=self.short_line) + self.end


REGULAR = {"76": Base64(), "72": Base64(72), "64": Base64(64), "4": Base64(4), "1 line": Base64(0),
           "line ends behind": Base64(end=b"\r\n\r\n")}
IRREGULAR = {"unpadded": Base64(is_padded=False), "garbage behind": Base64(end=b"\r\n!?\r\n"),
             "padded again": Base64(end=b"\r\n===="), "short line": Base64(short_line=True)}
SIZES = [0, 1, 2, 3, 57, 58, 1000, 100_000]


def octets(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def in_part(body: bytes, name: str = "data.bin") -> bytes:
    return multipart("mixed", part(b"See the file.\r\n"), part(
        body, content_type="application/octet-stream", content_transfer_encoding="base64",
        content_disposition=f'attachment; filename="{name}"'))


def assert_places(path: Path, data: bytes) -> None:
    """In random order, around the ends of lines and of blocks, and behind the end."""
    assert path.stat().st_size == len(data)
    numbers = random.Random(SEED)
    edges = [0, 2, 56, 57, 65535, 65536, len(data) - 1, len(data), len(data) + 5]
    anywhere = numbers.choices(range(len(data) + 1), k=20)
    places = [(max(0, start), length) for start in edges + anywhere
              for length in (1, numbers.randrange(1, 200_000))]
    numbers.shuffle(places)
    with open(path, "rb", buffering=0) as file:
        for start, length in places:
            found = os.pread(file.fileno(), length, start)
            assert found == data[start:start + length], (start, length)
    assert path.read_bytes() == data


@pytest.mark.parametrize("how", REGULAR)
def test_regular_base64_at_any_offset(account, mount, how):
    account.deliver_all(Message(in_part(REGULAR[how].write(octets(size)))) for size in SIZES)
    mounted = mount(account.url())
    for uid, size in enumerate(SIZES, 1):
        assert_places(directory(mounted, uid) / "2-data.bin", octets(size))


def test_base64_with_bare_line_feeds(besiege):
    bodies = [messages.in_base64(octets(size), eol=b"\n") for size in SIZES]
    mounted = besiege(Office(*[(Leaf("image/png", body, "base64"),) for body in bodies]))
    assert len(os.listdir(mounted / PARTS)) == len(SIZES)
    for uid, size in enumerate(SIZES, 1):
        assert_places(directory(mounted, uid) / "1-image.png", octets(size))


def test_the_end_of_a_big_part_without_its_beginning(account, mount, proxy):
    data = octets(3_000_000)
    account.deliver(in_part(messages.in_base64(data)))
    between = proxy()
    path = directory(mount(account.url("imap+insecure", between.port))) / "2-data.bin"
    with between.count() as passed, open(path, "rb", buffering=0) as file:
        assert file.seek(0, os.SEEK_END) == len(data)
        assert os.pread(file.fileno(), 1000, len(data) - 999) == data[-999:]
    assert passed.bytes_down < 300_000
    assert_places(path, data)


def test_what_is_larger_than_the_cache(account, mount):
    """A part that is decoded here, and a text: both are made, and stay while they are read."""
    line = "Grüße = sum of the greetings\n".encode()
    data = line * (16 * MIB // len(line))
    account.deliver(multipart("mixed", part(
        quopri.encodestring(data).replace(b"\n", b"\r\n"),
        content_transfer_encoding="quoted-printable")))
    mounted = mount(account.url(), "cache_size=1M")
    assert_places(directory(mounted) / "1-text.txt", data.replace(b"\n", b"\r\n"))
    (text,) = (mounted / ".mailfs/text/INBOX").glob("*.txt")
    assert text.read_bytes().endswith(b"\n\n" + data)


@pytest.mark.parametrize("how", IRREGULAR)
def test_irregular_base64(account, mount, how):
    """Only what its ends have promised and its middle does not keep may fail, and that once."""
    account.deliver_all(Message(in_part(IRREGULAR[how].write(octets(size)))) for size in SIZES)
    mounted = mount(account.url())
    for uid, size in enumerate(SIZES, 1):
        path = directory(mounted, uid) / "2-data.bin"
        first = mounted.run("cat", path)
        assert first.stdout == octets(size) or (
            how == "short line" and b"Input/output error" in first.stderr)
        wait_until(lambda: path.stat().st_size == size)
        assert mounted.run("cat", path, check=True).stdout == octets(size)
        assert_places(path, octets(size))


UNDECODABLE = {"cut off": (b"YWJ", "base64", b"ab"), "strange": (b"Y?W.J{j", "base64", b"abc"),
               "nothing": (b"=", "base64", b""),
               "no octet": (b"a=ZZb", "quoted-printable", b"a=ZZb")}


def test_what_the_server_cannot_decode(account, mount):
    """Dovecot breaks off the connection when it is asked how long that is decoded, so nobody asks."""
    account.deliver_all(Message(multipart("mixed", part(
        body, content_type="application/octet-stream", content_transfer_encoding=encoding)))
        for body, encoding, _ in UNDECODABLE.values())
    mounted = mount(account.url())
    found = {}
    for uid, how in enumerate(UNDECODABLE, 1):
        path = directory(mounted, uid) / "1-application.bin"
        size, found[how] = path.stat().st_size, path.read_bytes()
        assert size == len(found[how])
    assert found == {how: data for how, (_, _, data) in UNDECODABLE.items()}
    assert "connection lost" not in mounted.stderr


# Names.

NAMES = {
    'filename="report.pdf"': "2-report.pdf",
    "filename*=utf-8''%E2%82%ac%20rates.txt": "2-€ rates.txt",
    "filename*=iso-8859-1'de'gr%fcn.txt": "2-grün.txt",
    "filename*0*=utf-8''a%C3%; filename*1*=A4; filename*2=.txt": "2-aä.txt",
    "filename*0=a; filename*2=c": "2-a",
    f'filename="{messages.encoded_word("grün.txt")}"': "2-grün.txt",
    'filename="grün.txt"': "2-grün.txt",
    'filename="gr\udcfcn.txt"': "2-grün.txt",
    'filename="e\u0301te\u0301.txt"': "2-\u00e9t\u00e9.txt",
    'filename="\udcc0\udcaf.txt"': "2-À¯.txt",
    "filename*=utf-8''invoice%E2%80%AEfdp.exe": "2-invoice-fdp.exe",
    "filename*=utf-8''a%0D%0Ab%09c%1B%5B31m%7F%C2%9B.txt": "2-a b c [31m .txt",
    "filename*=utf-8''%EF%BB%BFa%E2%80%8F%E2%81%A6.txt": "2-a-.txt",
    "filename*=utf-8''a%00b.txt": "2-a b.txt",
    'filename="../../.bashrc"': "2-bashrc",
    "filename*=utf-8''..%2F..%2Fetc%2Fpasswd": "2-passwd",
    'filename="/etc/passwd"': "2-passwd",
    'filename="C:\\\\x"': "2-x",
    'filename=".."': "2-application.bin",
    'filename="-rf"': "2--rf",
    'filename=".hidden"': "2-hidden",
    'filename=" "': "2-application.bin",
    'filename=""': "2-application.bin",
    "filename=con": "2-con",
    'filename="a:b*c?.txt"': "2-a-b-c-.txt",
    f'filename="{"x" * 300}.pdf"': f"2-{'x' * 249}.pdf",
    f'filename="{"ä" * 300}.pdf"': f"2-{'ä' * 124}.pdf",
    f'filename="{"x" * 10_000}.pdf"': f"2-{'x' * 249}.pdf",
    f"filename*=utf-8''{'%E6%97%A5' * 1000}.pdf": f"2-{'日' * 83}.pdf",
    f"filename*0*=utf-8''{'%C3%A4' * 600}; filename*1={'x' * 600}.pdf": f"2-{'ä' * 124}.pdf",
    f'filename="{messages.encoded_word("grün" * 300 + ".pdf")}"': f"2-{'grün' * 49}grü.pdf",
}


def with_disposition(parameter: str) -> bytes:
    field = f"Content-Disposition: attachment; {parameter}".encode("utf-8", "surrogateescape")
    return multipart("mixed", part(b"See the file.\r\n"),
                     b"Content-Type: application/octet-stream\r\n" + field + b"\r\n\r\ndata")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*") if path.is_file()}


def test_names(account, mount, folder):
    account.deliver_all(Message(with_disposition(parameter)) for parameter in NAMES)
    mounted = mount(account.url())
    found = {}
    for uid, parameter in enumerate(NAMES, 1):
        listed = mounted.run("ls", f"{PARTS}/{uid}/", check=True).stdout.decode()
        text, found[parameter], header = listed.splitlines()
        assert (text, header) == ("1-text.txt", "header")
        assert (directory(mounted, uid) / found[parameter]).read_bytes() == b"data"
    assert found == NAMES
    listed = mounted.run("find", PARTS, "-type", "f", check=True).stdout
    assert listed.count(b"\n") == 3 * len(NAMES)
    mounted.run("cp", "-r", PARTS, folder, check=True)
    copied = contents(folder / "INBOX")
    assert len(copied) == 3 * len(NAMES) and copied == contents(mounted / PARTS)


def test_names_of_types_and_of_one_another(account, mount):
    """The files of parts without names are called by their types; two of one name are two files."""
    twice = {"content_disposition": 'attachment; filename="a.txt"'}
    inner = messages.message(b"Is the ladder still free?\r\n", subject="Ladder")
    account.deliver(multipart(
        "mixed", part(b"Hello.\r\n"), part(b"<p>", content_type="text/html"),
        part(b"GIF89a", content_type="image/gif"), part(b"one", **twice),
        part(b"two", **twice), part(b"%PDF-1.4", content_type="application/pdf; name=paper"),
        part(inner, content_type="message/rfc822"),
        part(inner, content_type="message/rfc822; name=ladder.eml")))
    mounted = mount(account.url())
    found = contents(directory(mounted).resolve())
    assert found.pop("header").endswith(b"\r\n\r\n")
    kind = mounted.run("file", "-b", "--mime-type", f"{PARTS}/1/3-image.gif", check=True).stdout
    assert kind == b"image/gif\n"
    head, body = inner[:-27], inner[-27:]
    assert found == {
        "1-text.txt": b"Hello.\r\n", "2-text.html": b"<p>", "3-image.gif": b"GIF89a",
        "4-a.txt": b"one", "5-a.txt": b"two", "6-paper.pdf": b"%PDF-1.4",
        "7-message/header": head, "7-message/message.eml": inner, "7-message/7.1-text.txt": body,
        "8-ladder/header": head, "8-ladder/message.eml": inner, "8-ladder/8.1-text.txt": body}


# File managers.

def zipped(*names: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name in names:
            archive.writestr(name, "<x/>")
    return data.getvalue()


PDF = b"%PDF-1.4\n%%EOF\n"
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffd9")
DOCX = zipped("[Content_Types].xml", "_rels/.rels", "word/document.xml")
ZIP = zipped("notes.txt")
ICS = b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\nEND:VCALENDAR\r\n"
TEXT = "Grüße\r\n".encode()
OOXML = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


class Attachment(NamedTuple):
    """What somebody attached, and what a file manager is to make of it."""

    data: bytes
    content_type: str
    parameter: str  # of the disposition
    name: str  # behind the section
    kind: str
    kind_by_name: str = ""  # if it is another one

    def part(self) -> bytes:
        return part(messages.in_base64(self.data), content_type=self.content_type,
                    content_transfer_encoding="base64",
                    content_disposition=f"attachment{self.parameter}")


ATTACHMENTS = [
    Attachment(PDF, "application/pdf", '; filename="Report 2026.pdf"', "Report 2026.pdf",
               "application/pdf"),
    Attachment(PDF, "application/octet-stream",
               f'; filename="{messages.encoded_word("Счёт №5.pdf")}"', "Счёт №5.pdf",
               "application/pdf"),
    Attachment(JPEG, "image/jpeg", "; filename*=utf-8''%E5%86%99%E7%9C%9F.JPG", "写真.JPG",
               "image/jpeg"),
    Attachment(DOCX, OOXML, "; filename*0*=iso-8859-1''%DCbersicht; filename*1=.docx",
               "Übersicht.docx", OOXML),
    Attachment(DOCX, f'{OOXML}; name="{messages.encoded_word("מכתב.docx")}"', "", "מכתב.docx",
               OOXML),
    Attachment(ZIP, "application/zip", '; filename="बजट.zip"', "बजट.zip", "application/zip"),
    Attachment(ICS, "text/calendar; method=REQUEST", '; filename="دعوة.ics"', "دعوة.ics",
               "text/calendar"),
    Attachment(TEXT, "text/plain; charset=utf-8", '; filename="Grüße 👋.txt"', "Grüße 👋.txt",
               "text/plain"),
    # Without a name, or an extension.
    Attachment(PDF, "application/pdf", "", "application.pdf", "application/pdf"),
    Attachment(JPEG, "image/jpeg", "", "image.jpg", "image/jpeg"),
    Attachment(DOCX, OOXML, "", "application.docx", OOXML),
    Attachment(ZIP, "application/zip", "", "application.zip", "application/zip"),
    Attachment(ICS, "text/calendar", "", "text.ics", "text/calendar"),
    Attachment(TEXT, "text/plain; charset=utf-8", "", "text.txt", "text/plain"),
    Attachment(JPEG, "image/jpeg", '; filename="Foto"', "Foto.jpg", "image/jpeg"),
    # With a wrong one, which is the sender's.
    Attachment(JPEG, "image/jpeg", '; filename="scan.pdf"', "scan.pdf", "image/jpeg",
               "application/pdf"),
]


def test_a_file_manager_sees_names_and_types(account, mount):
    """By the name, as in a folder, and by what is in it, as for a preview."""
    account.deliver(multipart("mixed", *(one.part() for one in ATTACHMENTS)))
    mounted = mount(account.url())
    wanted = {f"{nth}-{one.name}": one for nth, one in enumerate(ATTACHMENTS, 1)}
    listed = mounted.run("gio", "list", "-a", "standard::fast-content-type", f"{PARTS}/1/",
                         check=True).stdout.decode()
    by_name = dict(re.findall(r"(.+)\t\d+\t\(regular\)\tstandard::fast-content-type=(.+)\n",
                              listed))
    assert by_name.pop("header")
    assert by_name == {name: one.kind_by_name or one.kind for name, one in wanted.items()}
    paths = [f"{PARTS}/1/{name}" for name in wanted]
    sniffed = mounted.run("file", "-b", "--mime-type", *paths, check=True).stdout.decode()
    assert sniffed.splitlines() == [one.kind for one in ATTACHMENTS]
    opened = mounted.run("gio", "cat", *paths, check=True).stdout
    assert opened == b"".join(one.data for one in ATTACHMENTS)
