#!/usr/bin/env python3
"""Draws the events that a terminal shows: runs the example shop, sends requests, writes terminal.svg.

    python3 docs/pictures/terminal.py

Needs cargo and Python 3, nothing else.
"""

import codecs
import fcntl
import html
import http.client
import json
import os
import pathlib
import pty
import re
import select
import struct
import subprocess
import tempfile
import termios
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PICTURE = pathlib.Path(__file__).with_name("terminal.svg")
EXAMPLE = "axum-shop"
COLUMNS, ROWS = 120, 40

ORDER = json.dumps({"item_id": 1, "quantity": 2})
# The title of each part, its method and path, its body, and the seconds after which the client disconnects.
REQUESTS = [
    ("GET", "/items/1", None, None),
    ("POST", "/orders", ORDER, None),
    ("GET", "/items/99", None, None),
    ("GET", "/fail", None, None),
    ("GET", "/boom", None, None),
    ("GET", "/slow?ms=5000", None, 0.2),
    ("GET", "/stream?chunks=50&ms=100", None, 0.35),
]


def executable():
    """Builds the example and returns its path."""
    command = ["cargo", "build", "--quiet", "--package", EXAMPLE, "--message-format", "json"]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = map(json.loads, output.splitlines())
    return next(m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == EXAMPLE)


def request(address, method, path, body, patience):
    """Sends a request. Disconnects after `patience` seconds if the response has not ended by then."""
    connection = http.client.HTTPConnection(address, timeout=patience or 10)
    headers = {"content-type": "application/json"} if body else {}
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        end = time.monotonic() + (patience or 10)
        while time.monotonic() < end and response.read1(1024):
            pass
    except (TimeoutError, http.client.HTTPException, OSError):
        pass  # The client disconnects, or the server has broken the connection.
    finally:
        connection.close()


def read(terminal, quiet):
    """Reads the terminal until nothing has come for `quiet` seconds."""
    output = b""
    while select.select([terminal], [], [], quiet)[0]:
        output += os.read(terminal, 65536)
    return output


def session():
    """Runs the example on a terminal and returns its output."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("OBS_", "OTEL_")) and k != "NO_COLOR"}
    with tempfile.TemporaryDirectory() as folder:
        environment |= {
            "DATABASE_URL": f"sqlite:{folder}/shop.db?mode=rwc",
            "LISTEN": "127.0.0.1:0",
            "OBS_DRAIN_DELAY": "0",
            "TERM": "xterm-256color",
            "COLUMNS": str(COLUMNS),
        }
        service = subprocess.Popen(
            [executable()], cwd=ROOT, env=environment, stdin=slave, stdout=slave, stderr=subprocess.PIPE, text=True
        )
        os.close(slave)
        try:
            first = service.stderr.readline()
            address = re.search(r"http://(\S+)", first).group(1)
            # What it prints besides is not shown, but must be read.
            threading.Thread(target=service.stderr.read, daemon=True).start()
            output = b""
            for parts in REQUESTS:
                request(address, *parts)
                output += read(master, 0.4)
        finally:
            service.terminate()
            service.wait()
    os.close(master)
    return codecs.decode(output, "utf-8").replace("\r", "")


# The colours of the picture by their SGR numbers.
COLOURS = {
    30: "#6e7681", 31: "#ff7b72", 32: "#56d364", 33: "#e3b341", 34: "#79c0ff", 35: "#d2a8ff", 36: "#56d4dd",
    37: "#d0d7de", 90: "#8b949e", 91: "#ffa198", 92: "#7ee787", 93: "#f2cc60", 94: "#a5d6ff", 95: "#e2c5ff",
    96: "#b3f0ff", 97: "#ffffff",
}  # fmt: skip
BACKGROUND, BAR, PLAIN, FAINT = "#0d1117", "#161b22", "#d0d7de", "#8b949e"


def runs(line):
    """Splits a line into pieces of one style: their texts, colours and weights."""
    colour, faint, bold = None, False, False
    for text, codes in re.findall(r"([^\x1b]*)(?:\x1b\[([\d;]*)m)?", line):
        if text:
            yield text, FAINT if faint and colour is None else colour or PLAIN, bold
        for code in map(int, filter(None, (codes or "").split(";"))):
            if code in (0, 39):
                colour = None
            if code in (0, 22):
                faint = bold = False
            faint, bold, colour = faint or code == 2, bold or code == 1, COLOURS.get(code, colour)


def rows(output):
    """The rows of the terminal, at most `COLUMNS` wide: lists of styled pieces."""
    for line in output.splitlines():
        row, room = [], COLUMNS
        for text, colour, bold in runs(line):
            while text:
                row.append((text[:room], colour, bold))
                text, room = text[room:], room - len(text[:room])
                if room == 0 and text:
                    yield row
                    row, room = [], COLUMNS
        yield row


def svg(output):
    """The picture of a terminal with this output."""
    size, wide, high, edge, bar = 12, 7.2, 18, 14, 28
    lines = [[(f"$ cargo run -p {EXAMPLE}", PLAIN, True)], *rows(output)]
    width, height = COLUMNS * wide + 2 * edge, len(lines) * high + bar + 2 * edge - 6
    fonts = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" font-family="{fonts}" font-size="{size}" role="img">',
        "<title>Readable events of the example shop on a terminal</title>",
        f'<rect width="{width:g}" height="{height:g}" rx="8" fill="{BACKGROUND}"/>',
        f'<path d="M0 {bar}V8a8 8 0 0 1 8-8H{width - 8:g}a8 8 0 0 1 8 8V{bar}z" fill="{BAR}"/>',
        *(f'<circle cx="{18 + 18 * n}" cy="14" r="5" fill="{c}"/>' for n, c in enumerate(("#ff5f57", "#febc2e", "#28c840"))),
    ]
    for number, line in enumerate(lines):
        column, y = 0, bar + edge + number * high + size - 4
        for text, colour, bold in line:
            start, end = len(text) - len(text.lstrip()), len(text.rstrip())
            shown = text[start:end]
            if shown:
                # The length holds the columns, whatever the font is.
                x, length = edge + (column + start) * wide, len(shown) * wide
                weight = ' font-weight="bold"' if bold else ""
                parts.append(
                    f'<text x="{x:g}" y="{y:g}" fill="{colour}"{weight} textLength="{length:g}" '
                    f'lengthAdjust="spacingAndGlyphs" xml:space="preserve">{html.escape(shown, quote=False)}</text>'
                )
            column += len(text)
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    PICTURE.write_text(svg(session()))
    print(PICTURE.relative_to(ROOT))
