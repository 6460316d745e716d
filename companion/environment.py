"""Whether what is installed is what the package asks for: versions, GPU, the cache of data sets."""

import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

DISTRIBUTION = "gate-by-gate"
#: The extras that code of the package needs; the others are for those who make the book.
EXTRAS = ("torch", "keras", "onnx", "data")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    name
        What was looked at.
    holds
        Whether it is in order; ``None`` if it is optional and not there.
    detail
        What was found, or what to do.
    """

    name: str
    holds: bool | None
    detail: str


def findings() -> Iterator[Finding]:
    """Look at Python's version, every requirement, the GPU and the cache of data sets.

    Yields
    ------
    finding : Finding
        A requirement of an extra that is missing is optional; one that is there in a version out
        of its range is not in order.
    """
    try:
        about = metadata.metadata(DISTRIBUTION)
        from packaging.requirements import Requirement
        from packaging.specifiers import SpecifierSet
    except metadata.PackageNotFoundError:
        yield Finding(DISTRIBUTION, None, "not installed by pip, so no versions are asked for")
    except ImportError:
        yield Finding("packaging", None, "missing, so no versions are compared")
    else:
        wanted, found = about["Requires-Python"], platform.python_version()
        yield _in_range("Python", found, SpecifierSet(wanted or ""))
        for text in about.get_all("Requires-Dist") or ():
            requirement = Requirement(text)
            for extra in (None, *EXTRAS):
                if _is_asked_for(requirement, extra):
                    yield _installed(requirement, extra)
                    break
    yield _gpu()
    yield _cache()


def _is_asked_for(requirement, extra):
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra or ""})


def _installed(requirement, extra):
    try:
        found = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        install = f'pip install "{DISTRIBUTION}{f"[{extra}]" if extra else ""}"'
        return Finding(requirement.name, None if extra else False, f"missing: {install}")
    return _in_range(requirement.name, found, requirement.specifier)


def _in_range(name, found, wanted):
    holds = wanted.contains(found, prereleases=True)
    # In the order in which people say it: from, to.
    words = ",".join(sorted(map(str, wanted), reverse=True))
    return Finding(name, holds, found if holds else f"{found}, expected {words}")


def _gpu():
    try:
        import torch
    except ImportError:
        return Finding("CUDA", None, "not asked for: PyTorch is missing")
    if not torch.cuda.is_available():
        return Finding("CUDA", None, "PyTorch sees no device")
    names = [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())]
    return Finding("CUDA", True, ", ".join(names))


def _cache():
    from companion.datasets import cache_folder

    try:
        folder = cache_folder()
    except ImportError:
        return Finding("data cache", None, "without pooch no data set is downloaded")
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return Finding("data cache", True, str(folder))
    return Finding("data cache", False, f"{folder} cannot be written")
