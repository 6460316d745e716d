"""The reference: forward and backward written out in NumPy, time-major, nothing hidden."""

from companion.numpy.activations import sigmoid, tanh
from companion.numpy.bidirectional import Bidirectional
from companion.numpy.gradcheck import GradientReport, gradient_check
from companion.numpy.gru import GRU
from companion.numpy.layer import CompositeRun, Gradients
from companion.numpy.losses import Loss, binary_cross_entropy, cross_entropy, mse
from companion.numpy.lstm import LSTM, PeepholeLSTM
from companion.numpy.optimizers import SGD, Adam, AdamW, Optimizer, RMSProp
from companion.numpy.recurrence import Run
from companion.numpy.rnn import RNN
from companion.numpy.stack import Stack

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "SGD",
    "Adam",
    "AdamW",
    "Bidirectional",
    "CompositeRun",
    "GradientReport",
    "Gradients",
    "Loss",
    "Optimizer",
    "PeepholeLSTM",
    "RMSProp",
    "Run",
    "Stack",
    "binary_cross_entropy",
    "cross_entropy",
    "gradient_check",
    "mse",
    "sigmoid",
    "tanh",
]
