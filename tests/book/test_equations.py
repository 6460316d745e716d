"""LaTeX to MathML: numbers apart, colours as classes, mistakes as warnings."""

import importlib.util
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

EXTENSIONS = Path(__file__).parents[2] / "book" / "_ext"


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXTENSIONS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


equations = load("equations")
lean_pages = load("lean_pages")


def tree(latex, display=False):
    return ET.fromstring(equations.typeset.mathml(latex, display))


def test_superscript_and_subscript_of_a_coloured_symbol_stand_above_each_other():
    [script] = tree(r"\symh{h}_{\symh{t-1}}^\top").iter("msubsup")
    base, below, above = script
    assert (base.text, base.get("class")) == ("h", "sym-h")
    assert "".join(below.itertext()) == "t−1" and below.get("class") == "sym-h"
    assert above.text == "⊤"


def test_display_is_block():
    assert tree(r"\sum_k a_k", display=True).get("display") == "block"
    assert tree(r"\sum_k a_k").get("display") is None


@pytest.mark.parametrize("latex", [r"\nosuchmacro{x}", r"\frac{1}{2", r"x_1_2"])
def test_a_mistake_is_said_in_temmls_words(latex):
    with pytest.raises(ValueError, match=r"\w+ .+") as caught:
        equations.typeset.mathml(latex, False)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ('width="480" height="300"', (480, 300)),
        ('width="345.6pt" height="187.5pt"', (461, 250)),
        ('width="20px" height="10.4px"', (20, 10)),
    ],
)
def test_size_of_an_svg(tmp_path, size, expected):
    path = tmp_path / "drawing.svg"
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" {size}/>')
    assert lean_pages.svg_size(path) == expected
