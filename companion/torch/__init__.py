"""Replacements for ``torch.nn``'s recurrent layers, with the arithmetic written out."""

from companion.torch.gru import GRU
from companion.torch.lstm import LSTM, PeepholeLSTM
from companion.torch.rnn import RNN

__all__ = ["GRU", "LSTM", "PeepholeLSTM", "RNN"]
