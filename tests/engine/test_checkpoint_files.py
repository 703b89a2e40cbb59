"""Files of checkpoints: many savers and readers of one path, modes and links, paths that are refused."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from skreg import RegularizedMLPRegressor
from skreg.engine.checkpoints import load_state

X = np.random.default_rng(0).normal(size=(40, 3))


def make(units=5, max_iter=2):
    return RegularizedMLPRegressor((units,), max_iter=max_iter, n_iter_no_change=np.inf, random_state=0)


@pytest.fixture(scope="module")
def models():
    """Return two networks whose checkpoints differ in length."""
    return [make(units).fit(X, X[:, 0]) for units in (5, 50)]


@pytest.fixture
def path(models, tmp_path):
    models[0].save_checkpoint(tmp_path / "training.npz")
    return tmp_path / "training.npz"


def saved_and_read(model, path):
    """Save many times; return the networks that were found at the path, after each."""
    found = set()
    for _ in range(50):
        model.save_checkpoint(path)
        found.add(tuple(load_state(path)["layer_units"].tolist()))
    return found


@pytest.mark.skipif(os.name != "posix", reason="Windows replaces no file that is being read")
def test_two_savers_on_one_path(models, path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # the disk is slow
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(saved_and_read, models, [path, path]))
    assert set.union(*found) == {(3, 5, 1), (3, 50, 1)}
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.skipif(os.name != "posix", reason="modes and links of POSIX")
def test_modes_and_links(models, path):
    path.chmod(0o640)
    link = path.parent / "latest"
    link.symlink_to(path.name)
    models[1].save_checkpoint(link)
    assert os.readlink(link) == path.name
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert load_state(path)["layer_units"].tolist() == [3, 50, 1]


@pytest.mark.parametrize("kind", [str, os.fsencode, Path])
def test_paths_of_all_kinds(kind, models, path):
    models[1].save_checkpoint(kind(path))
    assert os.listdir(path.parent) == [path.name]
    resumed = make(50, max_iter=4).load_checkpoint(kind(path)).fit(X, X[:, 0])
    np.testing.assert_array_equal(resumed.coefs_[0], make(50, max_iter=4).fit(X, X[:, 0]).coefs_[0])


@pytest.mark.parametrize("wrong", ["", b"", None, 1, True, "a\0b", b"a\0b", ["a"]])
@pytest.mark.parametrize("method", ["save_checkpoint", "load_checkpoint"])
def test_refused_paths_change_nothing(method, wrong, models, path, monkeypatch):
    monkeypatch.chdir(path.parent)
    content = path.read_bytes()
    model = make(max_iter=4).load_checkpoint(path) if method == "load_checkpoint" else models[1]
    before = dict(vars(model))
    with pytest.raises((TypeError, ValueError), match="The 'path' parameter must be .*; got "):
        getattr(model, method)(wrong)
    assert vars(model) == before
    assert os.listdir() == [path.name]
    assert path.read_bytes() == content


def test_open_files_are_refused(models, path):
    with open(path, "r+b") as file:
        for method in (models[0].save_checkpoint, models[0].load_checkpoint):
            with pytest.raises(TypeError, match="The 'path' parameter must be a str, bytes or path-like object; got "):
                method(file)
        assert file.tell() == 0
    assert os.listdir(path.parent) == [path.name]
