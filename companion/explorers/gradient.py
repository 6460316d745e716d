"""The gradient explorer: how much each earlier input still moves a chosen output."""

import math
from html import escape
from numbers import Real

import numpy as np

import companion.numpy as cnp
from companion import spec
from companion.explorers.base import Explorer

HIDDEN_SIZE = 16
LENGTHS = (10, 100)
FORGET_BIASES = (0, 5)
GAINS = (0.5, 5)

#: The powers of ten between which gradients are drawn. Beyond them shades stay as they are at the
#: edge, and a line leaves the chart.
DECADES = (-8, 4)

#: What a reader can start from: forget bias and recurrent gain, by name.
PRESETS = {
    "forget bias 0": (0.0, 1.0),
    "forget bias 1": (1.0, 1.0),
    "forget bias 4": (4.0, 1.0),
    "exploding": (1.0, 4.0),
}

# The gate whose bias the slider sets, and its sign. z weights the candidate, so a GRU with
# b_z = -b keeps as large a share of its state as an LSTM with b_f = b.
_KEEPS = {"LSTM": ("f", 1), "GRU": ("z", -1)}

_LAYERS = {"RNN": cnp.RNN, "LSTM": cnp.LSTM, "GRU": cnp.GRU}

_BOUND = 1 / math.sqrt(HIDDEN_SIZE)

_DEFINITION = f"""
<p>Each square is an input <i>x<sub>s</sub></i>. Its shade, and the line below, is
‖∂<i>h<sub>t</sub></i>/∂<i>x<sub>s</sub></i>‖: how far the {HIDDEN_SIZE} hidden units at the output
step <i>t</i> move, as a vector, for each unit that this one input moves. Inputs after <i>t</i>
(hatched) cannot matter. Nothing here is trained. Weights and biases are uniform within ±{_BOUND:g},
which is 1/√{HIDDEN_SIZE}, inputs uniform with variance 1; the recurrent gain multiplies every
<i>U</i>. The forget-gate bias replaces the LSTM’s <i>b<sub>f</sub></i>. In the GRU, where <i>z</i>
lets the candidate in, it is −<i>b<sub>z</sub></i>, which keeps as large a share. The RNN has no
such bias. “New weights” draws the inputs again, too.</p>
"""

_CAPTION = (
    "How much each earlier input still moves the output, before any training. The forget gate’s "
    "bias decides. At 0 the gradient falls below 1 % within about ten steps in all three cells; at "
    "1 the LSTM and the GRU keep it about twice as long as the RNN, or longer; at 4 through all of "
    "60 steps. A recurrent gain of 4 takes the RNN’s gradient as far, but in most draws it grows "
    "more than tenfold on the way back: it explodes."
)


class GradientExplorer(Explorer):
    """The gradient explorer, as :func:`companion.explorers.gradient` makes it.

    Attributes
    ----------
    x
        The input sequence, (T, 1, 1).
    layers
        The layers of ``companion.numpy``, by name: RNN, LSTM and GRU.
    """

    def __init__(self, length: int, forget_bias: float, gain: float, seed: int):
        self.x, self.layers = _drawn(length, forget_bias, gain, seed)
        norms = {kind: self.norms(kind) for kind in self.layers}
        super().__init__(
            "gradient-explorer",
            _static(norms, forget_bias, gain, seed),
            ["cells.js", "gradient.js"],
            label="Gradient explorer: the gradient of one output of an RNN, an LSTM and a GRU "
            "with respect to every earlier input, on a logarithmic scale.",
            caption=_CAPTION,
            styles=["gradient.css"],
            settings={
                "length": length,
                "forgetBias": forget_bias,
                "gain": gain,
                "seed": seed,
                "longest": LENGTHS[1],
                "hiddenSize": HIDDEN_SIZE,
                "decades": DECADES,
                "gates": {kind: len(layer.spec.gates) for kind, layer in self.layers.items()},
                "keeps": {
                    kind: (self.layers[kind].spec.gates.index(gate), sign)
                    for kind, (gate, sign) in _KEEPS.items()
                },
            },
        )

    def norms(self, kind: str, t: int = -1) -> np.ndarray:
        """Return ‖∂h_t/∂x_s‖ for every input s up to the output step t, (t + 1,).

        Parameters
        ----------
        kind
            "RNN", "LSTM" or "GRU".
        t
            The output step, counted from 0, or from the end if negative.

        Raises
        ------
        ValueError
            If there is no such cell or step.
        """
        spec.check_choice("kind", kind, list(self.layers))
        n_steps = len(self.x)
        if not -n_steps <= t < n_steps:
            raise ValueError(f"t is {t}, expected a step from {-n_steps} to {n_steps - 1}")
        # One backward pass gives a row of the Jacobian, that of one hidden unit: a batch of them.
        layer = self.layers[kind]
        run = layer.forward(np.repeat(self.x[: t % n_steps + 1], HIDDEN_SIZE, axis=1))
        d_outputs = np.zeros_like(run.outputs)
        d_outputs[-1] = np.eye(HIDDEN_SIZE)
        return np.linalg.norm(layer.backward(run, d_outputs).x[:, :, 0], axis=1)


def gradient(
    length: int = 60, forget_bias: float = 1.0, *, gain: float = 1.0, seed: int = 1
) -> GradientExplorer:
    """Return the gradient explorer, to be the last expression of a notebook's cell.

    It shows, for RNN, LSTM and GRU, how strongly one output depends on every earlier input:
    ‖∂h_t/∂x_s‖, with random weights. The reader moves the output step and what is given here.

    Parameters
    ----------
    length
        The number of steps at first, from 10 to 100.
    forget_bias
        The LSTM's b_f and the GRU's -b_z at first, from 0 to 5.
    gain
        The factor on all recurrent weights at first, from 0.5 to 5.
    seed
        Which draw of weights and inputs is shown first, a whole number from 1 to 2³¹ - 1.

    Returns
    -------
    GradientExplorer
        A figure for notebooks and pages; without JavaScript it stands as it is at first.

    Raises
    ------
    ValueError
        If an argument lies outside its range.
    """
    length = spec.check_size("length", length)
    _check_range("length", length, *LENGTHS)
    _check_range("forget_bias", forget_bias, *FORGET_BIASES)
    _check_range("gain", gain, *GAINS)
    seed = spec.check_size("seed", seed)
    _check_range("seed", seed, 1, 2**31 - 1)  # a JavaScript number, and room for new weights
    return GradientExplorer(length, float(forget_bias), float(gain), seed)


def _check_range(argument, got, low, high):
    if isinstance(got, bool) or not isinstance(got, Real) or not low <= got <= high:
        raise ValueError(f"{argument} is {got!r}, expected a number from {low} to {high}")


def _uniform(seed):
    """Yield numbers in [0, 1): mulberry32, which is as short in JavaScript.

    The page draws new weights itself, and a test compares them with the ones drawn here.
    """
    word = 2**32 - 1
    while True:
        seed = (seed + 0x6D2B79F5) & word
        t = (seed ^ seed >> 15) * (seed | 1) & word
        t ^= (t + ((t ^ t >> 7) * (t | 61) & word)) & word
        yield (t ^ t >> 14) / 2**32


def _drawn(length, forget_bias, gain, seed):
    """Return the input, (T, 1, 1), and the layers by name."""
    numbers = _uniform(seed)

    def draw(shape, bound):
        flat = [(2 * next(numbers) - 1) * bound for _ in range(math.prod(shape))]
        return np.array(flat).reshape(shape)

    # Of a uniform variable between ±√3 the variance is 1.
    x = draw((LENGTHS[1], 1, 1), math.sqrt(3))[:length]
    layers = {}
    for kind, layer_type in _LAYERS.items():
        layer = layers[kind] = layer_type(1, HIDDEN_SIZE)
        parameters = {name: draw(shape, _BOUND) for name, shape in layer.shapes.items()}
        parameters["U"] *= gain
        if kind in _KEEPS:
            gate, sign = _KEEPS[kind]
            parameters["b"][layer.spec.gates.index(gate)] = sign * forget_bias
        layer.parameters = parameters
    return x, layers


# --- The figure as it stands before the script: gradient.js changes the same elements.


def _static(norms, forget_bias, gain, seed):
    length = len(next(iter(norms.values())))
    low, high = DECADES
    ticks = "".join(
        f"<span>10<sup>{_signed(power)}</sup></span>" for power in range(high, low - 1, -4)
    )
    grid = "".join(f'<line x1="0" x2="1" y1="{k}" y2="{k}"/>' for k in range(0, high - low + 1, 2))
    lines = "".join(
        f'<polyline class="{kind.lower()}" points="{_points(values)}"/>'
        for kind, values in norms.items()
    )
    rows = "".join(_row(k, kind, values) for k, (kind, values) in enumerate(norms.items(), 1))
    table = "".join(
        f'<tr data-cell="{kind}"><th scope="row">{kind}</th><td>{_number(values[0] / values[-1])}'
        f"</td><td>{_reach_text(values)}</td></tr>"
        for kind, values in norms.items()
    )
    presets = "".join(
        f'<button type="button" data-forget-bias="{b:g}" data-gain="{g:g}" aria-pressed='
        f'"{str((b, g) == (forget_bias, gain)).lower()}">{name}</button>'
        for name, (b, g) in PRESETS.items()
    )
    return f"""<div class="plot">{rows}
<div class="scale" aria-hidden="true">{ticks}</div>
<div class="chart" aria-hidden="true"><span>norm of the gradient</span>
<svg viewBox="0 0 1 {high - low}" preserveAspectRatio="none" class="grid">{grid}</svg>
<svg viewBox="0 0 {length} {high - low}" preserveAspectRatio="none" class="lines">{lines}</svg>
</div>
<div class="over">
<div class="now" style="left:{100 * (length - 1) / length:g}%;width:{100 / length:g}%"></div>
<div class="later" style="left:100%"></div></div>
<div class="axis" aria-hidden="true"><span>1</span><span>step</span>
<span data-name="last">{length}</span></div>
</div>
<div class="gbg-controls">
{_slider("output", "Output at step", length, 1, length, 1)}
<div class="sliders">
{_slider("length", "Sequence length", length, *LENGTHS, 1)}
{_slider("forgetBias", "Forget-gate bias", forget_bias, *FORGET_BIASES, 0.1)}
{_slider("gain", "Recurrent gain", gain, *GAINS, 0.1)}
</div>
<div class="gbg-row" role="group" aria-label="Settings to start from">{presets}<button type="button"
data-name="redraw">New weights</button><span>draw <span data-name="seed">{seed}</span></span></div>
</div>
<table><caption class="gbg-unseen">What is left of the gradient, by cell</caption>
<thead><tr><th scope="col">Cell</th><th scope="col">Oldest input,
<span data-name="back">{length - 1}</span> steps back, over newest</th>
<th scope="col">Furthest input with 1 % of the largest, or more</th></tr></thead>
<tbody>{table}</tbody></table>
{_DEFINITION}<div class="gbg-unseen" aria-live="polite"></div>"""


def _row(row, kind, norms):
    squares = "".join(
        f'<rect x="{s}" width="1" height="1" style="--p:{_height(value) * 100:.1f}"/>'
        for s, value in enumerate(norms)
    )
    return (
        f'<div class="name" style="grid-row:{row}">{kind}'
        f'<svg viewBox="0 0 24 4" aria-hidden="true">'
        f'<polyline class="{kind.lower()}" points="0,2 24,2"/></svg></div>'
        f'<svg class="strip" style="grid-row:{row}" data-cell="{kind}" role="img" '
        f'aria-label="{_words(kind, norms)}" '
        f'viewBox="0 0 {len(norms)} 1" preserveAspectRatio="none">{squares}</svg>'
    )


def _slider(name, label, value, low, high, step):
    return (
        f'<label><span>{escape(label)}</span><span class="gbg-number" aria-hidden="true">{value:g}'
        f'</span><input type="range" data-name="{name}" min="{low:g}" max="{high:g}" '
        f'step="{step:g}" value="{value:g}" autocomplete="off"></label>'
    )


def _height(norm, beyond=0.0):
    """Return where a norm lies between the lowest decade, 0, and the highest, 1."""
    low, high = DECADES
    height = (math.log10(norm) - low) / (high - low) if norm else -math.inf
    return min(max(height, -beyond), 1 + beyond)


def _points(norms):
    span = DECADES[1] - DECADES[0]
    return " ".join(
        f"{s + 0.5},{span * (1 - _height(value, beyond=1)):.2f}" for s, value in enumerate(norms)
    )


def _reach(norms):
    """Return how many steps back the furthest input lies with 1 % of the largest norm or more."""
    return len(norms) - 1 - int(np.flatnonzero(norms >= 0.01 * norms.max())[0])


def _reach_text(norms):
    reach, back = _reach(norms), len(norms) - 1
    return f"{reach} steps back" + (", the oldest" if reach == back else "")


def _words(kind, norms):
    return (
        f"{kind}: the gradient’s norm is {norms[-1]:.1e} for the newest input and {norms[0]:.1e} "
        f"for the oldest, {len(norms) - 1} steps back. The furthest with 1 % of the largest or "
        f"more: {_reach_text(norms)}."
    ).replace("-", "−")


def _number(value):
    mantissa, exponent = f"{value:.1e}".split("e")
    return mantissa if int(exponent) == 0 else f"{mantissa} × 10<sup>{_signed(int(exponent))}</sup>"


def _signed(whole):
    return str(whole).replace("-", "−")
