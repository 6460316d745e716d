"""The package behind *LSTM, Gate by Gate*.

Importing it loads no framework: take ``companion.numpy``, ``companion.torch`` or
``companion.keras`` by name, and :mod:`companion.interchange` to move weights between them.
"""

__version__ = "0.1.0"
