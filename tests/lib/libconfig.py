"""Objects as libconfig text (DESIGN: `resources = ( { … } );`), so that every manifest has a second form."""
import re

NAME = re.compile(r"[A-Za-z*][-A-Za-z0-9_*]*\Z")
ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\f": "\\f"}


def text(s):
    return '"' + "".join(ESCAPES.get(c) or (f"\\x{ord(c):02x}" if ord(c) < 32 else c) for c in s) + '"'


def value(v, pad=""):
    more = pad + "  "
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, int):
        return f"{v}L" if not -2**31 <= v < 2**31 else str(v)
    if isinstance(v, float):
        return repr(v)
    if isinstance(v, str):
        return text(v)
    if isinstance(v, (list, tuple)):
        return "( " + (",\n" + more).join(value(x, more) for x in v) + " )"
    members = {k: x for k, x in v.items() if x is not None}
    if all(NAME.match(k) for k in members):
        return "{\n" + "".join(f"{more}{k} = {value(x, more)};\n" for k, x in members.items()) + pad + "}"
    # a map whose keys are no names of libconfig's
    return value([{"key": k, "value": x} for k, x in members.items()], pad)


def dump(objects):
    return "resources = " + value(objects) + ";\n"
