# SPDX-License-Identifier: MIT
"""The attachments of the sample letters, made on the spot: drawings, tables, a calendar, papers."""

import math
import struct
import zlib
from typing import Callable

Pixel = tuple[int, int, int]


def attachment(name: str) -> bytes:
    """The content of the attachment of that name; KeyError if there is none."""
    return _MAKERS[name]()


def _png(width: int, height: int, colour: Callable[[int, int], Pixel]) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (struct.pack(">I", len(data)) + kind + data
                + struct.pack(">I", zlib.crc32(kind + data)))

    rows = b"".join(b"\0" + bytes(value for x in range(width) for value in colour(x, y))
                    for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9))
            + chunk(b"IEND", b""))


def _sunset() -> bytes:
    def colour(x: int, y: int) -> Pixel:
        if math.hypot(x - 60, y - 44) < 14 and y < 48:
            return (255, 236, 170)
        if y < 48:
            return (250 - y, 120 + y, 90 + 2 * y)
        shimmer = 40 if abs(x - 60) < 10 and y % 4 == 0 else 0
        return (60 + shimmer, 60 + shimmer, 110)
    return _png(120, 72, colour)


def _gull() -> bytes:
    def colour(x: int, y: int) -> Pixel:
        wing = abs(y - 30 - 8 * math.cos((x - 40) / 6)) < 2 and 14 < x < 66
        lamp = abs(x - 40) < 2 and y > 40
        return (40, 40, 50) if wing or lamp else (190, 215, 235)
    return _png(80, 64, colour)


def _bus_route() -> bytes:
    stops = [(12, 60), (30, 22), (58, 48), (84, 14), (108, 40)]

    def colour(x: int, y: int) -> Pixel:
        if any(math.hypot(x - left, y - top) < 4 for left, top in stops):
            return (200, 30, 40)
        if any(_near((x, y), start, end) for start, end in zip(stops, stops[1:])):
            return (60, 60, 60)
        return (236, 244, 226)
    return _png(120, 72, colour)


def _near(point: tuple[int, int], start: tuple[int, int], end: tuple[int, int]) -> bool:
    """Whether the point lies on the road from start to end."""
    detour = math.dist(point, start) + math.dist(point, end) - math.dist(start, end)
    return detour < 0.15


def _drawing() -> bytes:
    def colour(x: int, y: int) -> Pixel:
        if 10 <= x < 70 and 40 <= y < 50:
            return (20, 20, 20) if x % 6 < 2 and y < 46 else (250, 250, 250)
        if 6 <= x < 74 and 12 <= y < 58:
            return (150, 95, 50)
        return (255, 250, 215)
    return _png(80, 64, colour)


def _pdf(*lines: str) -> bytes:
    """One page with some lines of text."""
    text = "BT /F1 14 Tf 60 760 Td 20 TL " + " ".join(f"({line}) Tj T*" for line in lines) + " ET"
    objects = ["<< /Type /Catalog /Pages 2 0 R >>",
               "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
               "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R"
               " /Resources << /Font << /F1 4 0 R >> >> >>",
               "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
               f"<< /Length {len(text)} >>\nstream\n{text}\nendstream"]
    document, offsets = "%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(document))
        document += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    return (f"{document}xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
            f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\n"
            f"startxref\n{len(document)}\n%%EOF\n").encode("ascii")


def _csv(*rows: str) -> bytes:
    return "".join(row + "\r\n" for row in rows).encode("utf-8")


def _rehearsal() -> bytes:
    return _csv("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Fjordkoret//EN", "BEGIN:VEVENT",
                "UID:rehearsal-2026-03-21@fjordkoret.example.org", "DTSTAMP:20260214T160000Z",
                "DTSTART:20260321T170000Z", "DTEND:20260321T200000Z",
                "SUMMARY:Extra rehearsal\\, altos bring cake", "LOCATION:The old fish hall",
                "END:VEVENT", "END:VCALENDAR")


_MAKERS: dict[str, Callable[[], bytes]] = {
    "sunset.png": _sunset,
    "gull.png": _gull,
    "bus-route.png": _bus_route,
    "drawing.png": _drawing,
    "rehearsal.ics": _rehearsal,
    "leather.csv": lambda: _csv("leather;thickness mm;price per skin", "sheep, thin;0.6;38.00",
                                "sheep, thick;0.9;41.50", "goat;0.8;52.00"),
    "tuning.csv": lambda: _csv("note;gewünscht;schön", "G;98.00;97.84", "c;130.81;130.70",
                               "e;164.81;164.12", "g;196.00;196.05"),
    "programme.csv": lambda: _csv("no;piece;minutes;basses asleep", "1;Sea song, calm;6;yes",
                                  "2;Sea song, calmer;7;yes", "3;Lullaby;4;all of them"),
    "invoice-2026-0219.csv": lambda: _csv("item;pieces;each;sum",
                                          "spruce board 3 m;2;210.00;420.00",
                                          "spruce board 3 m, with Iceland;1;0.00;0.00",
                                          "delivery by cargo bike;1;60.00;60.00"),
    "invoice-2026-0219.pdf": lambda: _pdf("Invoice 2026-0219", "2 spruce boards    420.00",
                                          "1 spruce board, with Iceland    0.00",
                                          "Delivery by cargo bike    60.00", "Sum    480.00"),
    "quote-olga.pdf": lambda: _pdf("Quote: harmonium Olga, 1911", "Bellows cloth    1900.00",
                                   "49 reeds, cleaned    2450.00", "Mice, resettled    0.00"),
    "ticket.pdf": lambda: _pdf("Oslo S - Hamburg", "Thu 2 April 19:25, coach 12, berth 41",
                               "Order 7731-NV"),
}
