"""What a page needs to carry its own numbers into its text."""

GLUE_PREFIX = "application/papermill.record/"


def glue(name: str, value, format_spec: str = "") -> None:
    """Name a value so that the page's prose can quote it.

    In prose, the role ``glue:text`` with the same name puts the formatted value into the
    sentence when the book is built. In a live notebook, which shows roles as they are written,
    the cell prints ``name = value`` instead. The record is that of ``myst_nb.glue``, written
    here so that running a page takes neither Sphinx nor MyST-NB.

    Parameters
    ----------
    name
        The name that the prose uses.
    value
        The value.
    format_spec
        How it is formatted, as in ``format(value, format_spec)``.
    """
    from IPython.display import display

    text = format(value, format_spec)
    display(
        # As a literal: MyST-NB evaluates the record, and 0.50 would come out as 0.5.
        {"text/plain": f"{name} = {text}", f"{GLUE_PREFIX}text/plain": repr(text)},
        metadata={"scrapbook": {"name": name, "mime_prefix": GLUE_PREFIX}},
        raw=True,
    )
