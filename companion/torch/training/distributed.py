"""Several processes that train one model: what each loads, and what all have to agree on.

With one process everything here does nothing, so the loop is written once.
"""

import atexit
import contextlib
import datetime
import os
import re

import torch
import torch.distributed as dist
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, DistributedSampler, IterableDataset

#: How long a process waits for the others. One that has died is noticed at once, unless its
#: whole machine vanished; one that is slow has this long.
TIMEOUT = datetime.timedelta(minutes=5)


#: How gloo and NCCL say that they cannot reach a process; they have no kind of error for it.
_LOST = re.compile("gloo|nccl|connection|socket|timed? ?out", re.IGNORECASE)


class LostProcessError(RuntimeError):
    """Another process of the group has died or does not answer."""


class Group:
    """The processes that train together: those that ``torchrun`` started, or this one alone.

    Parameters
    ----------
    device
        Where this process computes; ``None`` for CUDA if there is one, else where the model is.
    model
        The model.
    """

    def __init__(self, device, model):
        parameter = next(model.parameters(), torch.empty(0))
        if device is None:
            device = "cuda" if torch.cuda.is_available() else parameter.device
        self.device = torch.device(device)
        if self.device.type == "cuda":
            if self.device.index is None:  # the processes of a machine have a GPU each
                self.device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
            torch.cuda.set_device(self.device)
        #: What is said of the last checkpoint when another process is lost.
        self.saved = "Start again"
        self.rank = int(os.environ.get("RANK", 0))
        self.size = int(os.environ.get("WORLD_SIZE", 1))
        if self.size > 1 and not dist.is_initialized():
            backend = "nccl" if self.device.type == "cuda" else "gloo"
            with self.exchange():
                dist.init_process_group(backend, timeout=TIMEOUT)
            atexit.register(_leave)
        together = dist.is_available() and dist.is_initialized()
        self.rank = dist.get_rank() if together else 0
        self.size = dist.get_world_size() if together else 1
        self.saved = "No checkpoint has been written"

    def parallel(self, model) -> nn.Module:
        """Return the model such that its gradients are means over all processes."""
        if self.size == 1:
            return model
        ids = [self.device.index] if self.device.type == "cuda" else None
        with self.exchange():
            return nn.parallel.DistributedDataParallel(model, device_ids=ids)

    def settle(self, model) -> None:
        """Give the model process 0's buffers: the others' are of the parts that they have seen."""
        if self.size > 1:
            with self.exchange():
                for buffer in model.buffers():
                    dist.broadcast(buffer, src=0)

    def part(self, argument: str, batches):
        """Return a loader for this process's part of each of the batches.

        Raises
        ------
        TypeError
            If that cannot be had without loading all of each batch.
        """
        if self.size == 1 or batches is None:
            return batches
        kind = type(batches).__name__
        if not isinstance(batches, DataLoader) or isinstance(batches.dataset, IterableDataset):
            kind += " over an IterableDataset" if isinstance(batches, DataLoader) else ""
        elif batches.batch_sampler is None:
            kind += " without a batch size"
        elif isinstance(batches.sampler, DistributedSampler):
            kind += " with a DistributedSampler: fit divides each batch itself"
        else:
            return _part_of(batches, self.rank, self.size)
        raise TypeError(
            f"{argument} is a {kind}, but {self.size} processes can only divide the batches of a "
            "DataLoader over a dataset with indices"
        )

    def sum(self, *numbers: float) -> list[float]:
        """Return the sums over all processes."""
        if self.size == 1:
            return list(numbers)
        total = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        with self.exchange():
            dist.all_reduce(total)
        return total.tolist()

    def of_first(self, value):
        """Return the value that process 0 has."""
        if self.size == 1:
            return value
        values = [value]
        with self.exchange():
            dist.broadcast_object_list(values, src=0, device=self.device)
        return values[0]

    def of_all(self, value) -> list:
        """Return the values of all processes, in their order."""
        values = [value]
        if self.size > 1:
            values = [None] * self.size
            with self.exchange():
                dist.all_gather_object(values, value)
        return values

    def by_first(self, action):
        """Return what ``action()`` returns in process 0, or raise what it raises there."""
        result = error = None
        if self.rank == 0:
            try:
                result = action()
            except (OSError, TypeError, ValueError) as raised:
                error = raised
        result, error = self.of_first((result, error))
        if error is not None:
            raise error
        return result

    @contextlib.contextmanager
    def exchange(self):
        """Turn what fails when another process is gone into one clear line."""
        try:
            yield
        except RuntimeError as error:
            reason = (str(error).strip().splitlines() or [""])[0]
            if self.size == 1 or not _LOST.search(reason):
                raise
            reason = re.sub(r"^\[.*?\] ", "", reason).split(". ")[
                0
            ]  # without the file's name in gloo
            raise LostProcessError(
                f"process {self.rank} of {self.size} could not reach the others and has stopped "
                f"({reason}). {self.saved}"
            ) from None


class Part(BatchSampler):
    """One process's part of each batch of indices; the first index where a part is empty.

    Attributes
    ----------
    sizes
        How large the part of each batch is that has been drawn in this epoch: 0 where it is empty.
    """

    def __init__(self, whole, rank, size):
        self.whole, self.rank, self.size = whole, rank, size
        self.sizes = []

    def __iter__(self):
        self.sizes = []
        # At once, while the random numbers of all processes are the same.
        for indices in list(self.whole):
            start, stop = (len(indices) * k // self.size for k in (self.rank, self.rank + 1))
            self.sizes.append(stop - start)
            # Each process takes part in each update: without a part, with what counts nothing.
            yield indices[start:stop] or indices[:1]

    def __len__(self):
        return len(self.whole)


def _part_of(loader, rank, size):
    own = {
        name: getattr(loader, name)
        for name in (
            *("num_workers", "collate_fn", "pin_memory", "timeout", "worker_init_fn"),
            *("multiprocessing_context", "generator", "persistent_workers", "prefetch_factor"),
            "in_order",
        )
        if hasattr(loader, name)
    }
    part = Part(loader.batch_sampler, rank, size)
    return DataLoader(loader.dataset, batch_sampler=part, **own)


def part_size(batches, number: int) -> int | None:
    """Return how many items of batch ``number`` are this process's part; ``None`` if unknown."""
    part = getattr(batches, "batch_sampler", None)
    return part.sizes[number] if isinstance(part, Part) else None


def _leave():
    if dist.is_initialized():
        dist.destroy_process_group()
