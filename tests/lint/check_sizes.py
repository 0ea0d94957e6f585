#!/usr/bin/python3
"""Files, headers and functions stay small. A longer function says why: a comment "long: reason"."""
import fnmatch

from tree import data, say, sources, text

FILE, HEADER, FUNCTION = 800, 150, 60
TABLES = [row[0] for row in data("sizes.tables")]

for path in sources():
    lines = text(path).split("\n")
    table = any(fnmatch.fnmatch(path, t) for t in TABLES)
    if len(lines) - 1 > FILE and not table:
        say(path, FILE, f"{len(lines) - 1} lines, at most {FILE}")
    header = path.endswith(".h") and not path.startswith("tests/")
    if header and len(lines) - 1 > HEADER and not table:
        say(path, HEADER, f"header of {len(lines) - 1} lines, at most {HEADER}")
    start = None
    for i, line in enumerate(lines, 1):
        # KNF: a brace alone in the first column opens a function body and nothing else.
        if line == "{":
            start = i
        elif line.startswith("}") and start:
            reason = any("/* long:" in x for x in lines[max(0, start - 8):i])
            if i - start - 1 > FUNCTION and not reason:
                say(path, start, f"function of {i - start - 1} lines, at most {FUNCTION}")
            start = None
