#!/usr/bin/python3
"""compare_yaml.py DUMP: our node trees against python3-yaml's view of the same files.

DUMP has a line `FILE<TAB>JSON array of its documents` for each file. PyYAML is a YAML 1.1 reader as
kubectl's is; where the two are known to differ, the loader here is bent to what kubectl does.
"""
import json
import re
import sys

import yaml


class Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):
    pass


Loader.yaml_implicit_resolvers = {
    first: [(tag, rx) for tag, rx in rules if tag not in (
        "tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float",
        "tag:yaml.org,2002:bool")]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()}
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool",
    re.compile(r"^(?:[yYnN]|yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE"
               r"|on|On|ON|off|Off|OFF)$"),
    list("yYnNtTfFoO"))
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile(r"^[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)$"),
    list("-+0123456789"))
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"))
Loader.add_constructor("tag:yaml.org,2002:bool", lambda loader, node: node.value[0] in "yYtT" or
                       node.value.lower() == "on")


def integer(loader, node):
    text = node.value.replace("_", "")
    if re.match(r"^[-+]?0[0-7]+$", text):
        return int(text, 8)
    return int(text, 0)


def real(loader, node):
    value = float(node.value.replace("_", ""))
    return int(value) if value.is_integer() else value


Loader.add_constructor("tag:yaml.org,2002:int", integer)
Loader.add_constructor("tag:yaml.org,2002:float", real)


def plain(value):
    """What JSON makes of it: keys are strings."""
    if isinstance(value, dict):
        return {k if isinstance(k, str) else json.dumps(k): plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list) else value


def items(doc):
    """Lists are taken apart, as read_text() does."""
    if isinstance(doc, dict) and str(doc.get("kind", "")).endswith("List") and \
            isinstance(doc.get("items"), list):
        for item in doc["items"]:
            yield from items(item)
    else:
        yield doc


def same(a, b):
    """Equal with equal types: 1 is not True."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def where(a, b, path=""):
    """The first place where they differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        for k in list(a) + list(b):
            if k not in a or k not in b:
                return f"{path}.{k}: only in one"
            if not same(a[k], b[k]):
                return where(a[k], b[k], f"{path}.{k}")
        return f"{path}: other order"
    if isinstance(a, list) and isinstance(b, list):
        for i, (x, y) in enumerate(zip(a, b)):
            if not same(x, y):
                return where(x, y, f"{path}[{i}]")
    return f"{path}\n  ours:   {json.dumps(a)[:500]}\n  theirs: {json.dumps(b)[:500]}"


def main():
    files = documents = bad = 0
    for line in open(sys.argv[1], encoding="utf-8"):
        name, ours = line.rstrip("\n").split("\t", 1)
        ours = json.loads(ours)
        with open(name, encoding="utf-8-sig") as f:
            theirs = [plain(i) for d in yaml.load_all(f, Loader) if d is not None for i in items(d)]
        files += 1
        documents += len(theirs)
        if not same(ours, theirs):
            bad += 1
            for n, (a, b) in enumerate(zip(ours, theirs)):
                if not same(a, b):
                    print(f"{name}: document {n}: {where(a, b)}")
                    break
            else:
                print(f"{name}: {len(ours)} documents, PyYAML has {len(theirs)}")
    print(f"{files} files, {documents} documents, {bad} differ")
    return bad != 0


sys.exit(main())
