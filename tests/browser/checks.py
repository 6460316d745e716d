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
  if (element.nodeType === Node.TEXT_NODE) element = element.parentElement;
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


def scroll(page) -> None:
    """Go down and up a little: that brings in the theme's button to the top of a long page."""
    page.evaluate("""async () => {
      for (const top of [3000, 2000]) {
        scrollTo({ top, behavior: "instant" });
        await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
      }
    }""")


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


# Texts that differ in nothing that decides about contrast are looked at in three places: the
# first, one in the middle, the last. Single characters axe-core leaves undecided.
LOOKS = """() => {
  const grounds = new Map([[null, ""]]), looks = new Map();
  const ground = e => {
    if (!grounds.has(e)) {
      const { backgroundColor, backgroundImage, opacity } = getComputedStyle(e);
      const own = [backgroundColor, backgroundImage, opacity].join();
      const below = ground(e.parentElement);
      grounds.set(e, own === "rgba(0, 0, 0, 0),none,1" ? below : `${below} ${own}`);
    }
    return grounds.get(e);
  };
  const seen = { opacityProperty: true, visibilityProperty: true };
  for (const e of document.querySelectorAll("body *:not(math, math *)")) {
    const text = [...e.childNodes].map(n => n.nodeType === Node.TEXT_NODE ? n.data : "").join("");
    const link = e.matches("a[href]");
    if (text.trim().length < 2 && !link && !e.matches("input, select, textarea")) continue;
    const { width, height } = e.getBoundingClientRect();
    if (width < 2 || height < 2 || !e.checkVisibility(seen)) continue;
    const style = getComputedStyle(e), look = [
      style.color, style.fontSize, style.fontWeight, style.textShadow, ground(e),
      link && [style.textDecorationLine, getComputedStyle(e.parentElement).color],
    ].join();
    if (!looks.has(look)) looks.set(look, []);
    looks.get(look).push(e);
  }
  return [...looks.values()].flatMap(
    alike => [...new Set([alike[0], alike[alike.length >> 1], alike.at(-1)])]);
}"""


def stuck_solutions(page) -> list[str]:
    """Solutions that are open before the reader asks, or stay as they are at a button's press."""
    return page.evaluate("""() =>
      [...document.querySelectorAll("main .solution.dropdown")].flatMap(solution => {
        const content = solution.querySelector("section"), states = [];
        for (const press of [false, true, true]) {
          if (press) solution.querySelector("button")?.click();
          const seen = content.checkVisibility({ visibilityProperty: true });
          states.push(seen && content.getBoundingClientRect().height > 0 ? "open" : "closed");
        }
        const found = states.join(", ");
        return found === "closed, open, closed" ? [] : `${nameOf(solution)} is ${found}`;
      })""")


def accessibility(page) -> list[str]:
    """axe-core's violations of level serious and critical."""
    return _violations(page, everything=True)


def contrast(page) -> list[str]:
    """Those that depend on colours, which are all that a change of theme changes."""
    return _violations(page, everything=False)


def _violations(page, everything: bool) -> list[str]:
    """Run axe-core on a page reduced to what it judges.

    A page of the book has thousands of coloured words of code and symbols in equations. To ask
    for the colours of each takes most of axe's time, so it is asked for some texts of each look.
    While it looks, words of code that are not among them are plain, and equations are empty
    boxes: it judges no single character, and nothing inside of an equation.
    """
    if not page.evaluate("typeof window.axe === 'object'"):
        page.evaluate(AXE)
    found = page.evaluate(
        """async everything => {
      const texts = (LOOKS)();
      const plain = word => word.localName === "span" && !word.querySelector("a, [tabindex]")
        && !texts.some(text => word.contains(text));
      const swaps = [...document.querySelectorAll("pre")].map(code => {
        const whole = [...code.childNodes];
        const few = whole.map(word => plain(word) ? word.textContent : word);
        return () => (code.replaceChildren(...few), () => code.replaceChildren(...whole));
      });
      for (const math of document.querySelectorAll("math")) {
        const { width, height } = math.getBoundingClientRect();
        const box = document.createElement("span");
        box.style = `display: inline-block; width: ${width}px; height: ${height}px`;
        swaps.push(() => (math.replaceWith(box), () => box.replaceWith(math)));
      }
      const back = swaps.map(swap => swap());
      const ofColours = ["color-contrast", "link-in-text-block"];
      axe.configure({ rules: ofColours.map((id, isOfLinks) =>
        ({ id, selector: (isOfLinks ? "a[href]" : "") + "[data-looked-at]" })) });
      texts.forEach(text => text.setAttribute("data-looked-at", ""));
      const some = everything ? {} : { runOnly: ofColours };
      const all = await axe.run({ resultTypes: ["violations"], preload: false, ...some });
      texts.forEach(text => text.removeAttribute("data-looked-at"));
      back.forEach(restore => restore());
      return all.violations
        .filter(rule => ["serious", "critical"].includes(rule.impact))
        .flatMap(rule => rule.nodes.map(node => {
          const why = node.failureSummary.split("\\n").slice(1).map(line => line.trim()).join(" ");
          return `${rule.id}: ${node.target.join(" ")}: ${why} (${rule.help})`;
        }));
    }""".replace("LOOKS", LOOKS),
        everything,
    )
    return sorted(set(found))
