#!/usr/bin/python3
"""Who may include whom (includes.folders), where foreign headers may stand (includes.foreign)."""
import fnmatch
import re
from collections import defaultdict

from tree import data, say, sources, text

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)
FOLDERS = {row[0].rstrip(":"): row[1:] for row in data("includes.folders")}
FOREIGN = [(re.compile(r[0] + "$"), r[1], int(r[2])) for r in data("includes.foreign")]
used = defaultdict(set)  # rule -> files


def own(path, line, name):
    if "/" not in name or name.startswith("."):
        return say(path, line, f'"{name}" is not written from the root')
    allowed = FOLDERS.get(path) or FOLDERS.get(path.split("/")[0]) or ["*"]
    if "*" not in allowed and not any(name == a or name.startswith(a + "/") for a in allowed):
        say(path, line, f"{path.split('/')[0]} must not include {name}")


def foreign(path, line, name):
    rules = [r for r in FOREIGN if r[0].match(name)]
    if not rules or path.startswith("tests/"):
        return
    if path.endswith(".h"):
        return say(path, line, f"<{name}> in a header of ours")
    for rule in rules:
        if fnmatch.fnmatch(path, rule[1]):
            used[rule[0].pattern, rule[1], rule[2]].add(path)
            return
    say(path, line, f"<{name}> does not belong here")


for path in sources():
    source = text(path)
    for m in INCLUDE.finditer(source):
        line = source.count("\n", 0, m.start(2)) + 1
        if m.group(1) == '"':
            own(path, line, m.group(2))
        else:
            foreign(path, line, m.group(2))
for (pattern, glob, most), paths in used.items():
    for path in sorted(paths)[most:]:
        say(path, 1, f"<{pattern[:-1]}> is in {len(paths)} files of {glob}, at most {most} allowed")
