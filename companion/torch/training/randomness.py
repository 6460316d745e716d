"""All sources of random numbers that training draws from: seeded, read and set back together."""

import random
import zlib

import numpy as np
import torch


def seed(number: int) -> None:
    """Seed Python's ``random``, NumPy's global generator and PyTorch's, CUDA's included.

    The same program on the same machine, with the same versions and the same number of threads,
    then draws the same numbers. It also computes the same on a CPU. On a GPU some of PyTorch's
    operations add in an order that changes from run to run;
    ``torch.use_deterministic_algorithms(True)`` refuses those.

    Parameters
    ----------
    number
        A whole number of at least 0.

    Raises
    ------
    ValueError
        If it is none.
    """
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise ValueError(f"seed is {number!r}, expected a whole number of at least 0")
    random.seed(number)
    np.random.seed(number % 2**32)
    torch.manual_seed(number)


def states(generators=()) -> dict:
    """Return where all generators stand: the three global ones, CUDA's, and ``generators``."""
    kept = {
        "python": random.getstate(),
        "numpy": np.random.get_state(legacy=False),
        "torch": torch.get_rng_state(),
        "own": [generator.get_state() for generator in generators],
    }
    if torch.cuda.is_available():
        kept["cuda"] = torch.cuda.get_rng_state()
    return kept


def set_states(kept: dict, generators=()) -> None:
    """Set all generators to where they stood."""
    random.setstate(kept["python"])
    np.random.set_state(kept["numpy"])
    torch.set_rng_state(kept["torch"])
    for generator, state in zip(generators, kept["own"], strict=True):
        generator.set_state(state)
    if "cuda" in kept and torch.cuda.is_available():
        torch.cuda.set_rng_state(kept["cuda"])


def diverge(kept: dict, rank: int) -> None:
    """Seed this process from another's states, so that it draws other numbers: its own dropout."""
    seed(zlib.crc32(kept["torch"].numpy().tobytes()) + rank)


def generators_of(*loaders) -> list[torch.Generator]:
    """Return the generators that data loaders and their samplers have of their own."""
    found = {}
    for loader in loaders:
        batch_sampler = getattr(loader, "batch_sampler", None)
        owners = (loader, getattr(loader, "sampler", None), batch_sampler)
        for owner in (*owners, getattr(batch_sampler, "sampler", None)):
            generator = getattr(owner, "generator", None)
            if isinstance(generator, torch.Generator):
                found[id(generator)] = generator
    return list(found.values())
