"""A visit of a page: what it loads, when it comes to rest, what moves, what it says meanwhile."""

from tests.browser import checks

HEIGHTS = {1280: 800, 360: 740}

# From the beginning of a page on, when something last moved or changed in size, and how much moved.
OBSERVE = """
window.rest = { last: 0, shift: 0, moved: [] };
new PerformanceObserver(list => {
  for (const entry of list.getEntries()) {
    if (entry.hadRecentInput) continue;
    rest.shift += entry.value;
    rest.moved.push(...entry.sources.map(source => source.node && nameOf(source.node)));
    rest.last = Math.max(rest.last, entry.startTime);
  }
}).observe({ type: "layout-shift", buffered: true });
document.addEventListener("DOMContentLoaded", () =>
  new ResizeObserver(() => { rest.last = performance.now(); }).observe(document.body));
document.fonts.addEventListener("loadingdone", () => { rest.last = performance.now(); });
"""
# At rest: everything is loaded and drawn, and nothing has moved or changed in size for 0.3 s.
REST = """async () => {
  if (document.readyState !== "complete") await new Promise(done => addEventListener("load", done));
  await document.fonts.ready;
  await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  rest.last = Math.max(rest.last, performance.now());
  const end = performance.now() + 5000;
  while (performance.now() < Math.min(rest.last + 300, end))
    await new Promise(done => setTimeout(done, 50));
  return { seconds: rest.last / 1000, shift: rest.shift, moved: rest.moved.slice(0, 9) };
}"""


class Visit:
    """A page opened with nothing cached: bytes by address, seconds until rest, shift, messages.

    One visit serves all that is asked of a page at one width.
    """

    def __init__(self, browser, address: str, width: int = 1280, theme: str = "light"):
        self.browser, self.address, self.width, self.theme = browser, address, width, theme
        self.context = browser.new_context(
            viewport={"width": width, "height": HEIGHTS[width]}, color_scheme=theme
        )
        self.page = self.context.new_page()
        self.watch = checks.Watch(self.page, checks.origin(address))
        self.page.add_init_script(OBSERVE)
        names, loaded = {}, {}
        network = self.context.new_cdp_session(self.page)
        network.send("Network.enable")
        network.on(
            "Network.requestWillBeSent",
            lambda event: names.update({event["requestId"]: event["request"]["url"]}),
        )

        def add(event):
            name = names[event["requestId"]].split("#")[0]
            if not name.startswith(checks.LOCAL):
                loaded[name] = loaded.get(name, 0) + event["encodedDataLength"]

        network.on("Network.loadingFinished", add)
        self.page.goto(address)
        rest = self.page.evaluate(REST)
        self.seconds, self.shift, self.moved = rest["seconds"], rest["shift"], rest["moved"]
        self.bytes = dict(loaded)  # what a test or another theme loads later is not its weight

    def again(self) -> "Visit":
        """Open the same page anew."""
        return Visit(self.browser, self.address, self.width, self.theme)

    def turn(self, theme: str) -> None:
        """Have the page shown in a theme, and wait until it is."""
        self.page.emulate_media(color_scheme=theme)
        self.page.wait_for_selector(f"html[data-theme={theme}]")
        checks.settle(self.page)

    def close(self) -> None:
        """Close the page and forget what it cached."""
        self.context.close()

    def report(self, without: object = ()) -> str:
        """The heaviest parts, for the message of a failure."""
        parts = sorted((size, name) for name, size in self.bytes.items() if name not in without)
        return ", ".join(f"{size / 1e6:.2f} MB {name}" for size, name in parts[:-6:-1])
