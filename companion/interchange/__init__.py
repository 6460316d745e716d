"""One set of parameters for every framework, in files, and out to ONNX.

Canonical arrays are those of :mod:`companion.spec`: one bias, gates along the first axis, and z of
a GRU weighting the candidate. A framework is only touched when a layer of it is handed in.

How others keep the same numbers, for input size I, hidden size H and G gates:

=========== =================== =================== ======================= =================
what        ``companion``       ``torch.nn``        ``keras.layers``        ONNX
=========== =================== =================== ======================= =================
W           (G, H, I)           (G H, I)            (I, G H), transposed    (1, G H, I)
U           (G, H, H)           (G H, H)            (H, G H), transposed    (1, G H, H)
b           one                 two, added          one                     two, added
b_u         (H,)                n of the second     n of the second         n of the second
                                bias                row of (2, 3 H)         bias
V           (3, H): i, f, o     (3, H): i, f, o     (3, H): i, f, o         (1, 3 H): i, o, f
RNN         h                   h                   h                       h
LSTM        i, f, g, o          i, f, g, o          i, f, c (= g), o        i, o, f, c (= g)
GRU         r, z, n             r, z, n             z, r, h (= n)           z, r, h (= n)
z weights   the candidate       the old state       the old state           the old state
reset       before or after     after               before or after         before or after
=========== =================== =================== ======================= =================

``companion.torch`` and ``companion.keras`` keep them as ``torch.nn`` and ``keras.layers`` do;
they have peepholes too, and ``companion.torch.GRU`` both forms of the reset. Where z weights the
other of the two, the sign of its rows in W, U and b is turned, which is exact:
1 - σ(a) = σ(-a).
"""

from companion.interchange.files import load, save
from companion.interchange.onnx_models import to_onnx
from companion.interchange.transfer import load_parameters, parameters_of
from companion.interchange.tree import Parameters, Parts

__all__ = [
    "Parameters",
    "Parts",
    "load",
    "load_parameters",
    "parameters_of",
    "save",
    "to_onnx",
]
