#!/usr/bin/python3
"""gen_yaml.py SEED COUNT FOLDER: random trees as YAML in every scalar style, width and line end.

What compare_yaml.py then finds different is a mistake of our decoding (or of libfyaml's).
"""
import random
import sys

import yaml

BITS = ["a", "b", " ", "  ", "\n", "\n\n", "'", "''", "\"", "\\", ":", " #", "é", "😀", "- ", "\t",
        "x" * 9, "%", "{", "]", ",", "!", "&", "*", "|", ">", "1", "true", "~"]
PLAIN = [1, 0, -5, 10**12, 1.5, -0.25, True, False, None]
R = random.Random(int(sys.argv[1]))


class Styled(str):
    """A string that is printed in a style by chance."""


class Dumper(yaml.SafeDumper):
    pass


Dumper.add_representer(Styled, lambda dumper, value: dumper.represent_scalar(
    "tag:yaml.org,2002:str", str(value), style=R.choice(["'", '"', "|", ">"])))


def text():
    return "".join(R.choice(BITS) for _ in range(R.randint(0, 14)))


def tree(depth):
    kind = R.randint(0, 5)
    if depth > 4 or kind < 2:
        if R.randint(0, 9) == 0:
            return R.choice(PLAIN)
        return Styled(text()) if R.random() < 0.7 else text()
    if kind < 4:
        return [tree(depth + 1) for _ in range(R.randint(0, 4))]
    return {(text() or "k") + str(i): tree(depth + 1) for i in range(R.randint(0, 4))}


for n in range(int(sys.argv[2])):
    documents = [{f"k{i}": tree(0) for i in range(R.randint(1, 4))} for _ in range(R.randint(1, 2))]
    out = yaml.dump_all(documents, Dumper=Dumper, width=R.choice([5, 20, 80]), explicit_start=True,
                        indent=R.choice([2, 4, 7]), sort_keys=False,
                        line_break=R.choice(["\n", "\r\n"]),
                        default_flow_style=R.choice([None, True, False]),
                        allow_unicode=R.choice([True, False]))
    with open(f"{sys.argv[3]}/{n}.yaml", "wb") as f:
        f.write(out.encode())
