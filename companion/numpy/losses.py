"""Losses with their gradients, as derived on page 4.5: what a backward pass starts from."""

from typing import NamedTuple

import numpy as np

from companion import spec
from companion.numpy.activations import sigmoid
from companion.numpy.layer import checked_lengths, valid_steps


class Loss(NamedTuple):
    """A loss, and where the backward pass starts.

    Attributes
    ----------
    value
        The weighted mean over all elements.
    gradient
        Its gradient with respect to the predictions or logits, in their shape and dtype; 0
        where the weight is 0.
    """

    value: float
    gradient: np.ndarray


def mse(predictions, targets, lengths=None, weights=None) -> Loss:
    """Return the mean squared error.

    Parameters
    ----------
    predictions
        ``float32`` or ``float64``, (T, B, ...), or any shape if ``lengths`` is ``None``.
    targets
        Numbers, in the predictions' shape.
    lengths
        The number of steps that count of each sequence, (B,), as ``forward`` takes them. What
        lies behind is ignored, NaN included.
    weights
        In place of lengths: how much each element counts, numbers of at least 0, or a mask of
        True and False. Its shape is that of the predictions or the first axes of it, such as
        (T, B).

    Raises
    ------
    ValueError
        If a shape does not fit, a length or a weight is out of range, nothing counts, or both
        lengths and weights are given.
    TypeError
        If a dtype is not as above.

    Examples
    --------
    >>> import numpy as np
    >>> mse(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    Loss(value=2.0, gradient=array([ 0., -2.]))
    """
    y_hat = _floats("predictions", predictions)
    w = _weights(y_hat.shape, lengths, weights)
    y_hat, y = np.where(w, y_hat, 0), np.where(w, _numbers("targets", targets, y_hat), 0)
    return _mean(w, (y_hat - y) ** 2, 2 * (y_hat - y), y_hat.dtype)  # (4.5.1), (4.5.2)


def binary_cross_entropy(logits, targets, lengths=None, weights=None) -> Loss:
    """Return the mean cross-entropy between yes-or-no targets and σ(logits).

    Computed from the logits, so that neither a large one nor a sure mistake overflows.

    Parameters
    ----------
    logits
        ``float32`` or ``float64``, the sums before the sigmoid, (T, B, ...), or any shape if
        ``lengths`` is ``None``.
    targets
        In the logits' shape: True and False, or probabilities from 0 to 1.
    lengths, weights
        Which elements count, and how much: see :func:`mse`.

    Raises
    ------
    ValueError
        As :func:`mse`; also if a target that counts lies outside 0 to 1.
    TypeError
        If a dtype is not as above.

    Examples
    --------
    >>> import numpy as np
    >>> loss, d_logits = binary_cross_entropy(np.array([-1000.0, 0.0]), np.array([True, True]))
    >>> round(loss, 3), d_logits
    (500.347, array([-0.5 , -0.25]))
    """
    a = _floats("logits", logits)
    w = _weights(a.shape, lengths, weights)
    a, y = np.where(w, a, 0), np.where(w, _numbers("targets", targets, a), 0)
    if not ((y >= 0) & (y <= 1)).all():
        raise ValueError(f"targets has values from {y.min()} to {y.max()}, expected 0 to 1")
    return _mean(w, np.logaddexp(0, a) - y * a, sigmoid(a) - y, a.dtype)  # (4.5.6), (4.5.5)


def cross_entropy(logits, targets, lengths=None, weights=None) -> Loss:
    """Return the mean cross-entropy between classes and softmax(logits).

    Computed from the logits, so that neither a large one nor a sure mistake overflows.

    Parameters
    ----------
    logits
        ``float32`` or ``float64``, (T, B, ..., C) for C classes, or (..., C) if ``lengths`` is
        ``None``.
    targets
        The right classes, whole numbers from 0 to C - 1, in the shape of the logits without its
        last axis. Where nothing counts they may be any whole numbers.
    lengths, weights
        Which steps count, and how much: see :func:`mse`, with the targets' shape in place of
        the predictions'.

    Raises
    ------
    ValueError
        As :func:`mse`; also if a target that counts is no class.
    TypeError
        If a dtype is not as above.

    Examples
    --------
    >>> import numpy as np
    >>> loss, d_logits = cross_entropy(np.zeros((3, 4)), np.array([0, 3, 1]))
    >>> round(loss, 3), d_logits[0]
    (1.386, array([-0.25      ,  0.08333333,  0.08333333,  0.08333333]))
    """
    a = _floats("logits", logits)
    if not a.ndim or not a.shape[-1]:
        raise ValueError(f"logits has shape {a.shape}, expected (..., C), with C at least 1")
    *places, n_classes = a.shape
    y = _array("targets", targets)
    spec.check_shape("targets", y.shape, tuple(places))
    if not np.issubdtype(y.dtype, np.integer):
        raise TypeError(f"targets has dtype {y.dtype}, expected whole numbers")
    w = _weights(y.shape, lengths, weights)
    a, y = np.where(w[..., None], a, 0), np.where(w, y, 0)
    if y.size and (y.min() < 0 or y.max() >= n_classes):
        raise ValueError(
            f"targets has values from {y.min()} to {y.max()}, "
            f"expected 0 to {n_classes - 1} (the C of logits is {n_classes})"
        )
    a = a - a.max(axis=-1, keepdims=True)  # (4.5.10)
    exp_a = np.exp(a)
    total = exp_a.sum(axis=-1)
    losses = np.log(total) - np.take_along_axis(a, y[..., None], axis=-1)[..., 0]  # (4.5.8)
    right = y[..., None] == np.arange(n_classes)
    slopes = exp_a / total[..., None] - right  # (4.5.7), (4.5.9)
    return _mean(w, losses, slopes, a.dtype)


def _mean(w, losses, slopes, dtype):
    share = w / w.sum()  # (4.5.12)
    gradient = share.reshape(share.shape + (1,) * (slopes.ndim - share.ndim)) * slopes
    return Loss(float((share * losses).sum()), gradient.astype(dtype, copy=False))


def _array(argument, value):
    array = np.asarray(value)
    if array.dtype == object:
        raise TypeError(f"{argument} is {spec.describe(value)}, expected an array of numbers")
    return array


def _floats(argument, value):
    array = _array(argument, value)
    if array.dtype not in (np.float32, np.float64):
        raise TypeError(f"{argument} has dtype {array.dtype}, expected float32 or float64")
    return array


def _numbers(argument, value, like):
    array = _array(argument, value)
    spec.check_shape(argument, array.shape, like.shape)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{argument} has dtype {array.dtype}, expected numbers")
    return array.astype(like.dtype, copy=False)


def _weights(shape, lengths, weights):
    """Return how much each element counts, in the given shape."""
    if lengths is not None and weights is not None:
        raise ValueError("lengths and weights are both given, expected one of them")
    if lengths is not None:
        if len(shape) < 2:
            raise ValueError(
                f"lengths is given for an array of shape {shape}, expected (T, B, ...)"
            )
        n_steps, batch = shape[:2]
        w = valid_steps(checked_lengths(lengths, n_steps, batch), n_steps)[..., 0]
    elif weights is not None:
        w = _array("weights", weights)
        spec.check_shape("weights", w.shape, shape[: w.ndim] if w.ndim <= len(shape) else shape)
        if w.dtype.kind not in "biuf":
            raise TypeError(f"weights has dtype {w.dtype}, expected numbers, or True and False")
        if not (np.isfinite(w) & (w >= 0)).all():
            raise ValueError("weights has values below 0 or not finite, expected at least 0")
    else:
        w = np.ones(())
    w = np.broadcast_to(w.reshape(w.shape + (1,) * (len(shape) - w.ndim)), shape)
    if not w.any():
        raise ValueError("nothing counts: there is no element, or all lengths or weights are 0")
    return w.astype(np.float64)
