"""The networks of the applications: a recurrent layer, and what stands before and after it."""

from functools import partial

import torch
from torch import nn

import companion.torch as ct

_LAYERS = {
    "RNN": ct.RNN,
    "RNN (ReLU)": partial(ct.RNN, nonlinearity="relu"),
    "LSTM": ct.LSTM,
    "PeepholeLSTM": ct.PeepholeLSTM,
    "GRU": partial(ct.GRU, reset_after=False),
    "GRU (reset after)": ct.GRU,
}


def recurrent(settings, input_size: int) -> nn.Module:
    """Return the recurrent layer that an application's settings ask for, batch first."""
    return _LAYERS[settings.cell](
        input_size,
        settings.units,
        num_layers=settings.layers,
        batch_first=True,
        dropout=settings.dropout if settings.layers > 1 else 0.0,
    )


class Forecaster(nn.Module):
    """Reads a window, and answers with one number.

    Parameters
    ----------
    settings
        The application.
    input_size
        I, how many numbers a step has.
    """

    def __init__(self, settings, input_size: int):
        super().__init__()
        self.layer = recurrent(settings, input_size)
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Linear(settings.units, 1)

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        """Map windows (B, T, I) to forecasts (B,), from the state after the last step."""
        outputs, _ = self.layer(window)
        return self.head(self.dropout(outputs[:, -1]))[:, 0]


class LanguageModel(nn.Module):
    """Answers after each symbol how likely each symbol is to be the next.

    Parameters
    ----------
    settings
        The application.
    symbols
        How many there are.
    """

    def __init__(self, settings, symbols: int):
        super().__init__()
        self.embedding = nn.Embedding(symbols, settings.units)
        self.layer = recurrent(settings, settings.units)
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Linear(settings.units, symbols)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Map texts (B, T) to logits (B, T, symbols), from a state of zero."""
        return self.after(codes)[0]

    def after(self, codes: torch.Tensor, state=None) -> tuple:
        """Return the logits, and the state to go on from."""
        outputs, state = self.layer(self.embedding(codes), state)
        return self.head(self.dropout(outputs)), state

    @torch.no_grad()
    def write(self, start: torch.Tensor, count: int, temperature: float, seed: int) -> list[int]:
        """Return ``count`` symbols that follow ``start`` (T,), each drawn from its distribution.

        The logits are divided by ``temperature``: below 1, likely symbols become likelier.
        """
        training = self.training
        self.eval()
        generator = torch.Generator().manual_seed(seed)
        codes, state, written = start[None], None, []
        for _ in range(count):
            logits, state = self.after(codes, state)
            # On the CPU: there the draw is the same whatever the device.
            likely = torch.softmax(logits[0, -1].double().cpu() / temperature, 0)
            drawn = torch.multinomial(likely, 1, generator=generator)
            written.append(int(drawn))
            codes = drawn[None].to(start.device)
        self.train(training)
        return written
