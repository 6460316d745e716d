"""The checks see what they are made for: each is shown a page that is broken on purpose."""

import pytest

from tests.browser import checks, test_links, test_pages
from tests.browser.visits import Visit

PAGE = """<!doctype html><html lang="en" data-theme="light"><head><title>A page</title>
<meta name="viewport" content="width=device-width">{head}</head>
<body><main><h1>A page</h1>{body}</main></body></html>"""
WHOLE = "<p>Some text, and <a href='#'>a link</a>.</p>"


@pytest.fixture
def show(browser):
    """Open a page with this head and body on a server of its own; the page and what it did."""
    context = browser.new_context(viewport={"width": 360, "height": 740})

    def show(body: str = WHOLE, head: str = ""):
        page = context.new_page()
        watch = checks.Watch(page, "http://book.invalid/")
        text = PAGE.format(head=head, body=body)

        def answer(route):
            here = route.request.url == "http://book.invalid/page"
            route.fulfill(status=200 if here else 404, content_type="text/html", body=text)

        page.route("http://book.invalid/**", answer)
        page.goto("http://book.invalid/page")
        checks.settle(page)
        return page, watch

    yield show
    context.close()


def test_a_page_in_order_has_no_findings(show):
    page, watch = show(WHOLE + "<p><svg role='img' aria-label='A circle'></svg></p>")
    assert checks.sideways(page) == checks.unnamed_pictures(page) == []
    assert checks.accessibility(page) == checks.connections(page, "http://book.invalid/") == []
    assert watch.messages + watch.failed + watch.elsewhere == []


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("console.error('broken')", "error: broken"),
        ("console.warn('odd')", "warning: odd"),
        ("throw new Error('thrown')", "uncaught: thrown"),
        ("Promise.reject(new Error('late'))", "uncaught: late"),
    ],
)
def test_messages_are_seen(show, script, said):
    page, watch = show(head=f"<script>{script}</script>")
    assert [message for message in watch.messages if message.startswith(said)]


def test_a_font_from_another_server_is_seen(show):
    face = "@font-face { font-family: F; src: url(https://fonts.invalid/f.woff2); }"
    page, watch = show(head=f"<style>{face} body {{ font-family: F; }}</style>")
    assert watch.elsewhere == ["https://fonts.invalid/f.woff2"]


def test_a_connection_to_another_server_is_seen(show):
    page, _ = show(head="<link rel='preconnect' href='https://fonts.invalid'>")
    assert checks.connections(page, "http://book.invalid/") == ["https://fonts.invalid/"]


def test_a_missing_file_is_seen(show):
    page, watch = show("<img src='no-such.svg' alt='Something that is not there'>")
    assert watch.failed == ["http://book.invalid/no-such.svg: status 404"]


ROW = "<tr>" + "<td>a wide cell</td>" * 20 + "</tr>"


@pytest.mark.parametrize(
    ("body", "culprit"),
    [
        (f"<table style='white-space: nowrap'>{ROW}</table>", "tr > td"),
        ("<pre>" + "long " * 99 + "</pre>", "pre"),
        ("<div style='overflow: hidden'><p style='width: 500px'>cut off</p></div>", "p"),
    ],
)
def test_what_is_too_wide_is_named(show, body, culprit):
    page, _ = show(f"<article>{body}</article>")
    found = checks.sideways(page)
    assert found and culprit in found[0] and "360 px wide" in found[0]


def test_what_scrolls_inside_itself_is_not_too_wide(show):
    page, _ = show(f"<article><div style='overflow-x: auto'><table>{ROW}</table></div></article>")
    assert checks.sideways(page) == []


@pytest.mark.parametrize(
    "picture",
    [
        "<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='>",
        "<img alt=' ' src='data:image/gif;base64,R0lGODlhAQABAAAAACw='>",
        "<figure><svg><path d='M0 0'/></svg></figure>",
        "<canvas></canvas>",
        "<div role='img'>♥</div>",
    ],
)
def test_a_picture_without_a_text_is_named(show, picture):
    page, _ = show(picture)
    assert len(checks.unnamed_pictures(page)) == 1


GREY = "style='color: #aaa; background: #fff'"


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (f"<p {GREY}>hardly to be read</p>", "color-contrast"),
        (f"<div><pre><span>x</span> = <span {GREY}>'text'</span></pre></div>", "color-contrast"),
        # Of words that look alike one is looked at; the others are not lost with it.
        ("<div><pre>" + f"<span {GREY}>word</span> " * 40 + "</pre></div>", "color-contrast"),
        ("<button></button>", "button-name"),
        ("<details><summary></summary>text</details>", "summary-name"),
        ("<div><pre style='width: 9em; overflow: auto'>" + "x " * 99, "scrollable-region-focus"),
    ],
)
def test_what_axe_calls_serious_is_named(show, body, rule):
    page, _ = show(body)
    assert [finding for finding in checks.accessibility(page) if finding.startswith(rule)]


def test_a_text_is_not_judged_by_another_that_looks_otherwise(show):
    others = "".join(
        f"<p style='{style}'>otherwise</p>"
        for style in (
            "color: #aaa; background: #fff; display: none",
            "color: #aaa; background: #fff; visibility: hidden",
            "color: #aaa; background: #fff; height: 1px; overflow: hidden",
            "color: #aaa; background: #000",
            "color: #aaa; background: #fff; font-size: 40px; font-weight: 700",
        )
    )
    page, _ = show(f"{others}<p {GREY} id='faint'>hardly to be read</p>{others}")
    found = [finding for finding in checks.contrast(page) if "#faint" in finding]
    assert len(found) == 1 and found[0].startswith("color-contrast")


def test_a_link_that_is_told_by_its_colour_alone_is_named(show):
    text = "<p>Some more of the text, then <a href='#' {}>a link</a>, and text after it.</p>"
    plain = "style='color: #333; text-decoration: none'"
    page, _ = show(text.format("") + text.format("id='told' " + plain))
    found = [finding.split(":")[:2] for finding in checks.contrast(page)]
    assert found == [["link-in-text-block", " #told"]]


def test_a_change_of_theme_asks_for_colours_and_no_more(show):
    page, _ = show(f"<p {GREY}>hardly to be read</p><button></button>")
    assert [finding.split(":")[0] for finding in checks.contrast(page)] == ["color-contrast"]
    both = [finding.split(":")[0] for finding in checks.accessibility(page)]
    assert both == ["button-name", "color-contrast"]


def test_the_page_is_as_before_when_axe_has_looked(show):
    body = "<div><pre>" + "<span>ab</span> " * 9 + "</pre></div>" + "<math><mi>x</mi></math>" * 9
    page, _ = show(body)
    before = page.content()
    checks.accessibility(page)
    after = page.evaluate("document.querySelectorAll('pre span, math mi').length")
    assert after == 18 and len(page.content()) == len(before)


def test_all_findings_are_shown():
    checks.nothing([])
    with pytest.raises(pytest.fail.Exception, match="one\ntwo"):
        checks.nothing(["one", "two"])


SOLUTIONS = [  # a button, what it opens, and the states of that at first and after two presses
    ("<button onclick='turn(this)'>", "<section hidden>", "closed, open, closed"),
    ("<button onclick='turn(this)'>", "<section>", "open, closed, open"),
    ("<button onclick='turn(this, false)'>", "<section hidden>", "closed, open, open"),
    ("<button>", "<section hidden>", "closed, closed, closed"),
    ("", "<section hidden>", "closed, closed, closed"),
]


def test_a_solution_that_does_not_open_or_close_is_named(show):
    turn = "(b, to = !b.nextElementSibling.hidden) => b.nextElementSibling.hidden = to"
    page, _ = show(
        "".join(
            f"<div class='solution dropdown' id='s{k}'>{button}</button>{section}x</section></div>"
            for k, (button, section, _) in enumerate(SOLUTIONS)
        ),
        f"<script>turn = {turn}</script>",
    )
    states = [f"#s{k} is {states}" for k, (_, _, states) in enumerate(SOLUTIONS)]
    assert checks.stuck_solutions(page) == states[1:]


def test_dead_links_are_named(tmp_path):
    (tmp_path / "other.html").write_text("<p id='here'><a name=there></a></p>")
    links = ["other.html#here", "other.html#there", "#own", "/", "//x.org", "https://x.org/y.html"]
    dead = ["none.html", "other.html#gone", "../above.html", test_links.PUBLISHED + "none.html"]
    text = "".join(f"<a href='{link}'>x</a>" for link in links + dead)
    (tmp_path / "page.html").write_text(f"<p id=own>{text}<img src='no.svg'></p>")
    found = [line.split(": ")[0] for line in test_links.dead(tmp_path / "page.html", tmp_path)]
    assert found == ["/", "none.html", "other.html#gone", "../above.html", dead[3], "no.svg"]


MOVES = """<div id=gap></div><p>Text that moves.</p><p>More of it.</p><script>
setTimeout(() => { document.getElementById("gap").style.height = "300px"; }, 150);</script>"""


def test_movement_is_measured(browser, tmp_path):
    (tmp_path / "moves.html").write_text(PAGE.format(head="", body=MOVES * 5))
    load = Visit(browser, (tmp_path / "moves.html").as_uri())
    assert load.shift > test_pages.SHIFT
    assert 0.15 <= load.seconds < 3
    assert load.moved and not load.watch.messages
    (tmp_path / "rests.html").write_text(PAGE.format(head="", body=WHOLE))
    assert Visit(browser, (tmp_path / "rests.html").as_uri()).shift == 0
