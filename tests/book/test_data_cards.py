"""The appendix on data says what the loaders' records say."""

import sys
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from companion.datasets.records import RECORDS, Package, Repository

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "book" / "_ext"))
import data_cards  # noqa: E402


@pytest.fixture(scope="module")
def page(html):
    """The built page."""
    return BeautifulSoup((html / "book" / "data.html").read_text("utf-8"), "html.parser")


def words(element):
    """An element's text with single spaces, and quotation marks as the records have them."""
    text = " ".join(element.get_text().split())
    return text.translate(str.maketrans("‘’“”", "''\"\""))


def size_of(known):
    """A set's size with a space that `words` leaves alone."""
    return " ".join(data_cards.size(known.size).split())


def plain(text):
    """Markdown of a record without its marks."""
    return text.replace("`", "")


@pytest.mark.parametrize("name", RECORDS)
def test_a_card_says_what_the_record_says(page, name):
    known = RECORDS[name]
    card = page.find("section", id=data_cards.label(name))
    assert words(card.find("h3")).rstrip("#") == known.title
    assert words(card.p) == plain(known.about)
    fields = {
        words(term).rstrip(":"): definition
        for term, definition in zip(card.find_all("dt"), card.find_all("dd"), strict=True)
    }
    assert words(fields["Loader"]) == f"datasets.{name}()"
    target = fields["Loader"].a["href"]
    assert target == f"api/datasets.html#companion.datasets.{name}"
    assert words(fields["Holds"]) == plain(known.holds)
    assert words(fields["Beware"]) == plain(known.caution)
    assert ("Split" in fields) == bool(known.split)
    assert not known.split or words(fields["Split"]) == plain(known.split)
    assert known.licence.lower() in words(fields["Licence"]).lower()
    assert fields["Licence"].a["href"] == known.licence_url
    assert words(fields["Credit"]) == f"{known.credit} (source)"
    assert fields["Credit"].a["href"] == known.source
    assert words(fields["From"]).endswith(size_of(known))
    if isinstance(known.origin, Package):
        assert known.origin.name in words(fields["From"]) and "SHA-256" not in fields
        return
    assert fields["From"].a["href"].endswith(f"{known.origin.name}/tree/{known.origin.commit}")
    if len(known.origin.files) > data_cards.MANY:
        manifest = fields["SHA-256"].find_all("code")[-1].get_text()
        assert (Path(__file__).resolve().parents[2] / manifest).is_file()
        return
    items = [words(item) for item in fields["SHA-256"].find_all("li")]
    assert items == [f"{file.path}: {file.sha256}" for file in known.origin.files]


def test_cards_are_in_the_part_of_their_kind(page):
    for heading, kind in (("with-installed-packages", Package), ("downloaded", Repository)):
        cards = [card["id"] for card in page.find("section", id=heading).find_all("section")]
        kept = [name for name, known in RECORDS.items() if isinstance(known.origin, kind)]
        assert cards == [data_cards.label(name) for name in kept]


def test_the_table_links_to_every_card(page):
    rows = [row.find_all("td") for row in page.find("table").find_all("tr")][1:]
    assert [words(row[0]) for row in rows] == list(RECORDS)
    for row, known in zip(rows, RECORDS.values(), strict=True):
        assert row[0].a["href"] == f"#{data_cards.label(known.name)}"
        assert [words(cell) for cell in row[1:]] == [
            known.title,
            size_of(known),
            known.licence,
        ]


def test_sizes_are_as_people_read_them():
    sizes = [data_cards.size(count) for count in (2944, 999_499, 999_500, 5_483_987)]
    assert [size.replace("\N{NO-BREAK SPACE}", " ") for size in sizes] == [
        *("3 kB", "999 kB", "1.0 MB", "5.5 MB")
    ]


def test_the_reference_has_every_public_name(html):
    from companion import datasets

    text = (html / "book" / "api" / "datasets.html").read_text("utf-8")
    ids = {tag["id"] for tag in BeautifulSoup(text, "html.parser").find_all(id=True)}
    public = {f"companion.datasets.{name}" for name in datasets.__all__ if name != "RECORDS"}
    assert public - ids == set()
