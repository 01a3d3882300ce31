#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small promises that hold for every file of the tree."""
import os
import re
import subprocess

import source

SPDX = "SPDX-License-Identifier: Apache-2.0"
# What links with QEMU or the kernel in tests has their licence.
SPDX_GPL = "SPDX-License-Identifier: GPL-2.0-or-later"
GPL = re.compile(r"tests/guest/vf/fake\w+\.c$")
# Product code that knows of being tested: a condition, a name, a path.
KNOWS_OF_TESTS = re.compile(
    r'^\s*#\s*(?:if|ifdef|ifndef|elif)\b.*TEST|\bCARVE_TEST|\btests/|\b\w+_for_tests?\b|'
    r'^\s*#\s*include\s+"test'
)
# Commands start with a slash in text that is a path of some machine's home.
HOME_PATH = re.compile(r"(?<![\w.}])/(?:home|root|Users)/\w")

c_files = source.files(".c", ".h", below="src") + source.files(".c", ".h", below="include")
all_c = [p for p in source.files(".c", ".h", ".def") if not p.startswith("docs/")]
scripts = []
for path in source.files():
    full = os.path.join(source.ROOT, path)
    if os.path.islink(full) or not os.access(full, os.X_OK):
        continue
    with open(full, "rb") as file:
        if file.read(2) == b"#!":
            scripts.append(path)

source.claim(
    "every_source_file_names_its_licence",
    [f"{p}: no SPDX line" for p in all_c + scripts
     if (SPDX_GPL if GPL.search(p) else SPDX) not in source.read(p)[:400]],
)
source.claim(
    "product_code_does_not_know_that_it_is_tested",
    [f"{p}:{n}: {line.strip()}" for p in c_files for n, line in source.lines(p) if KNOWS_OF_TESTS.search(line)],
)
source.claim(
    "headers_are_read_once",
    [f"{p}: no #pragma once" for p in source.files(".h") if "#pragma once" not in source.read(p)],
)
source.claim(
    "no_path_of_somebodys_home",
    [
        f"{p}:{n}: {line.strip()}"
        for p in source.files(".c", ".h", ".sh", ".py", ".md", ".build", ".yaml", ".scd")
        for n, line in source.lines(p, strip_comments=False)
        if HOME_PATH.search(line)
    ],
)


def links_of(path):
    """The relative links of a Markdown page, as paths from the root."""
    text = re.sub(r"```.*?```", "", source.read(path), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in link and not link.startswith("mailto:"):
            yield link, os.path.normpath(os.path.join(os.path.dirname(path), link))


source.claim(
    "links_between_the_documents_lead_somewhere",
    [
        f"{p}: no {link}"
        for p in source.files(".md")
        for link, target in links_of(p)
        if not os.path.exists(os.path.join(source.ROOT, target))
    ],
)


def tool(name):
    return subprocess.run(["sh", "-c", f"command -v {name}"], stdout=subprocess.DEVNULL).returncode == 0


def outside(claim, command, paths):
    """A check by another program, which prints what it finds."""
    if not tool(command[0]):
        source.skip(claim, f"{command[0]} is not installed")
        return
    answer = subprocess.run(command + paths, cwd=source.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    source.claim(claim, [answer.stdout.strip() or f"status {answer.returncode}"] if answer.returncode else [])


shell = [p for p in scripts if re.match(r"#!.*\b(sh|bash)\b", source.read(p).split("\n")[0])]
outside("shell_scripts_are_clean", ["shellcheck", "-x"], shell)
outside("words_are_spelt_right", ["codespell"], [])
outside("c_files_are_laid_out_as_clang_format_14_does", ["clang-format-14", "--dry-run", "-Werror"],
    [p for p in all_c if not p.endswith(".def")])
source.done()
