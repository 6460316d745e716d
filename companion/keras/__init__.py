"""Keras 3 layers whose step is written out in ``keras.ops``, on any backend of Keras."""

from companion.keras.lstm import LSTM, LSTMCell

__all__ = ["LSTM", "LSTMCell"]
