"""Draw `book/_static/preview.png`, which a shared link to a page shows; needs a browser.

    python tools/preview.py

The drawing's source is stored in the picture, so a test can say when it has to be drawn again.
"""

import re
import struct
import sys
import zlib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from companion import diagrams, spec  # noqa: E402
from companion.plots import THEMES  # noqa: E402

TARGET = ROOT / "book" / "_static" / "preview.png"
WIDTH, HEIGHT = 1200, 630
KEY = b"Source"


def source() -> str:
    """Return the page that is photographed."""
    title = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["title"]
    name, line = title.split(", ", 1)
    colours = THEMES["light"]
    drawing = re.sub(r' aria-label="[^"]*"', "", diagrams.cell(spec.LSTM))  # not in the picture
    return f"""<!DOCTYPE html><meta charset="utf-8"><style>
      body {{ margin: 0; width: {WIDTH}px; height: {HEIGHT}px; display: flex; align-items: center;
              box-sizing: border-box; padding: 0 56px; gap: 40px;
              background: {colours["paper"]}; color: {colours["ink"]};
              font-family: "STIX Two Text", Georgia, "Times New Roman", serif; }}
      h1 {{ margin: 0; font-size: 72px; line-height: 1.15; white-space: nowrap; }}
      p {{ margin: 28px 0 0; font-size: 33px; line-height: 1.35; color: {colours["muted"]}; }}
      svg {{ width: 620px; height: auto; flex: none; }}
    </style>
    <div><h1>{name},<br>{line}</h1><p>Every equation runs.<br>Every claim is measured.</p></div>
    {drawing}"""


def with_text(png: bytes, key: bytes, text: str) -> bytes:
    """Store a text in a PNG, compressed, before its last chunk."""
    body = b"zTXt" + key + b"\0\0" + zlib.compress(text.encode("utf-8"))
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    end = png.rindex(b"IEND") - 4
    return png[:end] + chunk + png[end:]


def stored_text(png: bytes, key: bytes) -> str | None:
    """Return the text that a PNG stores under a key."""
    start = png.find(b"zTXt" + key + b"\0\0")
    if start < 0:
        return None
    (length,) = struct.unpack(">I", png[start - 4 : start])
    return zlib.decompress(png[start + 4 + len(key) + 2 : start + 4 + length]).decode("utf-8")


def main() -> None:
    """Photograph the page."""
    from playwright.sync_api import sync_playwright

    from tools import browser

    path = browser.find() or sys.exit(f"{browser.MISSING}: {browser.ADVICE}")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.set_content(source())
        png = page.screenshot()
        chromium.close()
    TARGET.write_bytes(with_text(png, KEY, source()))
    print(f"{TARGET.relative_to(ROOT)}: {TARGET.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
