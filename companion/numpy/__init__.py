"""The reference: forward and backward written out in NumPy, time-major, nothing hidden."""

from companion.numpy.activations import sigmoid, tanh
from companion.numpy.gradcheck import GradientReport, gradient_check
from companion.numpy.layer import Gradients, Run
from companion.numpy.lstm import LSTM

__all__ = ["LSTM", "GradientReport", "Gradients", "Run", "gradient_check", "sigmoid", "tanh"]
