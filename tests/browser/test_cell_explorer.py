"""The cell explorer in Chromium: what it computes, what it shows, and who can use it."""

import json
import re

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from companion import explorers
from companion.explorers.cell import LAYERS, PRESETS, forward
from companion.spec import CELLS
from tests.browser.pages import document


@pytest.fixture
def page(open_page):
    return open_page(document(explorers.cell().html))


# What the element computes, and from what; what it shows.
STATE = """(e) => ({kind: e.kind, x: e.x, step: e.step, weights: e.weights[e.kind],
    steps: e.compute()})"""
SHOWN = """(e) => ({
    slots: [...e.querySelectorAll("[data-slot]")].map((s) => [s.dataset.slot, s.textContent]),
    rows: [...e.querySelectorAll(".gbg-track")].map((t) => [
        t.querySelector("i").textContent, t.querySelector(".gbg-number").textContent,
        [...t.querySelectorAll(".gbg-bars > span")].map((b) => [
            parseFloat(b.style.getPropertyValue("--top")),
            parseFloat(b.style.getPropertyValue("--tall")),
            b.className === "gbg-at"])]),
    wires: [...e.querySelectorAll("[data-wire]")].map((w) => [
        w.dataset.wire, Number(w.style.getPropertyValue("--s"))]),
})"""


def ask(page, script, cases=(None,)):
    """Call a function of the element and a case for each case, in one go and as JSON: faster."""
    answers = page.locator("gbg-cell").evaluate(
        f"(e, cases) => JSON.stringify(JSON.parse(cases).map((each) => ({script})(e, each)))",
        json.dumps(cases),
    )
    return json.loads(answers)


def state(page):
    return ask(page, STATE)[0]


def assert_numbers(page):
    """Compare what the element computes with companion.numpy, and what it shows with both."""
    [(got, shown)] = ask(page, f"(e) => [({STATE})(e), ({SHOWN})(e)]")
    assert_right(got, shown)
    return got


def assert_right(got, shown, tolerance=1e-12):
    expected = forward(got["kind"], got["weights"], got["x"])
    for name, over_time in expected.items():
        computed = [s[name][0] for s in got["steps"]]
        np.testing.assert_allclose(computed, over_time, rtol=0, atol=tolerance, err_msg=name)
    step, cell = got["step"], CELLS[got["kind"]]
    names = {"x", *cell.gates, *cell.states, *(f"{s}_prev" for s in cell.states)}
    assert {name for name, _ in shown["slots"]} == names
    for name, text in [*shown["slots"], *(row[:2] for row in shown["rows"])]:
        assert abs(float(text.replace("−", "-")) - expected[name][step]) < 0.0051, name
    for name, strength in shown["wires"]:
        value = 1 - expected["z"][step] if name == "1-z" else abs(expected[name][step])
        assert strength == pytest.approx(min(value, 1), abs=1e-5), name
    for name, _, bars in shown["rows"]:
        top, tall, now = map(np.array, zip(*bars, strict=True))
        signed = name in "xgnch"
        scale = tall.max() / max(np.abs(expected[name]).max(), 1e-300)
        np.testing.assert_allclose(tall, scale * np.abs(expected[name]), atol=1e-3)
        foot = np.where(expected[name] > 0, top + tall, top)
        np.testing.assert_allclose(foot, 50 if signed else 100, atol=1e-3)
        assert now.tolist().index(True) == step and now.sum() == 1


def press(page, *names):
    for name in names:
        page.get_by_role("button", name=name, exact=True).click()


@pytest.mark.parametrize("cell", LAYERS)
def test_numbers_are_those_of_companion_numpy(page, cell):
    rng = np.random.default_rng(0)
    cases = []
    for n_steps, size in [(1, 1), (12, 1), (12, 4), (40, 4), (40, 12), (500, 1)] * 3:
        weights = {
            name: rng.uniform(-size, size, shape[0]).tolist()
            for name, shape in CELLS[cell].shapes(1, 1).items()
        }
        cases.append([weights, rng.normal(0, 2, n_steps).tolist()])
    answers = ask(
        page,
        f"""(e, [weights, x]) => {{
            e.kind = "{cell}";
            e.x = x;
            e.weights[e.kind] = weights;
            e.update();
            return [({STATE})(e), ({SHOWN})(e)];
        }}""",
        cases,
    )
    for case, (got, shown) in zip(cases, answers, strict=True):
        assert [got["weights"], got["x"]] == case and got["kind"] == cell
        assert_right(got, shown)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_and_cells(page, preset):
    press(page, PRESETS[preset]["title"])
    for cell, title in [
        ("RNN", "RNN"),
        ("PeepholeLSTM", "Peephole LSTM"),
        ("GRU", "GRU"),
        ("LSTM", "LSTM"),
    ]:
        press(page, title)
        got = assert_numbers(page)
        chosen = PRESETS[preset]
        assert (got["kind"], got["x"], got["step"]) == (cell, chosen["x"], chosen["step"])
        assert got["weights"] == chosen["weights"][cell]
        assert page.locator(".gbg-note").inner_text() == chosen["notes"][cell]
        pressed = page.locator("[aria-pressed=true]").all_inner_texts()
        assert pressed == [title, chosen["title"]]
        peepholes = page.locator("[data-peephole]")
        assert [p.is_visible() for p in peepholes.all()] == {
            "LSTM": [False],
            "PeepholeLSTM": [True],
        }.get(cell, [])
        explained = page.locator("summary").inner_text()
        assert ("v of the cell state" in explained) == (cell == "PeepholeLSTM")
        words = page.locator("gbg-cell svg").get_attribute("aria-label")
        assert ("peepholes" in words) == (cell == "PeepholeLSTM")


@pytest.mark.parametrize("cell", LAYERS)
def test_every_slider_by_keyboard(open_page, cell):
    page = open_page(document(explorers.cell(cell).html))
    before = state(page)["weights"]
    sliders = page.locator("input[type=range]")
    n_weights = sum(len(row) for row in before.values())
    assert sliders.count() == n_weights
    page.locator("gbg-cell summary").focus()
    for _ in range(n_weights):
        page.keyboard.press("Tab")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
    after = assert_numbers(page)["weights"]
    for name, row in before.items():
        np.testing.assert_allclose(after[name], np.clip(np.add(row, 0.2), -12, 12), atol=1e-9)
    assert "Your own" in page.locator(".gbg-note").inner_text()
    labels = sliders.evaluate_all("(all) => all.map((s) => s.ariaLabel)")
    assert len(set(labels)) == n_weights


def test_a_slider_changes_the_weight_that_it_names(page):
    press(page, "Peephole LSTM")
    names = {"W": "w, input", "U": "u, recurrent", "V": "v, peephole", "b": "b, bias"}
    gates = {"i": "input gate", "f": "forget gate", "g": "candidate", "o": "output gate"}
    for name, words in names.items():
        for gate, title in gates.items():
            rows = CELLS["PeepholeLSTM"].peepholes if name == "V" else tuple(gates)
            if gate not in rows:
                continue
            slider = page.get_by_label(re.compile(f"^{words}.*{title}$"))
            slider.fill("-3.5")
            assert state(page)["weights"][name][rows.index(gate)] == -3.5
    assert_numbers(page)
    press(page, "Reset")
    assert state(page)["weights"] == PRESETS["remember"]["weights"]["PeepholeLSTM"]


def test_typing_a_sequence(page):
    field = page.get_by_label("Input sequence")
    field.fill("1, −2.5 .5;3e-1\t+4")
    got = assert_numbers(page)
    assert got["x"] == [1, -2.5, 0.5, 0.3, 4] and got["step"] == 2
    field.fill("7")
    got = assert_numbers(page)
    assert got["x"] == [7] and got["step"] == 0
    press(page, "GRU")
    assert assert_numbers(page)["x"] == [7] and field.input_value() == "7"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Write at least one number."),
        ("1, two", "“two” is not a number"),
        ("0x10", "“0x10” is not a number"),
        ("1 Infinity", "“Infinity” is not a number"),
        ("<img/src=x/onerror=console.log(1)>", "“<img/src=x/onerror=c…” is not a number"),
        ("1 11", "11 lies outside of −10 to 10."),
        ("1 " * 41, "These are 41 numbers; 40 is the most."),
    ],
)
def test_bad_text_says_what_is_wrong_and_changes_nothing(page, text, message):
    before = state(page)
    field = page.get_by_label("Input sequence")
    field.fill(text)
    alert = page.get_by_role("alert")
    assert alert.inner_text().startswith(message)
    assert field.get_attribute("aria-invalid") == "true"
    assert field.evaluate(
        "(f) => document.getElementById(f.getAttribute('aria-describedby'))?.role"
    )
    assert state(page) == before
    field.fill("1 2")
    assert alert.inner_text() == "" and field.get_attribute("aria-invalid") == "false"


def test_inputs_by_keyboard(page):
    inputs = page.get_by_role("slider", name="Input at this step")
    inputs.focus()
    for key in ("Home", "ArrowRight", "ArrowUp", "ArrowUp", "PageDown"):
        page.keyboard.press(key)
    got = assert_numbers(page)
    assert got["step"] == 1 and got["x"][1] == -1.4 and got["x"][0] == 0.4
    assert page.get_by_label("Input sequence").input_value().startswith("0.4, -1.4, 2,")
    assert inputs.get_attribute("aria-valuenow") == "-1.4"
    for _ in range(20):
        page.keyboard.press("PageUp")
    assert state(page)["x"][1] == 10


def test_inputs_by_pointer(page):
    box = page.locator(".gbg-inputs .gbg-bars").bounding_box()
    x = box["x"] + box["width"] * 4.5 / 12
    page.mouse.move(x, box["y"] + 1)
    page.mouse.down()
    assert state(page)["x"][4] == pytest.approx(3, abs=0.2)
    page.mouse.move(x, box["y"] + box["height"] / 2, steps=3)
    page.mouse.move(x + 200, box["y"] + box["height"] + 50, steps=3)
    page.mouse.up()
    page.mouse.move(x, box["y"])
    got = assert_numbers(page)
    assert got["step"] == 4 and got["x"][4] == -3
    assert got["x"][:4] + got["x"][5:] == [
        v for t, v in enumerate(PRESETS["remember"]["x"]) if t != 4
    ]


def test_steps_by_button_key_and_pointer(page):
    step = page.get_by_role("slider", name="Step", exact=True)
    press(page, "Forward")
    assert state(page)["step"] == 3
    press(page, "Back", "Back")
    assert state(page)["step"] == 1
    step.focus()
    for key, at in [("End", 11), ("ArrowRight", 11), ("ArrowLeft", 10), ("Home", 0)]:
        page.keyboard.press(key)
        assert assert_numbers(page)["step"] == at
    bars = page.locator(".gbg-track").nth(3).locator(".gbg-bars").bounding_box()
    page.mouse.click(bars["x"] + bars["width"] * 7.5 / 12, bars["y"] + 5)
    got = assert_numbers(page)
    assert got["step"] == 7 and got["x"] == PRESETS["remember"]["x"]
    assert step.get_attribute("aria-valuetext") == "step 8 of 12"


def test_play_runs_to_the_end_and_says_only_that(open_page):
    page = open_page("<title>Test</title>")
    page.clock.install()
    page.set_content(document(explorers.cell().html))
    page.clock.run_for(1000)
    status = page.get_by_role("status")
    first = status.inner_text()
    assert first.startswith("step 3 of 12: x = 2.00, input gate 0.99, forget gate 1.00,")
    assert first.endswith("cell state 0.66, hidden state 0.57")
    press(page, "Play")
    assert state(page)["step"] == 3
    page.clock.run_for(2500)
    assert state(page)["step"] == 6
    assert status.inner_text() == first
    press(page, "Pause")
    page.clock.run_for(3000)
    assert state(page)["step"] == 6 and status.inner_text().startswith("step 7 of 12")
    press(page, "Play")
    page.clock.run_for(20_000)
    assert state(page)["step"] == 11 and status.inner_text().startswith("step 12 of 12")
    press(page, "Play")
    assert assert_numbers(page)["step"] == 0
    press(page, "Forward")
    page.clock.run_for(5000)
    assert state(page)["step"] == 1


def test_a_switch_of_the_cell_keeps_input_and_step(page):
    page.get_by_label("Input sequence").fill("1 2 3 -1")
    press(page, "Forward", "GRU")
    got = assert_numbers(page)
    assert (got["x"], got["step"], got["kind"]) == ([1, 2, 3, -1], 3, "GRU")
    page.get_by_label("w, input weight, reset gate").fill("2.5")
    press(page, "RNN", "GRU")
    assert assert_numbers(page)["weights"]["W"][0] == 2.5


def test_random_weights_are_other_weights(page):
    before = state(page)["weights"]
    press(page, "Random weights")
    after = assert_numbers(page)["weights"]
    assert after != before and np.unique(np.concatenate([*after.values()])).size > 5


def test_two_on_a_page_do_not_know_of_each_other(open_page):
    page = open_page(document(explorers.cell().html, explorers.cell("GRU", "count").html))
    one, other = page.locator("gbg-cell").all()
    one.get_by_role("button", name="Forward").click()
    assert [e.evaluate("(e) => [e.kind, e.step]") for e in (one, other)] == [
        ["LSTM", 3],
        ["GRU", 9],
    ]
    assert (
        page.evaluate("new Set([...document.querySelectorAll('[id]')].map((e) => e.id)).size") == 2
    )


def test_without_a_script_the_figure_stands(open_page):
    page = open_page(document(explorers.cell().html), java_script_enabled=False)
    assert page.locator("gbg-cell svg").is_visible()
    assert page.locator(".gbg-track").count() == 7
    assert page.locator(".gbg-note").inner_text() == PRESETS["remember"]["notes"]["LSTM"]
    assert page.locator("figcaption").is_visible()
    assert page.locator("button, input").count() == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_axe_finds_nothing(open_page, theme, script):
    html = explorers.cell("PeepholeLSTM").html
    if not script:
        html = re.sub("<script>.*?</script>", "", html, flags=re.S)
    page = open_page(document(html, theme=theme), width=360)
    if script:
        page.locator("summary").click()
        page.get_by_label("Input sequence").fill("bad")
    found = Axe().run(
        page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]}
    )
    assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found.response["violations"]] == []


@pytest.mark.parametrize("width", [320, 360, 800])
def test_it_fits_and_can_be_hit(open_page, width):
    page = open_page(document(explorers.cell("PeepholeLSTM").html), width=width)
    if width < 800:
        page.locator("summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = page.locator("button, input, summary, [tabindex]").evaluate_all(
        "(all) => all.map((e) => [e.getBoundingClientRect(), e.outerHTML])"
        ".filter(([b]) => b.width < 24 || b.height < 24).map(([, html]) => html.slice(0, 99))"
    )
    assert boxes == []


@pytest.mark.parametrize("width", [360, 760])
def test_nothing_moves_when_it_starts(open_page, width):
    """The script comes late, as over a slow line."""
    html = document(explorers.cell().html).replace("</main>", "<p>After.</p></main>")
    script = re.search(r"<script>(.*?)</script>", html, re.S)
    page = open_page(html.replace(script[0], ""), width=width)
    after = page.locator("main > p")
    before = after.bounding_box()["y"]
    page.add_script_tag(content=script[1])
    assert page.locator("button").count()
    assert abs(after.bounding_box()["y"] - before) < 30


def test_print_shows_the_figure_without_controls(page):
    page.emulate_media(media="print")
    assert page.locator("gbg-cell svg").is_visible() and page.locator(".gbg-track").count() == 7
    assert [e for e in page.locator("button, input, summary").all() if e.is_visible()] == []


def test_it_sends_nothing_and_runs_no_text(page):
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    press(page, "Count", "GRU", "Random weights", "Forward")
    page.wait_for_timeout(100)
    assert requests == []
    for name in ("cell.js", "cells.js"):
        assert not re.search(r"innerHTML|eval|fetch|import\(", explorers.base.source(name))
