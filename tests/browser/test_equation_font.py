"""The font of the equations has every character that the book's equations use."""

import re

SYMBOL = re.compile(r"<(mi|mo|mn|mtext)\b([^>]*)>([^<]+)</\1>")


def test_every_symbol_is_in_the_books_own_font(browser, html, site):
    symbols = set()
    for path in html.rglob("*.html"):
        for formula in re.findall(r"<math\b.*?</math>", path.read_text("utf-8"), re.S):
            symbols.update(match[0] for match in SYMBOL.finditer(formula))
    assert len(symbols) > 60
    page = browser.new_page()
    page.goto(f"{site}book/notation.html")
    page.evaluate(
        """symbols => document.querySelector("article").innerHTML =
             symbols.map(symbol => `<p><math>${symbol}</math></p>`).join("")""",
        sorted(symbols),
    )
    page.evaluate("document.fonts.ready")
    devtools = page.context.new_cdp_session(page)
    devtools.send("DOM.enable")
    devtools.send("CSS.enable")
    root = devtools.send("DOM.getDocument")["root"]["nodeId"]
    found = devtools.send("DOM.querySelectorAll", {"nodeId": root, "selector": "article math > *"})
    others = {}
    for node, symbol in zip(found["nodeIds"], sorted(symbols), strict=True):
        fonts = devtools.send("CSS.getPlatformFontsForNode", {"nodeId": node})["fonts"]
        if symbol.strip() and [font for font in fonts if not font["isCustomFont"]]:
            others[symbol] = [font["familyName"] for font in fonts]
    page.close()
    assert others == {}
