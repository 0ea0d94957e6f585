#!/usr/bin/python3
"""Calls that the compiler cannot ban, because a library or one file of ours needs them."""
import re

from tree import code, data, say, sources, text

BANNED = re.compile(r"\b(malloc|calloc|realloc|reallocarray|free|strn?dup|v?asprintf|s?rand)\s*\(")
EXCEPT = {(row[0], row[1]) for row in data("banned.except")}

for path in sources():
    if path.startswith("tests/") or path == "base/mem.c":
        continue
    for i, line in enumerate(code(text(path)).split("\n"), 1):
        for m in BANNED.finditer(line):
            if (path, m.group(1)) not in EXCEPT:
                say(path, i, f"{m.group(1)}() is banned: memory is base/mem.c's, chance is getrandom's")
