"""What the checks share: the files of the tree, their text, and how a finding is printed."""
import os
import subprocess

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
HERE = "tests/lint"


def files():
    """Paths from the root, tracked or about to be; without git, everything that is not built."""
    try:
        git = ["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard"]
        out = subprocess.run(git, check=True, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL).stdout.decode()
        paths = out.splitlines()
    except (OSError, subprocess.CalledProcessError):
        paths = [os.path.relpath(os.path.join(d, f), ROOT)
                 for d, _, fs in os.walk(ROOT) for f in fs]
        paths = [p for p in paths if not p.startswith((".git/", "build"))]
    return sorted(p for p in set(paths) if os.path.isfile(os.path.join(ROOT, p)))


def sources():
    return [p for p in files() if p.endswith((".c", ".h"))]


def text(path):
    with open(os.path.join(ROOT, path), errors="surrogateescape") as f:
        return f.read()


def data(name):
    """Rows of a data file in this folder: words, comments with # cut off."""
    rows = (line.split("#", 1)[0].split() for line in text(f"{HERE}/{name}").splitlines())
    return [r for r in rows if r]


def say(path, line, what):
    print(f"{path}:{line}: {what}")


def code(source):
    """The source without comments and strings, line numbers kept."""
    out, i, n = [], 0, len(source)
    while i < n:
        two, c = source[i:i + 2], source[i]
        if two == "/*":
            end = source.find("*/", i + 2)
        elif two == "//":
            end = source.find("\n", i) - 2
        elif c in "\"'":
            end = i + 1
            while end < n and source[end] not in (c, "\n"):
                end += 2 if source[end] == "\\" else 1
            out.append('""' if c == '"' else "0")
            end -= 1
        else:
            out.append(c)
            i += 1
            continue
        end = n if end < 0 else end + 2
        out.append("\n" * source.count("\n", i, end))
        i = end
    return "".join(out)
