#!/usr/bin/env python3
"""Opens a race's report in headless Chromium: the charts are drawn, in light and dark, and no name runs as a script.

    tests/report/drawn.py --upseal target/release/upseal [--keep FOLDER]

Needs chromium and Python's own library. The page looks at its own charts and writes data-drawn at its root; here that
is read, and read again after the charts were damaged, so that it is known to notice. The pictures' pixels are counted
by colour. --keep leaves the page and the pictures there.
"""
import argparse
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

# What a lane looks like: src/report/chart.rs (LANES), src/report/html.rs (DARK_LANES).
LIGHT = ["0072B2", "D55E00", "00875F"]
DARK = ["58A6E8", "F0883E", "3FB68B"]
NAME = "<img src=x onerror=document.documentElement.dataset.run=1>&amp;.bin"


def chromium(folder, *arguments):
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        sys.exit("chromium is not installed")
    command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
               "--disable-background-networking", f"--user-data-dir={folder}/profile", *arguments]
    run = subprocess.run(command, capture_output=True, timeout=120, check=True)
    return run.stdout.decode("utf-8")


def root(folder, page):
    """Returns the attributes of the page's root after its script has run."""
    dom = chromium(folder, "--virtual-time-budget=3000", "--dump-dom", "file://" + page)
    tag = re.search(r"<html[^>]*>", dom)
    return dict(re.findall(r'(data-\w+)="([^"]*)"', tag.group(0)))


def colours(path):
    """Returns the number of pixels of each colour of a PNG (8 bits, RGB or RGBA, not interlaced)."""
    data = open(path, "rb").read()
    at, pixels = 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", body)
            assert (depth, interlaced) == (8, 0) and colour in (2, 6)
            size = 3 if colour == 2 else 4
        elif kind == b"IDAT":
            pixels += body
        at += 12 + length
    pixels, line = zlib.decompress(pixels), width * size
    above, counts = bytearray(line), {}
    for row in range(height):
        begin = row * (line + 1)
        how, here = pixels[begin], bytearray(pixels[begin + 1:begin + 1 + line])
        for i in range(line if how else 0):
            left = here[i - size] if i >= size else 0
            corner = above[i - size] if i >= size else 0
            up = above[i]
            if how == 1:
                add = left
            elif how == 2:
                add = up
            elif how == 3:
                add = (left + up) // 2
            else:
                guess = left + up - corner
                add = min((left, up, corner), key=lambda near: abs(guess - near))
            here[i] = (here[i] + add) & 255
        for i in range(0, line, size):
            pixel = bytes(here[i:i + 3])
            counts[pixel] = counts.get(pixel, 0) + 1
        above = here
    return counts


def check(folder, upseal):
    clip, page = os.path.join(folder, NAME), os.path.join(folder, "race.html")
    with open(clip, "wb") as file:
        file.write(os.urandom(512 << 10))
    home = {**os.environ, "HOME": folder, "XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder}
    subprocess.run([upseal, "race", "--lanes", "plain,cp1,cp2", "--repeat", "3", "--report", page, clip],
                   env=home, timeout=300, check=True, stdout=subprocess.DEVNULL)

    seen = root(folder, page)
    assert seen == {"data-expected": "3", "data-charts": "3", "data-drawn": "true"}, seen
    print("ok    three charts are drawn, and the file's name was not run")

    html = open(page, encoding="utf-8").read()
    body = html.index("<body>")
    damages = {
        "no shapes": re.sub(r"<(rect|polyline|circle)\b[^>]*>", "", html),
        "no size": html.replace("svg{display:block;", "svg{display:none;"),
        "no first chart": html[:body] + re.sub(r"<svg\b.*?</svg>", "", html[body:], count=1, flags=re.S),
        "a chart without lines": re.sub(r"<polyline\b[^>]*>|<circle\b[^>]*>|<rect\b[^>]*>", "", html[:html.index("How long it took")])
        + html[html.index("How long it took"):],
    }
    for what, damaged in damages.items():
        path = os.path.join(folder, "damaged.html")
        with open(path, "w", encoding="utf-8") as file:
            file.write(damaged)
        seen = root(folder, path)
        assert damaged != html and seen.get("data-drawn") == "false", (what, seen)
        print(f"ok    it is noticed: {what}")
    injected = html.replace("<main>", "<main><script>document.documentElement.dataset.run=1</script><img src=x onerror=document.documentElement.dataset.run=1>")
    with open(path, "w", encoding="utf-8") as file:
        file.write(injected)
    seen = root(folder, path)
    assert "data-run" not in seen and seen["data-drawn"] == "true", seen
    print("ok    a script that was put into the page does not run")

    for scheme, setting, lanes in [("light", 1, LIGHT), ("dark", 0, DARK)]:
        picture = os.path.join(folder, f"{scheme}.png")
        chromium(folder, f"--blink-settings=preferredColorScheme={setting}", "--window-size=1100,2000",
                 f"--screenshot={picture}", "file://" + page)
        counts = colours(picture)
        pixels = [counts.get(bytes.fromhex(lane), 0) for lane in lanes]
        assert all(count > 100 for count in pixels), (scheme, pixels)
        print(f"ok    {scheme}: pixels of the lanes' colours: {pixels}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--upseal", required=True)
    parser.add_argument("--keep")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        check(folder, os.path.abspath(given.upseal))
        if given.keep:
            os.makedirs(given.keep, exist_ok=True)
            for name in ["race.html", "light.png", "dark.png"]:
                shutil.copy(os.path.join(folder, name), given.keep)


main()
