#!/usr/bin/python3
"""Layout that reads the same everywhere, and nothing about the machine it was written on."""
import fnmatch
import re

from tree import HERE, data, files, say, text

COLUMNS = {".c": 100, ".h": 100}  # what clang-format holds; scripts and makefiles: OTHERS
OTHERS = 140
WIDE = (".c", ".h", ".py", ".sh", ".mk")
BINARY = (".png", ".der", ".p12", ".gz", ".bin", ".pb")
WORDS = [re.compile(row[0]) for row in data("words")]
TABLES = [row[0] for row in data("sizes.tables")]
EXCEPT = {(row[0], row[1]) for row in data("words.except")}


def layout(path, i, line, wide):
    if line != line.rstrip() and not path.endswith(".md"):
        say(path, i, "trailing blank")
    row = line.endswith("\\") and any(fnmatch.fnmatch(path, t) for t in TABLES)
    most = COLUMNS.get(path[-2:], OTHERS)
    if wide and not row and len(line.expandtabs(8)) > most:
        say(path, i, f"{len(line.expandtabs(8))} columns, at most {most}")


def machine(path, i, line):
    for word in WORDS:
        m = word.search(line)
        if m and (path, m.group(0).strip()) not in EXCEPT:
            say(path, i, f"names this machine or a registry: {m.group(0).strip()}")


for path in files():
    if path.endswith(BINARY) or "/corpus/" in path:
        continue
    source = text(path)
    if path.endswith(".c") and not source.startswith("/*"):
        say(path, 1, "no block comment at the top")
    if "\0" in source:
        continue
    if source and not source.endswith("\n"):
        say(path, source.count("\n") + 1, "no line end at the end")
    for i, line in enumerate(source.split("\n"), 1):
        layout(path, i, line, path.endswith(WIDE) or source.startswith("#!"))
        if not path.startswith(HERE):
            machine(path, i, line)
