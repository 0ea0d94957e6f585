#!/usr/bin/python3
"""Every .c of the libraries has tests/unit/<folder>/test_<file>.c. A remark for now, no finding."""
import os

from tree import data, files

FOLDERS = ("base", "shm", "net", "http", "conf")
SKIP = {row[0] for row in data("mirrors.skip")}
all_files = set(files())
mine = [p for p in all_files if p.endswith(".c") and p.split("/")[0] in FOLDERS and p not in SKIP]
missing = [p for p in mine if not any(
    t in all_files for t in (f"tests/unit/{p.split('/')[0]}/test_{os.path.basename(p)}",
                             f"tests/unit/{os.path.dirname(p)}/test_{os.path.basename(p)}"))]
if missing:
    print(f"#mirrors: {len(missing)} of {len(mine)} files have no unit test of their own: "
          + " ".join(sorted(missing)))
