"""What must hold of a page, asked of the page: each check returns its findings as sentences.

A finding names its culprit so that it can be found: a selector, a width, an address, a rule.
"""

from pathlib import Path
from urllib.parse import urlsplit

import axe_playwright_python
import pytest

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
LOCAL = ("data:", "blob:", "about:")

# A selector that a person can read and paste into the console.
NAME = """
window.nameOf = element => {
  const parts = [];
  for (let e = element; e && e !== document.body && parts.length < 4; e = e.parentElement) {
    if (e.id) { parts.unshift("#" + CSS.escape(e.id)); break; }
    const classes = [...e.classList].slice(0, 2).map(c => "." + CSS.escape(c));
    parts.unshift(e.localName + classes.join(""));
  }
  return parts.join(" > ");
};
"""
SETTLED = """async () => {
  const drawn = () => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
  await document.fonts.ready;
  await drawn();
  for (const animation of document.getAnimations()) try { animation.finish(); } catch {}  // endless
  await drawn();
}"""


class Watch:
    """Records what a page says and asks for, from before its first request on."""

    def __init__(self, page, origin: str):
        self.messages: list[str] = []
        self.failed: list[str] = []
        self.elsewhere: list[str] = []
        self.origin = origin
        page.add_init_script(NAME)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.messages.append(f"uncaught: {error}"))
        page.on("request", self._request)
        page.on("requestfailed", lambda r: self.failed.append(f"{r.url}: {r.failure}"))
        page.on("response", self._response)

    def _console(self, message):
        if message.type in ("error", "warning"):
            place = message.location.get("url", "")
            self.messages.append(f"{message.type}: {message.text} ({place})")

    def _request(self, request):
        if not request.url.startswith((self.origin, *LOCAL)):
            self.elsewhere.append(request.url)

    def _response(self, response):
        if response.status >= 400:
            self.failed.append(f"{response.url}: status {response.status}")


def nothing(found: list[str]) -> None:
    """Fail with all findings, a line each; an assertion's own message would be cut."""
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def origin(address: str) -> str:
    """Scheme and host of an address, with the slash that ends the host's name."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}/"


def settle(page) -> None:
    """Wait until fonts are there and what they move has been drawn."""
    page.evaluate(SETTLED)


def connections(page, own: str) -> list[str]:
    """Hosts that the page has the browser connect to without a request that could be seen."""
    links = page.eval_on_selector_all(
        "link[rel~=preconnect], link[rel~=dns-prefetch], link[rel~=prefetch], link[rel~=prerender]",
        "links => links.map(link => link.href)",
    )
    return [link for link in links if not link.startswith(own)]


def sideways(page) -> list[str]:
    """Whether the page scrolls sideways or cuts something off, and which elements are too wide."""
    return page.evaluate("""() => {
      const root = document.documentElement, width = root.clientWidth;
      const scrolls = e => ["auto", "scroll"].includes(getComputedStyle(e).overflowX);
      const inside = e => {
        for (let p = e.parentElement; p && p !== document.body; p = p.parentElement)
          if (scrolls(p) || getComputedStyle(p).position === "fixed") return true;
        return false;
      };
      // Text that runs out of an element makes it no wider. Fields scroll by themselves.
      const end = e => {
        const box = e.getBoundingClientRect();
        const own = e instanceof HTMLElement && !e.matches("input, textarea, select");
        return Math.round(Math.max(box.right, own ? box.left + e.scrollWidth : 0) + scrollX);
      };
      // Beside the text lie bars that come in when they are called.
      const where = root.scrollWidth > width ? "body *" : "main article *";
      const wide = [...document.querySelectorAll(where)].filter(e => {
        const { width: w, height: h } = e.getBoundingClientRect();
        return w > 1 && h > 1 && end(e) > width + 1 && !scrolls(e) && !inside(e);
      });
      // The innermost are the cause; what holds them is only as wide as they are.
      const causes = wide.filter(e => !wide.some(other => other !== e && e.contains(other)));
      const found = causes.slice(0, 5).map(
        e => `${nameOf(e)} reaches ${end(e)} px, the page is ${width} px wide`);
      if (root.scrollWidth > width && !found.length)
        found.push(`the page is ${width} px wide and scrolls to ${root.scrollWidth} px`);
      return found;
    }""")


def unnamed_pictures(page) -> list[str]:
    """Pictures in the text that a reader who does not see them is told nothing about."""
    return page.evaluate("""() => {
      const hidden = e => e.closest("[aria-hidden=true], [hidden]");
      const named = e => ["aria-label", "aria-labelledby"].some(a => e.getAttribute(a)?.trim());
      const pictures = "main img, main svg, main canvas, main [role=img], main object";
      return [...document.querySelectorAll(pictures)].filter(e => {
        if (hidden(e) || e.parentElement.closest("svg, button, a[aria-label]")) return false;
        const label = e.closest("[role=img]") ?? e;
        if (e.localName === "img") return !e.alt?.trim();
        return !named(label) && !label.querySelector(":scope > title")?.textContent.trim();
      }).map(e => `${nameOf(e)} (${e.getAttribute("src") ?? e.localName}) has no alternative text`);
    }""")


def accessibility(page) -> list[str]:
    """axe-core's violations of level serious and critical.

    A page of the book has thousands of coloured words of code and symbols in equations, and axe
    asks for the contrast of each, which takes most of its time. While it looks, one of the words
    that look alike stays, the others are plain. It judges no equation and no single character:
    equations are empty boxes for it, and the word that stays is longer.
    """
    page.evaluate(AXE)
    found = page.evaluate("""async () => {
      const looks = new Set();
      const isNew = word => {
        if (word.textContent.trim().length < 2) return false;
        const { color, backgroundColor, fontSize, fontWeight } = getComputedStyle(word);
        const ground = getComputedStyle(word.closest("div, td, li, p")).backgroundColor;
        const look = [word.localName, color, backgroundColor, fontSize, fontWeight, ground].join();
        return !looks.has(look) && looks.add(look);
      };
      const isWord = node => node.localName === "span" && !node.querySelector("a, [tabindex]");
      const swaps = [...document.querySelectorAll("pre")].map(code => {
        const whole = [...code.childNodes];
        const few = whole.map(word => isWord(word) && !isNew(word) ? word.textContent : word);
        return () => (code.replaceChildren(...few), () => code.replaceChildren(...whole));
      });
      for (const math of document.querySelectorAll("math")) {
        const { width, height } = math.getBoundingClientRect();
        const box = document.createElement("span");
        box.style = `display: inline-block; width: ${width}px; height: ${height}px`;
        swaps.push(() => (math.replaceWith(box), () => box.replaceWith(math)));
      }
      const back = swaps.map(swap => swap());
      const all = await axe.run({ resultTypes: ["violations"], preload: false });
      back.forEach(restore => restore());
      return all.violations
        .filter(rule => ["serious", "critical"].includes(rule.impact))
        .flatMap(rule => rule.nodes.map(node => {
          const why = node.failureSummary.split("\\n").slice(1).map(line => line.trim()).join(" ");
          return `${rule.id}: ${node.target.join(" ")}: ${why} (${rule.help})`;
        }));
    }""")
    return sorted(set(found))
