"""An explorer's HTML: whole, without another server, and a figure where no script runs."""

import json
import re
from html.parser import HTMLParser

import pytest

from companion import explorers
from companion.explorers.base import source, style
from companion.plots import THEMES


@pytest.fixture
def explorer():
    return explorers.Explorer(
        "gbg-test",
        "<p>Static.</p>",
        ["explorer.css"],
        label='It says "so" & <b>more</b>.',
        caption="Look & see: 1 < 2.",
        settings={"quote": "\"'</script>", "list": [1, 2]},
    )


class Tags(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags, self.data = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.data += data


def test_html_is_one_figure_with_everything_in_it(explorer):
    read = Tags(explorer.html)
    names = [tag for tag, _ in read.tags]
    assert names == ["figure", "style", "gbg-test", "p", "script", "figcaption"]
    (_, figure), (_, element) = read.tags[0], read.tags[2]
    assert figure["aria-label"] == explorer.label
    assert json.loads(element["data-settings"]) == explorer.settings
    assert explorer.caption in read.data and "Static." in read.data
    assert explorer.html.count("</script") == 1


def test_a_notebook_gets_html_and_words(explorer):
    bundle = explorer._repr_mimebundle_()
    assert bundle == {"text/html": explorer.html, "text/plain": explorer.label}
    assert " at 0x" not in repr(explorer)


def test_every_colour_is_in_the_style_in_both_themes():
    text = style()
    for name in THEMES["light"]:
        values = (THEMES[theme][name] for theme in ("light", "dark"))
        assert f"--{name}:var(--gbg-{name},light-dark({','.join(values)}));" in text


@pytest.mark.parametrize("text", [style(), source("cell.css")], ids=["all", "cell"])
def test_the_style_touches_nothing_but_explorers(text):
    rules = re.sub(r"/\*.*?\*/|@(media|container)[^{]*\{", "", text, flags=re.S)
    selectors = re.findall(r"([^{}]+)\{[^{}]*\}", rules)
    assert len(selectors) > 10
    parts = [part for s in selectors for part in re.split(r",(?![^(]*\))", s)]
    assert [part for part in parts if ".gbg-explorer" not in part] == []


def test_a_file_that_is_not_there_is_an_error():
    with pytest.raises(FileNotFoundError):
        source("no.js")
