#!/usr/bin/python3
"""Each folder includes only what stands below it, and of other folders only the gate.

usage: arrows.py CHECKOUT
"""
import re
import sys
from pathlib import Path

MAY_INCLUDE = {
    "mail": set(),
    "mime": {"mail"},
    "net": {"mail"},
    "cache": {"mail"},
    "imap": {"mail", "mime", "net", "cache"},
    "pop": {"mail", "mime", "net", "cache"},
    "fs": {"mail", "mime", "cache"},
}
# main.c puts everything together.
MAIN_MAY_INCLUDE = set(MAY_INCLUDE)
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def complaints(path: Path, folder: str) -> list[str]:
    allowed = MAIN_MAY_INCLUDE if path.name == "main.c" else MAY_INCLUDE[folder]
    found = []
    for included in INCLUDE.findall(path.read_text()):
        other = included.split("/")[0]
        if "/" not in included:
            found.append(f'{path}: "{included}" without its folder')
        elif other == folder:
            continue
        elif other not in allowed:
            found.append(f"{path}: {folder}/ may not include {included}")
        elif included != f"{other}/{other}.h":
            found.append(f"{path}: {included} is private to {other}/; include {other}/{other}.h")
    return found


def main() -> int:
    root = Path(sys.argv[1])
    found, n_files = [], 0
    for folder in MAY_INCLUDE:
        for path in sorted((root / folder).glob("*.[ch]")):
            n_files += 1
            found += complaints(path, folder)
    print("\n".join(found) or f"{n_files} files, no arrow in the wrong direction")
    return 1 if found or not n_files else 0


if __name__ == "__main__":
    sys.exit(main())
