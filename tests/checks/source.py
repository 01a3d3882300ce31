# SPDX-License-Identifier: Apache-2.0
"""What the checks of the source tree share: its files, C without comments, and claims."""
import os
import re
import sys

ROOT = os.path.realpath(sys.argv[1] if len(sys.argv) > 1 else ".")
failures = 0


def files(*suffixes, below=""):
    """The project's files with these endings, as paths relative to its root, sorted."""
    found = []
    for folder, folders, names in os.walk(os.path.join(ROOT, below)):
        folders[:] = [f for f in folders if not f.startswith((".git", "build", "__pycache__"))]
        for name in names:
            if not suffixes or name.endswith(suffixes):
                found.append(os.path.relpath(os.path.join(folder, name), ROOT))
    return sorted(found)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def without_comments(text):
    """C text with its comments blanked out, line numbers kept; strings stay."""

    def blank(match):
        word = match.group(0)
        return word if word[0] in "\"'" else re.sub(r"[^\n]", " ", word)

    pattern = r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*'
    return re.sub(pattern, blank, text, flags=re.DOTALL)


def lines(path, strip_comments=True):
    text = read(path)
    return enumerate((without_comments(text) if strip_comments else text).splitlines(), 1)


def claim(name, problems):
    """Prints each problem, and the claim with its verdict."""
    global failures
    for problem in problems:
        print(problem)
    print(f"not ok {name}" if problems else f"ok {name}", flush=True)
    failures += bool(problems)


def skip(name, reason):
    print(f"skip {name}: {reason}", flush=True)


def done():
    sys.exit(1 if failures else 0)
