"""Replacements for ``torch.nn``'s recurrent layers, with the arithmetic written out."""

from companion.torch.lstm import LSTM

__all__ = ["LSTM"]
