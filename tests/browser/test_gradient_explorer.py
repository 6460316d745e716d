"""The gradient explorer in Chromium: what it computes, what it shows, and who can use it."""

import json
import re

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from companion import explorers
from tests.browser.pages import document

KINDS = ("RNN", "LSTM", "GRU")

#: Everything that a change has to bring up to date.
SHOWN = """(figure) => ({
    viewBoxes: [...figure.querySelectorAll(".strip, .lines")].map((e) => e.getAttribute("viewBox")),
    words: [...figure.querySelectorAll(".strip")].map((e) => e.ariaLabel),
    x: [...figure.querySelectorAll("rect")].map((e) => +e.getAttribute("x")),
    shades: [...figure.querySelectorAll("rect")].map((e) => +e.style.getPropertyValue("--p")),
    points: [...figure.querySelectorAll(".lines polyline")]
        .flatMap((e) => e.getAttribute("points").split(/[ ,]/).map(Number)),
    places: [...figure.querySelectorAll(".now, .later")]
        .flatMap((e) => [e.style.left, e.style.width].map((s) => parseFloat(s) || 0)),
    table: figure.querySelector("table").innerHTML.replace(/\\s+/g, " "),
    axis: figure.querySelector(".axis").innerText,
    controls: [...figure.querySelectorAll("input")]
        .flatMap((e) => [e.value, e.max, e.previousElementSibling.textContent]),
    pressed: [...figure.querySelectorAll("[aria-pressed=true]")].map((e) => e.textContent),
    seed: figure.querySelector("[data-name=seed]").textContent,
})"""


def settle(page):
    """Wait until what was changed is drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")


def set_slider(page, label, value):
    page.get_by_label(label).first.fill(str(value))


def result(page):
    """Return what the element computed; JSON is faster than what Playwright does with objects."""
    element = page.locator("gradient-explorer").first
    return json.loads(element.evaluate("(element) => JSON.stringify(element.result)"))


def assert_same_numbers(page, explorer, t=-1):
    """Compare weights and inputs exactly, and every gradient relative to itself.

    Where gradients explode, so does the last bit of each step, in the browser and in NumPy.
    """
    got = result(page)
    np.testing.assert_array_equal(got["x"], explorer.x[:, 0])
    for kind in KINDS:
        for name, values in explorer.layers[kind].parameters.items():
            np.testing.assert_array_equal(got["parameters"][kind][name], values)
        expected = explorer.norms(kind, t)
        tolerance = 1e-12 * max(1, expected.max())
        np.testing.assert_allclose(got["norms"][kind], expected, rtol=tolerance)


@pytest.mark.parametrize(
    "settings",
    [
        (60, 1.0, 1.0, 1),
        (10, 0.0, 0.5, 2),
        (35, 2.5, 2.0, 3),
        (100, 4.0, 4.0, 4),
        (100, 5.0, 1.0, 123456),
        (60, 0.0, 5.0, 2**31 - 1),
    ],
)
def test_numbers_are_those_of_companion_numpy(open_page, settings):
    length, forget_bias, gain, seed = settings
    explorer = explorers.gradient(length, forget_bias, gain=gain, seed=seed)
    page = open_page(document(explorer.html))
    assert_same_numbers(page, explorer)
    for t in (0, length // 2):
        set_slider(page, "Output at step", t + 1)
        assert_same_numbers(page, explorer, t)


def test_what_is_shown_after_a_change_is_what_python_draws(open_page):
    """Two figures on one page: the first is moved to where the second begins."""
    start = explorers.gradient(60, 1.0)
    goal = explorers.gradient(37, 2.5, gain=3.1, seed=2)
    page = open_page(document(start.html, goal.html))
    first, second = page.locator("figure").all()
    assert first.evaluate(SHOWN) != second.evaluate(SHOWN)
    set_slider(page, "Sequence length", 37)
    set_slider(page, "Forget-gate bias", 2.5)
    set_slider(page, "Recurrent gain", 3.1)
    page.get_by_role("button", name="New weights").first.click()
    settle(page)
    got, expected = first.evaluate(SHOWN), second.evaluate(SHOWN)
    # Numbers that were rounded to be drawn may differ in their last digit.
    for name, tolerance in {"shades": 0.11, "points": 0.011, "places": 1e-3}.items():
        np.testing.assert_allclose(got.pop(name), expected.pop(name), rtol=0, atol=tolerance)
    assert got == expected
    # And back: squares and lines grow again.
    page.reload()
    page.set_content(document(goal.html, start.html))
    for label, value in (("Sequence length", 60), ("Forget-gate bias", 1), ("Recurrent gain", 1)):
        set_slider(page, label, value)
    settle(page)
    assert len(page.locator("figure").first.evaluate(SHOWN)["shades"]) == 3 * 60


def test_the_shown_gradient_is_that_of_companion_numpy(open_page):
    """Nothing is left of the first output's picture when another output is chosen."""
    explorer = explorers.gradient(60, 2.0)
    page = open_page(document(explorer.html))
    set_slider(page, "Output at step", 25)
    settle(page)
    shown = page.locator("figure").evaluate(SHOWN)
    norms = np.array([explorer.norms(kind, 24) for kind in KINDS])
    shades = np.clip((np.log10(norms) + 8) / 12, 0, 1) * 100
    np.testing.assert_allclose(shown["shades"], shades.ravel(), atol=0.051)
    y = np.reshape(shown["points"], (3, 25, 2))[:, :, 1]
    np.testing.assert_allclose(4 - y, np.clip(np.log10(norms), -20, 16), atol=0.0051)
    for words, norm in zip(shown["words"], norms, strict=True):
        assert f"{norm[0]:.1e} for the oldest, 24 steps back".replace("-", "−") in words
    assert re.findall(r'name="back">(\d+)', shown["table"]) == ["24"]


def test_new_weights_are_python_s_next_draw(open_page):
    page = open_page(document(explorers.gradient(30, 1.0, seed=7).html))
    for seed in (8, 9):
        page.get_by_role("button", name="New weights").click()
        assert_same_numbers(page, explorers.gradient(30, 1.0, seed=seed))
        assert page.locator("[data-name=seed]").inner_text() == str(seed)


def test_a_preset_moves_the_sliders(open_page):
    page = open_page(document(explorers.gradient().html))
    page.get_by_role("button", name="exploding").click()
    assert page.get_by_label("Recurrent gain").input_value() == "4"
    assert page.locator("[aria-pressed=true]").all_inner_texts() == ["exploding"]
    norms = result(page)["norms"]["RNN"]
    assert norms[0] > 10 * norms[-1]
    set_slider(page, "Recurrent gain", 3.9)
    assert page.locator("[aria-pressed=true]").count() == 0


def test_everything_can_be_done_with_the_keyboard(open_page):
    page = open_page(document(explorers.gradient().html))
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        focus = "[document.activeElement, getComputedStyle(document.activeElement)]"
        reached.append(
            page.evaluate(
                f"(([e, style]) => [e.labels?.[0]?.firstChild.textContent ?? e.textContent,"
                f"style.outlineStyle, parseFloat(style.outlineWidth)])({focus})"
            )
        )
    labels = [label for label, *_ in reached[:9]]
    assert labels == [
        "Output at step",
        "Sequence length",
        "Forget-gate bias",
        "Recurrent gain",
        "forget bias 0",
        "forget bias 1",
        "forget bias 4",
        "exploding",
        "New weights",
    ]
    assert all(style == "solid" and width >= 2 for _, style, width in reached[:9])

    output = page.get_by_label("Output at step")
    output.focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    settle(page)
    assert output.get_attribute("aria-valuetext") == "57 of 60"
    assert page.locator(".strip").first.locator("rect").count() == 57
    page.keyboard.press("Home")
    settle(page)
    assert page.locator("rect").count() == 3
    said = page.locator("[aria-live=polite]")
    page.wait_for_function("document.querySelector('[aria-live]').textContent")
    assert said.inner_text().startswith("Output at step 1 of 60, forget-gate bias 1")
    assert "LSTM 0 steps back" in said.inner_text()


def test_what_is_said_waits_for_the_slider_to_rest(open_page):
    page = open_page(document(explorers.gradient().html))
    page.evaluate(
        """() => {
            window.said = [];
            new MutationObserver(() => said.push(document.querySelector("[aria-live]").textContent))
                .observe(document.querySelector("[aria-live]"), {childList: true});
        }"""
    )
    page.get_by_label("Sequence length").focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
        settle(page)
    assert page.evaluate("said") == []
    page.wait_for_function("said.length")
    page.wait_for_timeout(600)
    (said,) = page.evaluate("said")
    assert said.startswith("Output at step 65 of 65")


def test_the_output_is_chosen_on_the_strip(open_page):
    page = open_page(document(explorers.gradient(50).html))
    box = page.locator(".strip").nth(1).bounding_box()

    def middle_of(step):
        return box["x"] + (step - 0.5) * box["width"] / 50, box["y"] + box["height"] / 2

    output = page.get_by_label("Output at step")
    page.mouse.move(*middle_of(20))
    assert output.input_value() == "50"
    page.mouse.down()
    assert output.input_value() == "20"
    page.mouse.move(*middle_of(31))
    assert output.input_value() == "31"
    page.mouse.move(box["x"] - 40, box["y"])  # past the strip's end
    assert output.input_value() == "1"
    page.mouse.up()
    page.mouse.move(*middle_of(45))
    assert output.input_value() == "1"
    settle(page)
    now = page.locator(".now").bounding_box()
    assert now["x"] == pytest.approx(box["x"], abs=1)


def test_an_output_at_the_end_stays_at_the_end(open_page):
    page = open_page(document(explorers.gradient(50).html))
    set_slider(page, "Sequence length", 80)
    assert page.get_by_label("Output at step").input_value() == "80"
    set_slider(page, "Output at step", 40)
    set_slider(page, "Sequence length", 60)
    assert page.get_by_label("Output at step").input_value() == "40"
    set_slider(page, "Sequence length", 30)
    assert page.get_by_label("Output at step").input_value() == "30"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_it_is_accessible_and_fits(open_page, theme, width):
    page = open_page(document(explorers.gradient(100).html, theme=theme), width)
    page.get_by_role("button", name="exploding").click()
    set_slider(page, "Output at step", 70)
    settle(page)
    violations = Axe().run(page).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"][:200]) for v in violations] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for control in page.locator("input, button").all():
        box = control.bounding_box()
        assert min(box["width"], box["height"]) >= 24
        assert box["x"] >= 0 and box["x"] + box["width"] <= width


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_shades_are_in_the_order_of_the_gradients(open_page, theme):
    page = open_page(document(explorers.gradient().html, theme=theme))
    lightness = page.evaluate(
        """() => {
            const square = document.querySelector("rect");
            return Array.from({length: 41}, (_, k) => {
                square.style.setProperty("--p", 2.5 * k);
                return +getComputedStyle(square).fill.match(/oklab\\(([\\d.]+)/)[1];
            });
        }"""
    )
    steps = np.diff(lightness) * (1 if theme == "dark" else -1)
    assert (steps > 0.005).all()
    assert steps.max() < 3 * steps.min()
    assert abs(lightness[-1] - lightness[0]) > 0.7


def test_it_follows_the_theme_of_the_book(open_page):
    page = open_page(document(explorers.gradient().html))
    colours = (
        "() => ['.later', 'rect', '.now'].map((s) => JSON.stringify(Object.fromEntries("
        "['fill', 'borderColor', 'backgroundImage'].map((p) => "
        "[p, getComputedStyle(document.querySelector(s))[p]]))))"
    )
    light = page.evaluate(colours)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    dark = page.evaluate(colours)
    assert all(a != b for a, b in zip(light, dark, strict=True))


@pytest.mark.parametrize("width", [1280, 360])
def test_starting_moves_nothing(open_page, width):
    explorer = explorers.gradient()
    before = open_page(
        document(re.sub("<script>.*?</script>", "", explorer.html, flags=re.S)), width
    )
    after = open_page(document(explorer.html), width)
    boxes = (
        "[...document.querySelectorAll('figure *')].filter((e) => e.tagName !== 'SCRIPT')"
        ".map((e) => JSON.stringify(e.getBoundingClientRect()))"
    )
    assert before.evaluate(boxes) == after.evaluate(boxes)
    assert not before.get_by_label("Recurrent gain").is_visible()
    assert after.get_by_label("Recurrent gain").is_visible()


def test_without_javascript_a_figure_remains(open_page):
    page = open_page(document(explorers.gradient().html), java_script_enabled=False)
    assert page.locator("rect").count() == 3 * 60
    for selector in (".strip", ".chart", "table", "figcaption"):
        assert page.locator(selector).first.is_visible()
    assert page.locator(".gbg-controls").bounding_box() is None  # no gap either


def test_in_print_there_are_no_controls(open_page):
    page = open_page(document(explorers.gradient().html))
    page.emulate_media(media="print")
    assert not page.locator(".gbg-controls").is_visible()
    for selector in (".strip", ".chart", "table", "figcaption"):
        assert page.locator(selector).first.is_visible()


def test_a_change_takes_a_frame_or_two(open_page):
    """100 steps take 10 to 20 ms on two idle cores; the bound leaves room for busy ones."""
    page = open_page(document(explorers.gradient(100).html))
    times = page.locator("gradient-explorer").evaluate(
        """(element) => Array.from({length: 20}, (_, k) => {
            const start = performance.now();
            element.change({forgetBias: k % 5});
            element.show();
            return performance.now() - start;
        })"""
    )
    assert min(times) < 100, times


def test_loaded_again_it_goes_on(open_page):
    explorer = explorers.gradient(20)
    page = open_page(document(explorer.html, explorer.html))
    # Taken out and put back, as a notebook does with an output.
    page.evaluate("document.querySelector('main').append(document.querySelector('figure'))")
    page.get_by_role("button", name="forget bias 4").first.click()
    pressed = page.locator("[aria-pressed=true]").all_inner_texts()
    assert sorted(pressed) == ["forget bias 1", "forget bias 4"]
    assert json.loads(page.locator("gradient-explorer").first.get_attribute("data-settings"))
