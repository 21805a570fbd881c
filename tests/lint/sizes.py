#!/usr/bin/python3
"""No file and no function has grown a second idea.

usage: sizes.py CHECKOUT
"""
import sys
from pathlib import Path

FILE_LINES_MAX = 700
FUNCTION_LINES_MAX = 100
FOLDERS = ("mail", "mime", "net", "cache", "imap", "pop", "fs")


def long_functions(path: Path, lines: list[str]) -> list[str]:
    found, start = [], None
    for number, line in enumerate(lines, 1):
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start:
            if number - start > FUNCTION_LINES_MAX:
                found.append(f"{path}:{start}: a function of {number - start} lines")
            start = None
    return found


def main() -> int:
    root = Path(sys.argv[1])
    found, n_files = [], 0
    for folder in FOLDERS:
        for path in sorted((root / folder).glob("*.[ch]")):
            n_files += 1
            lines = path.read_text().splitlines()
            if len(lines) > FILE_LINES_MAX:
                found.append(f"{path}: {len(lines)} lines")
            found += long_functions(path, lines)
    print("\n".join(found) or f"{n_files} files, none too long")
    return 1 if found or not n_files else 0


if __name__ == "__main__":
    sys.exit(main())
