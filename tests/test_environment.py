"""What `companion check` says of the environment."""

from importlib import metadata

import pytest

from companion import environment
from companion.environment import Finding, findings


@pytest.fixture
def installed(monkeypatch):
    """Pretend requirements and versions: `installed(requires, versions)` returns the findings."""

    def pretend(requires, versions, python=">=3.11"):
        about = metadata.metadata("pytest")
        del about["Requires-Dist"], about["Requires-Python"]
        about["Requires-Python"] = python
        for requirement in requires:
            about["Requires-Dist"] = requirement

        def version(name):
            if name not in versions:
                raise metadata.PackageNotFoundError(name)
            return versions[name]

        monkeypatch.setattr(metadata, "metadata", lambda name: about)
        monkeypatch.setattr(metadata, "version", version)
        return {finding.name: finding for finding in findings()}

    return pretend


def test_this_environment_is_in_order():
    found = list(findings())
    assert [f for f in found if f.holds is False] == []
    names = [f.name for f in found]
    assert names[0] == "Python" and names[-2:] == ["CUDA", "data cache"]
    assert {"numpy", "torch", "keras", "onnx", "statsmodels"} <= set(names)
    assert "ruff" not in names and len(set(names)) == len(names)


def test_versions(installed):
    found = installed(
        [
            *("numpy<3,>=1.26", "tqdm>=4", 'torch<3,>=2.4; extra == "torch"'),
            *('onnx<1.23; extra == "onnx"', 'pooch>=1.7; extra == "data"', 'ruff; extra == "test"'),
        ],
        {"numpy": "3.0", "torch": "2.13.0+cpu", "onnx": "1.23.1"},
    )
    assert found["numpy"] == Finding("numpy", False, "3.0, expected >=1.26,<3")
    assert found["tqdm"] == Finding("tqdm", False, 'missing: pip install "gate-by-gate"')
    assert found["torch"] == Finding("torch", True, "2.13.0+cpu")
    assert found["onnx"].holds is False
    assert found["pooch"] == Finding("pooch", None, 'missing: pip install "gate-by-gate[data]"')
    assert "ruff" not in found and found["Python"].holds


def test_an_old_python(installed):
    found = installed([], {}, python=">=4")
    assert found["Python"].holds is False and found["Python"].detail.endswith(", expected >=4")


def test_not_installed(monkeypatch):
    def nowhere(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "metadata", nowhere)
    found = [f for f in findings() if f.name == environment.DISTRIBUTION]
    assert len(found) == 1 and found[0].holds is None


def test_the_cache_is_looked_at_and_not_made(monkeypatch, tmp_path):
    folder = tmp_path / "one" / "two"
    monkeypatch.setenv("COMPANION_DATA", str(folder))
    assert list(findings())[-1] == Finding("data cache", True, str(folder))
    assert not folder.parent.exists()
    (tmp_path / "one").touch()
    assert list(findings())[-1].holds is False
