"""Figures to play with: they compute in the page, and stay figures where no script runs.

An explorer is the last expression of a notebook's cell, or an ``{explorer}`` directive on a
Markdown page of the book. Its HTML is whole: style and scripts are in it, so one output works in
JupyterLab, on Colab and in the built book, from a server or from a folder.
"""

from companion.explorers.base import Explorer
from companion.explorers.cell import cell
from companion.explorers.gradient import GradientExplorer, gradient

__all__ = ["Explorer", "GradientExplorer", "cell", "gradient"]
