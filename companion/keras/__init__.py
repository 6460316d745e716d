"""Keras 3 cells and layers whose step is written out in ``keras.ops``, on any backend of Keras."""

from companion.keras.gru import GRU, GRUCell
from companion.keras.lstm import LSTM, LSTMCell, PeepholeLSTM, PeepholeLSTMCell
from companion.keras.simple_rnn import SimpleRNN, SimpleRNNCell

__all__ = [
    "GRU",
    "LSTM",
    "GRUCell",
    "LSTMCell",
    "PeepholeLSTM",
    "PeepholeLSTMCell",
    "SimpleRNN",
    "SimpleRNNCell",
]
