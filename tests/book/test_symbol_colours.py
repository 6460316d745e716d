"""Equations get their colours from ``companion.plots``; look-alikes stay as they are."""

import importlib.util
from pathlib import Path

import pytest

from companion import plots

ROOT = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location(
    "symbol_colours", ROOT / "book" / "_ext" / "symbol_colours.py"
)
symbol_colours = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(symbol_colours)


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        ("f_t", r"\symf{f}_{\symf{t}}"),
        ("c_{t-1}", r"\symc{c}_{\symc{t-1}}"),
        (r"\delta h_t", r"\delta \symh{h}_{\symh{t}}"),
        (r"\tanh^2(c_t)", r"\tanh^2(\symc{c}_{\symc{t}})"),
        ("W_f x_t + b_f", r"\symf{W}_{\symf{f}} x_t + \symf{b}_{\symf{f}}"),
        ("a_{o,t}", r"\symo{a}_{\symo{o,t}}"),
        ("g_t^2", r"\symg{g}_{\symg{t}}^2"),
        (r"\overleftarrow{h}_{t+1}", r"\symh{\overleftarrow{h}}_{\symh{t+1}}"),
        (r"\overleftarrow{\delta} h_t", r"\overleftarrow{\delta} \symh{h}_{\symh{t}}"),
        ("W_k x_t", "W_k x_t"),
        ("a_{k,t}", "a_{k,t}"),
        (r"\epsilon_t \eta_i", r"\epsilon_t \eta_i"),
        (r"\tag{3.1.4}", r"\tag{3.1.4}"),
    ],
)
def test_symbols_are_wrapped(latex, expected):
    assert symbol_colours.coloured(latex) == expected


def test_style_sheet_holds_every_colour_of_both_themes():
    css = symbol_colours.style_sheet()
    for theme, colours in plots.SYMBOL_COLOURS.items():
        block = css[css.index(f'html[data-theme="{theme}"]') :].split("}")[0]
        for name, colour in colours.items():
            assert f"--gbg-{name}: {colour};" in block
            assert f".sym-{name} {{ color: var(--gbg-{name}); }}" in css
