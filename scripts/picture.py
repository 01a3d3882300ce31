#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes docs/pictures/list.svg, the picture in the README: picture.py BUILD [FILE]

It is what `carve list` prints on a simulated node, with lines drawn as lines, so that it looks the same in
every font; on a dark page it is dark.
"""
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 92, 60           # of the terminal
CELL_W, CELL_H, MARGIN = 8.4, 18, 14
LINES = {"─": "lr", "│": "ud", "┌": "rd", "┐": "ld", "└": "ru", "┘": "lu", "├": "urd", "┤": "uld", "┬": "lrd",
         "┴": "lru", "┼": "lrud"}
TEXTURES = {"░": 0.25, "▒": 0.45, "╱": 0.5, "!": 0.5}
NAMES = {"1": "bold", "2": "dim", "1;31": "red", "32": "green", "33": "yellow", "34": "blue", "35": "magenta",
         "36": "cyan"}
STYLE = """
  .page { fill: #ffffff; stroke: #d0d7de }
  text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; white-space: pre;
         fill: #1f2328 }
  path { stroke: #8c959f; fill: none }
  .bold { font-weight: 600 } .dim { fill: #6e7781 } .red { fill: #cf222e } .green { fill: #116329; font-weight: 600 }
  .yellow { fill: #7d4e00 } .blue { fill: #0550ae } .magenta { fill: #8250df } .cyan { fill: #1b7c83 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; stroke: #30363d } text { fill: #e6edf3 } path { stroke: #6e7681 }
    .dim { fill: #8b949e } .red { fill: #ff7b72 } .green { fill: #56d364 } .yellow { fill: #e3b341 }
    .blue { fill: #79c0ff } .magenta { fill: #d2a8ff } .cyan { fill: #56d4dd }
  }
"""
SCENE = """
    carved >"$CARVE_RUN_DIR/log" 2>&1 & daemon=$!
    until carve list >/dev/null 2>&1; do sleep 0.05; done
    printf '%s\\n' 'version: carve/v1' 'layouts:' '  day:' \
        '  - {gpus: [0], mig: [3g.40gb@4, 2g.20gb@0, 1g.10gb*2]}' \
        '  - {gpus: [1], mig: [4g.40gb, 3g.40gb]}' '  - {gpus: [2], mig: [dynamic]}' >"$CARVE_RUN_DIR/day.yaml"
    carve apply "$CARVE_RUN_DIR/day.yaml" >/dev/null
    n=0
    hold() { n=$((n + 1)); carve lease --name "$@" >/dev/null; }
    hold notebook --memory 10G
    hold train --memory 30G --compute 40%
    hold serve --profile 4g.40gb
    hold sweep --profile 1g.10gb --gpu 2
    hold chat --mechanism mps --memory 32G --compute 40% --gpu 3
    hold search --mechanism mps --memory 20G --compute 30% --gpu 3
    hold finetune --gpus 2
    python3 "$PICTURE" --capture
    kill $daemon; wait
"""


def capture():
    """carve list on a terminal of that size; its bytes on standard output."""
    pid, fd = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
        os.environ.update(TERM="xterm", LC_ALL="C.UTF-8")
        os.environ.pop("NO_COLOR", None)
        os.execvp("carve", ["carve", "list"])
    text = b""
    try:
        while data := os.read(fd, 4096):
            text += data
    except OSError:  # the end of a terminal
        pass
    os.waitpid(pid, 0)
    sys.stdout.buffer.write(text)


def cells(text):
    """Each character with its place and its style."""
    style = ""
    for y, line in enumerate(text.replace("\r", "").rstrip("\n").split("\n")):
        x = 0
        for code, character in re.findall("\033\\[([0-9;]*)m|(.)", line):
            if character:
                yield x, y, character, style
                x += 1
            else:
                style = NAMES.get(code, "")


def draw(text):
    runs, paths, fills, bottom = [], [], [], 0
    for x, y, character, style in cells(text):
        bottom = max(bottom, y + 1)
        left, top = MARGIN + x * CELL_W, MARGIN + y * CELL_H
        middle_x, middle_y = left + CELL_W / 2, top + CELL_H / 2
        if character in LINES:
            ends = {"l": (left, middle_y), "r": (left + CELL_W, middle_y), "u": (middle_x, top),
                    "d": (middle_x, top + CELL_H)}
            paths += ["M%.1f %.1fL%.1f %.1f" % (middle_x, middle_y, *ends[end]) for end in LINES[character]]
        elif character == "┊":
            paths += ["M%.1f %.1fv3m0 6v3" % (middle_x, top + 3)]
        elif character in TEXTURES and character != "!":
            fills.append('<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%d" opacity="%s"/>' %
                         (style or "dim", left, top, CELL_W + 0.1, CELL_H, TEXTURES[character] / 2))
        elif character != " ":
            last = runs[-1] if runs else None
            if last and last[1] == y and last[2] == style and last[0] + len(last[3]) == x:
                last[3] += character
            else:
                runs.append([x, y, style, character])
    texts = ['<text class="%s" x="%.1f" y="%.1f" textLength="%.1f">%s</text>' %
             (style, MARGIN + x * CELL_W, MARGIN + y * CELL_H + 13, len(word) * CELL_W, escape(word))
             for x, y, style, word in runs]
    width, height = WIDTH * CELL_W + 2 * MARGIN, bottom * CELL_H + 2 * MARGIN
    return "\n".join([
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" '
        'aria-label="carve list: GPUs as boxes, instances in their places, who holds what">' % (width, height),
        "<style>%s</style>" % STYLE,
        '<rect class="page" x="0.5" y="0.5" width="%d" height="%d" rx="8"/>' % (width - 1, height - 1),
        *fills, '<path d="%s"/>' % "".join(paths), *texts, "</svg>", ""])


def main():
    if sys.argv[1:] == ["--capture"]:
        return capture()
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    build = os.path.abspath(sys.argv[1])
    target = sys.argv[2] if len(sys.argv) > 2 else os.path.join(root, "docs/pictures/list.svg")
    env = dict(os.environ, PATH=build + ":" + os.environ["PATH"], PICTURE=os.path.abspath(__file__))
    text = subprocess.run(["carve-sim", "run", "dgx-h100", "--fast", "--", "sh", "-ec", SCENE], env=env, check=True,
                          stdout=subprocess.PIPE).stdout.decode()
    name = text[4:text.index("\033[0m")]  # the host's, in bold
    text = text.replace(name, "gpu-node", 1)
    with open(target, "w", encoding="utf-8") as file:
        file.write(draw(text))
    return None


main()
