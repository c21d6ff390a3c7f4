#!/usr/bin/env python3
"""Opens a race's report in headless Chromium: the charts are drawn, in light and dark, no name runs as a script, a phone
shows it without scrolling sideways, the charts' text can be selected, and it prints on one page.

    tests/report/drawn.py --upseal target/release/upseal [--keep FOLDER]

Needs chromium and Python's own library. The page looks at its own charts and writes data-drawn at its root; here that
is read, and read again after the charts were damaged, so that it is known to notice. The pictures' pixels are counted
by colour. --keep leaves the page and the pictures there.
"""
import argparse
import contextlib
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from html import escape

# What a lane looks like, in light and dark: src/hues.rs (LANES).
LANES = ["D55E00", "0072B2", "009E73"]
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


def narrow(folder, html):
    """Returns what a window of 360 pixels shows: its width, the page's, and whether a chart's text is selected."""
    script = ("<script>(()=>{const root=document.documentElement;getSelection().selectAllChildren(document.querySelector('figure svg'));"
              "Object.assign(root.dataset,{inner:innerWidth,scroll:root.scrollWidth,"
              "selected:getSelection().toString().includes('CP1')})})()</script></body>")
    # The copy may run this script; the page itself runs only its own.
    copy = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html).replace("</body>", script)
    frame = (f'<!doctype html><body style="margin:0"><iframe style="width:360px;height:3000px;border:0" srcdoc="{escape(copy)}"></iframe>'
             "<script>onload=()=>{const seen=document.querySelector('iframe').contentDocument.documentElement.dataset;"
             "for(const name of ['inner','scroll','selected'])document.documentElement.dataset[name]=seen[name]}</script>")
    path = os.path.join(folder, "narrow.html")
    with open(path, "w", encoding="utf-8") as file:
        file.write(frame)
    return root(folder, path)


def pages(folder, page):
    """Returns the number of pages and their sizes in points when the page is printed."""
    path = os.path.join(folder, "printed.pdf")
    chromium(folder, "--no-pdf-header-footer", f"--print-to-pdf={path}", "file://" + page)
    data = open(path, "rb").read()
    boxes = {tuple(round(float(n)) for n in box.split()) for box in re.findall(rb"/MediaBox ?\[([^\]]*)\]", data)}
    return len(re.findall(rb"/Type ?/Page\b(?!s)", data)), boxes


@contextlib.contextmanager
def busy():
    """Keeps every core busy, for two minutes at most."""
    loop = "import time\nend = time.monotonic() + 120\nwhile time.monotonic() < end: pass"
    loops = [subprocess.Popen([sys.executable, "-c", loop]) for _ in range(os.cpu_count())]
    try:
        yield
    finally:
        for process in loops:
            process.kill()
            process.wait()


def check(folder, upseal):
    clip, page = os.path.join(folder, NAME), os.path.join(folder, "race.html")
    with open(clip, "wb") as file:
        file.write(os.urandom(512 << 10))
    home = {**os.environ, "HOME": folder, "XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder}
    labels = ["--title", "Lab 3: what encryption costs", "--author", "A. Student", "--course", "Networks", "--group", "7"]
    subprocess.run([upseal, "race", "--lanes", "plain,cp1,cp2", "--repeat", "3", "--report", page, *labels, clip],
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

    seen = narrow(folder, html)
    assert seen == {"data-inner": "360", "data-scroll": "360", "data-selected": "true"}, seen
    wide = narrow(folder, html.replace("<table>", '<table style="display:block;width:600px">'))
    assert wide["data-scroll"] != "360", wide
    print("ok    360 pixels are enough, a wider table is noticed, and the charts' text can be selected")

    four = os.path.join(folder, "four.html")
    # The longest report: four lanes, and a sentence about other programs.
    with busy():
        subprocess.run([upseal, "race", "--lanes", "plain,cp1,cp1/pkcs1v15/2048,cp2", "--repeat", "3", "--report", four, *labels, clip],
                       env=home, timeout=300, check=True, stdout=subprocess.DEVNULL)
    assert "Other programs" in open(four, encoding="utf-8").read()
    for report in [page, four]:
        count, boxes = pages(folder, report)
        # A4 is 595 by 842 points.
        assert count == 1 and all(abs(x - 595) <= 1 and abs(y - 842) <= 1 for _, _, x, y in boxes), (report, count, boxes)
    print("ok    three and four lanes are printed on one A4 page")

    for scheme, setting, lanes in [("light", 1, LANES), ("dark", 0, LANES)]:
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
