"""The built book: no warning, the buttons, the numbers in the prose, the colours, the API."""

import json
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
REPOSITORY = CONFIG["repository"]["url"]
SLUG = REPOSITORY.removeprefix("https://github.com/")
PAGES = sorted(
    path.relative_to(ROOT).with_suffix("").as_posix()
    for path in (ROOT / "notebooks").glob("*/*.ipynb")
)


def read(html, page):
    return (html / f"{page}.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_launch_and_download_buttons(html, page):
    text = read(html, page)
    branch = CONFIG["repository"]["branch"]
    assert f"https://colab.research.google.com/github/{SLUG}/blob/{branch}/{page}.ipynb" in text
    assert re.search(rf"https://mybinder\.org/v2/gh/{SLUG}/{branch}\?[^\"]*{page}\.ipynb", text)
    assert f"_sources/{page}.ipynb" in text
    assert (html / "_sources" / f"{page}.ipynb").exists()


@pytest.mark.parametrize("page", PAGES)
def test_glued_numbers_are_in_the_prose(html, page):
    text = read(html, page)
    source = (ROOT / f"{page}.ipynb").read_text(encoding="utf-8")
    outputs = [o for c in json.loads(source)["cells"] for o in c.get("outputs", [])]
    glued = [o["data"]["text/plain"] for o in outputs if "scrapbook" in o.get("metadata", {})]
    quoted = set(re.findall(r"\{glue:text\}`(\w+)`", source))
    assert quoted and glued
    assert "glue:text" not in text
    assert text.count('class="pasted-text"') >= len(quoted)
    # "name = value" is for a live notebook: in the book the cell shows nothing of it.
    assert not [said for said in glued if "".join(said) in text]


@pytest.mark.parametrize("page", PAGES)
def test_every_figure_of_the_page_is_there(html, page):
    figures = re.findall(
        r'<img [^>]*alt="([^"]*)"[^>]*src="([^"]*_images/[^"]+)"', read(html, page)
    )
    assert figures
    for alt, source in figures:
        assert len(alt) >= 40
        assert ((html / page).parent / source).resolve().exists()


def test_equations_are_coloured_mathml(html):
    text = read(html, "notebooks/3-algorithms/3-1-forward")
    assert '<mi class="sym-f">f</mi>' in text
    assert "--gbg-f:" in (html / "_static" / "symbol-colours.css").read_text()
    assert "mathjax/" not in text.lower()


def test_an_equation_has_its_number(html):
    text = read(html, "notebooks/3-algorithms/3-1-forward")
    assert re.search(
        r'</math></div><span class="eqno" id="equation-3-1-1">\(3\.1\.1\)</span>', text
    )


@pytest.mark.parametrize("page", PAGES)
def test_figures_know_their_size(html, page):
    images = re.findall(r'<img\b[^>]*src="[^"]*_images/[^"]+"[^>]*>', read(html, page))
    assert images
    for image in images:
        assert re.search(r'width="\d+" height="\d+"', image), image


def test_what_is_left_out_of_code_had_no_colour_of_its_own(html):
    css = (html / "_static" / "pygments.css").read_text(encoding="utf-8")
    for theme in ("light", "dark"):
        rules = dict(
            re.findall(rf'^html\[data-theme="{theme}"\] (\S+ \S*) ?{{([^}}]*)}}', css, re.M)
        )
        [own] = re.findall(rf'^html\[data-theme="{theme}"\] \.highlight ?{{([^}}]*)}}', css, re.M)
        colour = re.search(r"(?<!-)color: ([^;\s]+)", own)[1]
        for name in ("n", "nn", "p", "w"):
            assert rules[f".highlight .{name}"].strip() == f"color: {colour}"
    assert not re.search(r'<span class="(?:n|nn|p|w)">', read(html, PAGES[0]))


@pytest.mark.parametrize("page", PAGES)
def test_pages_load_no_script_that_they_do_not_use(html, page):
    head = read(html, page).split("</head>")[0]
    for unused in ("fontawesome/6.5.2/js", "thebe", 'as="font"'):
        assert unused not in head


@pytest.mark.parametrize(
    ("page", "name"),
    [
        ("spec", "companion.spec.CellSpec"),
        ("numpy", "companion.numpy.LSTM.forward"),
        ("numpy", "companion.numpy.LSTM.backward"),
        ("numpy", "companion.numpy.GRU"),
        ("numpy", "companion.numpy.Stack"),
        ("torch", "companion.torch.LSTM"),
        ("torch", "companion.torch.GRU"),
        ("keras", "companion.keras.PeepholeLSTMCell"),
        ("interchange", "companion.interchange.Parts"),
        ("interchange", "companion.interchange.save"),
        ("command", "companion.parity.compare"),
        ("command", "companion.bench.run"),
        ("torch", "companion.torch.layer.Recurrent.forward"),
        ("keras", "companion.keras.LSTM"),
        ("interchange", "companion.interchange.load_parameters"),
        ("figures", "companion.plots.show"),
    ],
)
def test_reference_describes_the_package(html, page, name):
    assert f'id="{name}"' in read(html, f"book/api/{page}")
