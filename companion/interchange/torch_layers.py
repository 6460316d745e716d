"""The layers of ``torch.nn`` and ``companion.torch``, whose names and shapes are the same."""

import sys

import numpy as np
import torch
from torch import nn

from companion import spec
from companion.interchange.places import Layout, Place, Places, Write, stacked, unstacked
from companion.interchange.transfer import form, layers_of
from companion.interchange.tree import Parts

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def layout(layer) -> Layout | None:
    """Return the layout of a layer or cell of PyTorch, or ``None`` if it is none of ours."""
    cell = _cell(layer)
    if cell is None:
        return None
    if isinstance(layer, nn.RNNCellBase):
        return Layout(_Place("layer", layer, cell, ""))
    if layer.proj_size:
        raise ValueError(
            f"layer has proj_size={layer.proj_size}, expected 0: "
            "a projection is another function, which no other layer has"
        )
    layers = []
    for k in range(layer.num_layers):
        places = [_Place("layer", layer, cell, f"_l{k}")]
        if layer.bidirectional:
            places.append(_Place("layer", layer, cell, f"_l{k}_reverse"))
        layers.append(Places("bidirectional", tuple(places)) if len(places) == 2 else places[0])
    places = layers[0] if len(layers) == 1 else Places("stack", tuple(layers))
    return Layout(places, check_form=lambda tree: _check_form(layer, tree))


def _cell(layer):
    if "companion.torch" in sys.modules:
        from companion.torch.layer import Recurrent

        if isinstance(layer, Recurrent):
            return spec.CELLS.get(layer.spec.name)
    if isinstance(layer, nn.RNN | nn.RNNCell):
        return {"tanh": spec.RNN, "relu": spec.RNN_RELU}[layer.nonlinearity]
    if isinstance(layer, nn.LSTM | nn.LSTMCell):
        return spec.LSTM
    if isinstance(layer, nn.GRU | nn.GRUCell):
        return spec.GRU_RESET_AFTER
    return None


def _check_form(layer, tree):
    layers = layers_of(tree)
    if layer.num_layers != len(layers):
        raise ValueError(
            f"layer has num_layers={layer.num_layers}, expected {len(layers)}: "
            f"parameters is {form(tree)}"
        )
    for path, part in layers:
        if layer.bidirectional != isinstance(part, Parts):
            raise ValueError(
                f"layer has bidirectional={layer.bidirectional}, "
                f"expected {not layer.bidirectional}: {path} is {form(part)}"
            )


class _Place(Place):
    def __init__(self, name, module, cell, suffix):
        self.name, self.spec, self._module = name, cell, module
        self._names = {"W": f"weight_ih{suffix}", "U": f"weight_hh{suffix}"}
        self.has_bias = bool(module.bias)
        if self.has_bias:
            self._names |= {"b": f"bias_ih{suffix}", "b_recurrent": f"bias_hh{suffix}"}
        if cell.peepholes:
            self._names["V"] = f"weight_peephole{suffix}"
        weight = getattr(module, self._names["W"])
        if weight.dtype not in DTYPES:
            raise ValueError(f"{name} has dtype {weight.dtype}, expected a float of 16 to 64 bits")
        if weight.is_meta:
            raise ValueError(f"{name} is on the meta device, where it has no weights")
        self._dtype, self.dtype = weight.dtype, str(weight.dtype).removeprefix("torch.")
        self.input_size, self.hidden_size = weight.shape[1], module.hidden_size

    def read(self):
        own = {
            name: _in_numpy(getattr(self._module, full).detach().cpu())
            for name, full in self._names.items()
        }
        V = {"V": own.pop("V").copy()} if "V" in own else {}
        return unstacked(self.spec, self.spec.gates, **own) | V

    def rounded(self, array):
        return _in_numpy(_tensor(array).to(self._dtype))

    def writes(self, arrays):
        parts = stacked(arrays, self.spec, self.spec.gates)
        own = dict(zip(("W", "U", "b", "b_recurrent"), parts, strict=True)) | {"V": arrays.get("V")}
        return [self._write(full, own[name]) for name, full in self._names.items()]

    def _write(self, full, array):
        named = self._module.named_parameters(recurse=False, remove_duplicate=False)
        target = dict(named).get(full)
        if target is None:
            raise ValueError(f"{self.name}.{full} is computed from others, so it cannot be loaded")

        def put():
            with torch.no_grad():
                target.copy_(_tensor(array))

        return Write(id(target), array, put)


def _tensor(array):
    return torch.from_numpy(np.array(array, order="C"))


def _in_numpy(tensor):
    return (tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()).numpy()
