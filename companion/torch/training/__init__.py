"""Training in PyTorch: the loop that page 5.6 explains, with checkpoints that cost nothing."""

from companion.torch.training.distributed import LostProcessError
from companion.torch.training.folder import load_weights
from companion.torch.training.history import History
from companion.torch.training.loop import NonFiniteError, evaluate, fit
from companion.torch.training.randomness import seed

__all__ = [
    "History",
    "LostProcessError",
    "NonFiniteError",
    "evaluate",
    "fit",
    "load_weights",
    "seed",
]
