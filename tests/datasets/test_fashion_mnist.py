"""Fashion-MNIST: the data themselves, where they are searched, and what is said when they are not found."""

import gzip
import hashlib
import io
import json
import os
import struct
import sys
import urllib.request
import urllib.response
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from http.client import IncompleteRead
from pathlib import Path
from threading import Barrier
from types import ModuleType
from urllib.error import URLError

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.utils import Bunch

from skreg.datasets import _fashion_mnist, fetch_fashion_mnist

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
NAMES = (
    "train-images-idx3-ubyte",
    "t10k-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-labels-idx1-ubyte",
)
NOT_FOUND = r"^Fashion-MNIST was not found\. Sources"
LAYOUTS = (".", "fashion-mnist", "FashionMNIST/raw")


@pytest.fixture(scope="session")
def original():
    """Pixels and labels of Debian's files, read without the code under test."""
    if not all((DEBIAN_FOLDER / f"{name}.gz").is_file() for name in NAMES):
        message = f"Debian's package dataset-fashion-mnist is not installed: {DEBIAN_FOLDER}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    contents = [gzip.decompress((DEBIAN_FOLDER / f"{name}.gz").read_bytes()) for name in NAMES]
    pixels = b"".join(content[16:] for content in contents[:2])
    labels = b"".join(content[8:] for content in contents[2:])
    return np.frombuffer(pixels, np.uint8).reshape(70_000, 784), np.frombuffer(labels, np.uint8)


@pytest.fixture
def no_network(monkeypatch):
    """Make both downloads fail as they do without torchvision and without a network."""
    _hide_torchvision(monkeypatch)
    monkeypatch.setattr(_fashion_mnist, "fetch_openml", _raises(URLError("no network")))


@pytest.fixture
def no_debian(monkeypatch, tmp_path):
    monkeypatch.setattr(_fashion_mnist, "DEBIAN_FOLDER", tmp_path / "no-debian")


@pytest.fixture
def small(monkeypatch):
    """Pixels and labels of a stand-in with 9 training rows and 4 test rows; its checksums replace the true ones."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(256, size=(13, 784), dtype=np.uint8)
    labels = rng.integers(10, size=13, dtype=np.uint8)
    shapes = dict(zip(NAMES, ((9, 28, 28), (4, 28, 28), (9,), (4,)), strict=True))
    monkeypatch.setattr(_fashion_mnist, "FILE_SHAPES", shapes)
    monkeypatch.setattr(_fashion_mnist, "N_TRAIN", 9)
    monkeypatch.setattr(_fashion_mnist, "PIXELS_SHA256", hashlib.sha256(pixels.tobytes()).hexdigest())
    monkeypatch.setattr(_fashion_mnist, "LABELS_SHA256", hashlib.sha256(labels.tobytes()).hexdigest())
    return pixels, labels


def _hide_torchvision(monkeypatch):
    for name in ("torchvision", "torchvision.datasets"):
        monkeypatch.setitem(sys.modules, name, None)


def _raises(error):
    def call(*args, **kwargs):
        raise error

    return call


def _idx(values):
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def _write(folder, pixels, labels, n_train, suffix=""):
    """Write the four files, packed if the suffix is .gz."""
    folder.mkdir(parents=True, exist_ok=True)
    images = pixels.reshape(-1, 28, 28)
    parts = (images[:n_train], images[n_train:], labels[:n_train], labels[n_train:])
    for name, values in zip(NAMES, parts, strict=True):
        content = _idx(values)
        (folder / f"{name}{suffix}").write_bytes(gzip.compress(content) if suffix else content)


def _assert_same(dataset, pixels, labels):
    np.testing.assert_array_equal(dataset.data, pixels.astype(np.float32) / np.float32(255))
    np.testing.assert_array_equal(dataset.target, labels)


def _fake_torchvision(monkeypatch, pixels, labels, n_train):
    """Install a torchvision whose FashionMNIST holds the given data; return the arguments that it is called with."""
    calls = []

    class FashionMNIST:
        def __init__(self, root, train=True, download=False):
            calls.append((root, train, download))
            rows = slice(None, n_train) if train else slice(n_train, None)
            self.data = torch.tensor(pixels[rows]).reshape(-1, 28, 28)
            self.targets = torch.tensor(labels[rows]).long()

    datasets = ModuleType("torchvision.datasets")
    datasets.FashionMNIST = FashionMNIST
    torchvision = ModuleType("torchvision")
    torchvision.datasets = datasets
    monkeypatch.setitem(sys.modules, "torchvision", torchvision)
    monkeypatch.setitem(sys.modules, "torchvision.datasets", datasets)
    return calls


# The data


@pytest.fixture(scope="module")
def dataset(original, tmp_path_factory):
    return fetch_fashion_mnist(data_home=tmp_path_factory.mktemp("home"))


def test_bunch(original, dataset):
    _assert_same(dataset, *original)
    assert sorted(dataset) == ["DESCR", "data", "feature_names", "frame", "target", "target_names"]
    assert dataset.data.shape == (70_000, 784)
    assert dataset.data.dtype == np.float32
    assert dataset.data.flags.c_contiguous
    assert dataset.data.flags.writeable
    assert (dataset.data.min(), dataset.data.max()) == (0, 1)
    assert dataset.target.shape == (70_000,)
    assert dataset.target.dtype == np.int64
    assert isinstance(dataset.target_names, np.ndarray)
    assert dataset.target_names.tolist() == [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ]
    assert dataset.feature_names == [f"pixel_{i}" for i in range(784)]
    assert dataset.frame is None
    assert dataset.DESCR.startswith("Fashion-MNIST\n")
    assert "1708.07747" in dataset.DESCR


def test_known_facts(dataset):
    X, y = dataset.data, dataset.target
    assert np.bincount(y[:60_000]).tolist() == [6000] * 10
    assert np.bincount(y[60_000:]).tolist() == [1000] * 10
    assert y[0] == 9
    # The mean and the standard deviation with which the training pixels are usually standardized.
    assert X[:60_000].mean(dtype=np.float64) == pytest.approx(0.2860, abs=5e-5)
    assert X[:60_000].std(dtype=np.float64) == pytest.approx(0.3530, abs=5e-5)
    # Clothes lie in the middle of the image: the corners are all but empty.
    assert X[:, [0, 27, 756, 783]].mean() < 0.01 < X[:, 14 * 28 + 14].mean()


def test_plain_copies_of_the_original_files(original, no_debian, tmp_path):
    _write(tmp_path / "FashionMNIST" / "raw", *original, n_train=60_000)
    _assert_same(fetch_fashion_mnist(data_home=tmp_path, download_if_missing=False), *original)


def test_original_through_torchvision(original, no_debian, tmp_path, monkeypatch):
    _fake_torchvision(monkeypatch, *original, n_train=60_000)
    _assert_same(fetch_fashion_mnist(data_home=tmp_path), *original)


def test_original_through_openml(original, no_debian, no_network, tmp_path, monkeypatch):
    pixels, labels = original
    answer = Bunch(data=pixels.astype(np.float32), target=labels.astype(str).astype(object))
    monkeypatch.setattr(_fashion_mnist, "fetch_openml", lambda *args, **kwargs: answer)
    _assert_same(fetch_fashion_mnist(data_home=tmp_path), *original)


def test_torchvision_reads_files_real(original, tmp_path):
    """The installed torchvision itself, which downloads nothing where it finds the unpacked files."""
    try:
        import torchvision  # noqa: F401
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        message = f"torchvision does not import: {type(error).__name__}: {error}"
        if os.environ.get("SKREG_REQUIRE_TORCHVISION") == "1":
            pytest.fail(message)
        pytest.skip(message)
    _write(tmp_path / "FashionMNIST" / "raw", *original, n_train=60_000)
    pixels, labels = _fashion_mnist._from_torchvision(tmp_path)
    debian_pixels, debian_labels = _fashion_mnist._from_files(DEBIAN_FOLDER)
    assert pixels.dtype == debian_pixels.dtype == np.uint8
    assert labels.dtype == debian_labels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, debian_pixels)
    np.testing.assert_array_equal(labels, debian_labels)


# What is returned


@pytest.fixture
def small_home(small, no_debian, no_network, tmp_path):
    _write(tmp_path, *small, n_train=9)
    return tmp_path


def test_data_and_target_only(small_home, small):
    data, target = fetch_fashion_mnist(data_home=small_home, return_X_y=True)
    _assert_same(Bunch(data=data, target=target), *small)


def test_as_frame(small_home, small):
    dataset = fetch_fashion_mnist(data_home=small_home, as_frame=True)
    _assert_same(dataset, *small)
    assert isinstance(dataset.data, pd.DataFrame)
    assert dataset.data.columns.tolist() == dataset.feature_names
    assert (dataset.data.dtypes == np.float32).all()
    assert isinstance(dataset.target, pd.Series)
    assert dataset.target.dtype == np.int64
    assert dataset.target.name == "class"
    assert dataset.frame.columns.tolist() == [*dataset.feature_names, "class"]
    pd.testing.assert_frame_equal(dataset.frame.drop(columns="class"), dataset.data)
    pd.testing.assert_series_equal(dataset.frame["class"], dataset.target)


def test_frame_and_series_only(small_home, small):
    data, target = fetch_fashion_mnist(data_home=small_home, return_X_y=True, as_frame=True)
    assert isinstance(data, pd.DataFrame)
    assert isinstance(target, pd.Series)
    _assert_same(Bunch(data=data, target=target), *small)


@pytest.mark.parametrize(
    ("name", "value"), [("data_home", 3), ("download_if_missing", "no"), ("return_X_y", 1.5), ("as_frame", "auto")]
)
def test_invalid_parameter(name, value):
    with pytest.raises(ValueError, match=rf"^The '{name}' parameter of fetch_fashion_mnist must be .* Got {value!r}"):
        fetch_fashion_mnist(**{name: value})


@pytest.mark.parametrize("data_home", ["", b"", "a\0b"])
def test_data_home_that_is_no_path(data_home):
    with pytest.raises(ValueError, match="^The 'data_home' parameter must be a path, .*; got "):
        fetch_fashion_mnist(data_home=data_home)


# Where the files are searched


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("as_text", [False, True])
def test_files_in_data_home(small, no_debian, no_network, tmp_path, layout, suffix, as_text):
    _write(tmp_path / layout, *small, n_train=9, suffix=suffix)
    _assert_same(fetch_fashion_mnist(data_home=str(tmp_path) if as_text else tmp_path), *small)
    _assert_same(fetch_fashion_mnist(data_home=os.fsencode(tmp_path)), *small)


def test_plain_and_packed_files_side_by_side(small_home, small):
    packed = gzip.compress((small_home / NAMES[1]).read_bytes())
    (small_home / NAMES[1]).unlink()
    (small_home / f"{NAMES[1]}.gz").write_bytes(packed)
    _assert_same(fetch_fashion_mnist(data_home=small_home), *small)


def test_default_data_home(small, no_debian, no_network, tmp_path, monkeypatch):
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    _write(tmp_path / "fashion-mnist", *small, n_train=9)
    _assert_same(fetch_fashion_mnist(), *small)


def test_home_directory_is_expanded(small, no_debian, no_network, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    _write(tmp_path / "data", *small, n_train=9)
    _assert_same(fetch_fashion_mnist(data_home="~/data"), *small)


def test_data_home_precedes_debian(small, tmp_path, monkeypatch):
    _write(tmp_path / "home", *small, n_train=9)
    _write(tmp_path / "debian", *small, n_train=9)
    (tmp_path / "debian" / NAMES[0]).write_bytes(b"not to be read")
    monkeypatch.setattr(_fashion_mnist, "DEBIAN_FOLDER", tmp_path / "debian")
    _assert_same(fetch_fashion_mnist(data_home=tmp_path / "home"), *small)


def test_debian_precedes_downloads(small, tmp_path, monkeypatch):
    calls = _fake_torchvision(monkeypatch, *small, n_train=9)
    _write(tmp_path / "debian", *small, n_train=9, suffix=".gz")
    monkeypatch.setattr(_fashion_mnist, "DEBIAN_FOLDER", tmp_path / "debian")
    _assert_same(fetch_fashion_mnist(data_home=tmp_path / "home"), *small)
    assert calls == []
    assert not (tmp_path / "home").exists()


def test_torchvision_precedes_openml(small, no_debian, no_network, tmp_path, monkeypatch):
    calls = _fake_torchvision(monkeypatch, *small, n_train=9)
    monkeypatch.setattr(_fashion_mnist, "fetch_openml", _raises(AssertionError("OpenML was asked")))
    _assert_same(fetch_fashion_mnist(data_home=tmp_path), *small)
    assert calls == [(tmp_path, True, True), (tmp_path, False, True)]


def test_download_if_missing_false_downloads_nothing(small, no_debian, tmp_path, monkeypatch):
    calls = _fake_torchvision(monkeypatch, *small, n_train=9)
    monkeypatch.setattr(_fashion_mnist, "fetch_openml", _raises(AssertionError("OpenML was asked")))
    with pytest.raises(OSError, match="not tried, because download_if_missing=False"):
        fetch_fashion_mnist(data_home=tmp_path, download_if_missing=False)
    assert calls == []


# OpenML


class _OpenML(urllib.request.HTTPSHandler):
    """Answer requests as OpenML does."""

    def __init__(self, pixels, labels):
        super().__init__()
        columns = [f"pixel{i + 1}" for i in range(784)]
        rows = [",".join([*map(str, row), label]) for row, label in zip(pixels, labels, strict=True)]
        header = [f"@ATTRIBUTE {name} REAL" for name in columns]
        header = ["@RELATION 'Fashion-MNIST'", *header, "@ATTRIBUTE class {0,1,2,3,4,5,6,7,8,9}", "@DATA"]
        arff = "\n".join([*header, *rows, ""]).encode()
        common = {"is_ignore": "false", "is_row_identifier": "false", "number_of_missing_values": "0"}
        features = [{"name": name, "data_type": "numeric", "is_target": "false", **common} for name in columns]
        features.append({"name": "class", "data_type": "nominal", "is_target": "true", **common})
        description = {
            "id": "40996",
            "name": "Fashion-MNIST",
            "version": "1",
            "description": "",
            "format": "ARFF",
            "status": "active",
            "url": "https://www.openml.org/data/v1/download/18238735/Fashion-MNIST.arff",
            "md5_checksum": hashlib.md5(arff).hexdigest(),
        }
        qualities = [{"name": "NumberOfInstances", "value": str(float(len(pixels)))}]
        api = "/api/v1/json/data"
        self.answers = {
            f"{api}/list/data_name/fashion-mnist/limit/2/data_version/1": _json(
                {"data": {"dataset": [{"did": 40996, "name": "Fashion-MNIST", "version": 1, "status": "active"}]}}
            ),
            f"{api}/40996": _json({"data_set_description": description}),
            f"{api}/features/40996": _json({"data_features": {"feature": features}}),
            f"{api}/qualities/40996": _json({"data_qualities": {"quality": qualities}}),
            "/data/v1/download/18238735/Fashion-MNIST.arff": arff,
        }

    def https_open(self, request):
        answer = io.BytesIO(self.answers[request.selector])
        response = urllib.response.addinfourl(answer, Message(), request.full_url, 200)
        response.msg = "OK"
        return response


def _json(value):
    return json.dumps(value).encode()


@pytest.mark.parametrize("quote", ["", "'", '"'], ids=["no quotes", "single quotes", "double quotes"])
def test_openml_answer_is_read(small, no_debian, tmp_path, monkeypatch, quote):
    """scikit-learn's own fetch_openml on a file in OpenML's format."""
    pixels, labels = small
    _hide_torchvision(monkeypatch)
    handler = _OpenML(pixels, [f"{quote}{label}{quote}" for label in labels])
    monkeypatch.setattr(urllib.request, "_opener", None)  # put back what install_opener sets
    urllib.request.install_opener(urllib.request.build_opener(handler))
    _assert_same(fetch_fashion_mnist(data_home=tmp_path), pixels, labels)


def test_openml_is_asked_once(small, no_debian, no_network, tmp_path, monkeypatch):
    pixels, labels = small
    calls = []

    def fetch_openml(*args, **kwargs):
        calls.append((args, kwargs))
        return Bunch(data=pixels.astype(np.float32), target=labels.astype(str).astype(object))

    monkeypatch.setattr(_fashion_mnist, "fetch_openml", fetch_openml)
    _assert_same(fetch_fashion_mnist(data_home=tmp_path), *small)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)
    _assert_same(fetch_fashion_mnist(data_home=tmp_path, download_if_missing=False), *small)
    [(args, kwargs)] = calls
    assert args == ("Fashion-MNIST",)
    assert kwargs["version"] == 1
    assert kwargs["data_home"] == tmp_path


def test_two_that_ask_openml_at_once_keep_whole_files(small, no_debian, no_network, tmp_path, monkeypatch):
    pixels, labels = small
    answer = Bunch(data=pixels.astype(np.float32), target=labels.astype(str).astype(object))
    together = Barrier(2, timeout=60)

    def fetch_openml(*args, **kwargs):
        together.wait()
        return answer

    def write_again(values, write=_fashion_mnist._write_files):
        for _ in range(20):
            write(*values)

    monkeypatch.setattr(_fashion_mnist, "fetch_openml", fetch_openml)
    monkeypatch.setattr(_fashion_mnist, "_write_files", lambda *values: write_again(values))
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # the disk is slow
    with ThreadPoolExecutor(2) as pool:
        for dataset in pool.map(lambda _: fetch_fashion_mnist(data_home=tmp_path), range(2)):
            _assert_same(dataset, *small)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)
    _assert_same(fetch_fashion_mnist(data_home=tmp_path, download_if_missing=False), *small)


def test_openml_rows_in_another_order(small, no_debian, no_network, tmp_path, monkeypatch):
    pixels, labels = small
    answer = Bunch(data=pixels[::-1].astype(np.float32), target=labels[::-1].astype(str).astype(object))
    monkeypatch.setattr(_fashion_mnist, "fetch_openml", lambda *args, **kwargs: answer)
    with pytest.raises(ValueError, match=r"^The images from OpenML are not those of Fashion-MNIST: the SHA-256 of"):
        fetch_fashion_mnist(data_home=tmp_path)
    assert list(tmp_path.iterdir()) == []


# Damaged files


def _wrong_magic(content):
    return b"\x00\x00\x0d" + content[3:]


def _swapped_dimension(content):
    return content[:4] + content[4:8][::-1] + content[8:]


DAMAGES = {
    "wrong magic number": (_wrong_magic, "its magic number is 0x0d0"),
    "wrong dimension": (_swapped_dimension, r"its dimensions are \(\d{8}"),
    "truncated": (lambda content: content[:-1], r"it holds \d+ values, expected \d+"),
    "too long": (lambda content: content + b"\x00", r"it holds \d+ values, expected \d+"),
    "header only": (lambda content: content[:7], "it has 7 bytes, fewer than the"),
    "empty": (lambda content: b"", "it has 0 bytes, fewer than the"),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_damaged_file(small, no_network, tmp_path, monkeypatch, name, damage, suffix):
    """A damaged file is an error although the next source is good."""
    _write(tmp_path / "debian", *small, n_train=9)
    monkeypatch.setattr(_fashion_mnist, "DEBIAN_FOLDER", tmp_path / "debian")
    _write(tmp_path, *small, n_train=9, suffix=suffix)
    alter, what = DAMAGES[damage]
    path = tmp_path / f"{name}{suffix}"
    content = path.read_bytes()
    path.write_bytes(gzip.compress(alter(gzip.decompress(content))) if suffix else alter(content))
    with pytest.raises(ValueError, match=rf"^The file {path} is damaged: {what}.*Delete it or replace it by a good"):
        fetch_fashion_mnist(data_home=tmp_path)


@pytest.mark.parametrize(
    "alter",
    [
        lambda content: content[:-20],
        lambda content: b"<html>not found</html>",
        lambda content: content[:-8] + bytes(4) + content[-4:],
        lambda content: content[:10] + b"\xff" * 50,
    ],
    ids=["truncated", "not packed", "wrong checksum", "no blocks"],
)
def test_damaged_packed_file(small, no_debian, no_network, tmp_path, alter):
    _write(tmp_path, *small, n_train=9, suffix=".gz")
    path = tmp_path / f"{NAMES[0]}.gz"
    path.write_bytes(alter(path.read_bytes()))
    with pytest.raises(ValueError, match=rf"^The file {path} is damaged: it cannot be unpacked \(.+\)"):
        fetch_fashion_mnist(data_home=tmp_path)


@pytest.mark.parametrize("what", ["images", "labels"])
def test_files_of_another_data_set(small, no_debian, no_network, tmp_path, what):
    """The digits of MNIST come in files of the same names and sizes."""
    pixels, labels = (values.copy() for values in small)
    changed = pixels if what == "images" else labels
    changed[-1] = 255 - changed[-1]
    _write(tmp_path, pixels, labels, n_train=9)
    with pytest.raises(ValueError, match=f"^The {what} from {tmp_path} are not those of Fashion-MNIST: the SHA-256 of"):
        fetch_fashion_mnist(data_home=tmp_path)


# Nothing found


def test_nothing_found(no_debian, no_network, tmp_path):
    with pytest.raises(OSError, match=NOT_FOUND) as caught:
        fetch_fashion_mnist(data_home=tmp_path)
    assert str(caught.value) == (
        "Fashion-MNIST was not found. Sources, in the order of the search:\n"
        f"- files in data_home: {tmp_path} has none of the files; {tmp_path / 'fashion-mnist'} has none of the files; "
        f"{tmp_path / 'FashionMNIST' / 'raw'} has none of the files\n"
        f"- Debian's package dataset-fashion-mnist: {tmp_path / 'no-debian'} has none of the files\n"
        "- torchvision: `import torchvision` failed with ModuleNotFoundError: import of torchvision.datasets halted; "
        "None in sys.modules\n"
        "- OpenML: the download failed with URLError: <urlopen error no network>\n"
        "One of these helps: `apt-get install dataset-fashion-mnist` on Debian or Ubuntu; `pip install "
        "skreg[vision]`, which downloads the data through torchvision; or the four files of "
        "https://github.com/zalandoresearch/fashion-mnist (train-images-idx3-ubyte.gz, t10k-images-idx3-ubyte.gz, "
        f"train-labels-idx1-ubyte.gz, t10k-labels-idx1-ubyte.gz) in {tmp_path}."
    )


def test_incomplete_folder(small_home):
    (small_home / NAMES[1]).unlink()
    (small_home / NAMES[2]).unlink()
    with pytest.raises(
        OSError, match=f"{small_home} lacks {NAMES[1]}, {NAMES[2]}; {small_home}/fashion-mnist has none"
    ):
        fetch_fashion_mnist(data_home=small_home)


@pytest.mark.parametrize(
    "error",
    [
        "RuntimeError('operator torchvision::nms does not exist')",
        "AttributeError('no attribute extension')",
        "OSError('libcudart.so: cannot open')",
    ],
)
def test_torchvision_import_fails(no_debian, no_network, tmp_path, monkeypatch, error):
    """A torchvision for another torch does not import; the reason must reach the user."""
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    package = tmp_path / "site" / "torchvision"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"raise {error}\n")
    monkeypatch.syspath_prepend(package.parent)
    with pytest.raises(OSError, match=NOT_FOUND) as caught:
        fetch_fashion_mnist(data_home=tmp_path)
    text = error.replace("('", ": ").replace("')", "")
    assert (
        f"- torchvision: `import torchvision` failed with {text}; most likely it was built for another torch than the "
        "installed one\n"
    ) in str(caught.value)


@pytest.mark.parametrize(
    "error", [RuntimeError("Error downloading:\nno mirror\n"), URLError("no route"), OSError("disk full")]
)
def test_torchvision_download_fails(small, no_debian, no_network, tmp_path, monkeypatch, error):
    _fake_torchvision(monkeypatch, *small, n_train=9)
    monkeypatch.setattr(sys.modules["torchvision.datasets"], "FashionMNIST", _raises(error))
    with pytest.raises(OSError, match=NOT_FOUND) as caught:
        fetch_fashion_mnist(data_home=tmp_path)
    text = str(error).replace(":\n", ": ").rstrip("\n")
    assert f"- torchvision: the download failed with {type(error).__name__}: {text}\n" in str(caught.value)


@pytest.mark.parametrize("error", [ValueError("Dataset not found"), IncompleteRead(b"a"), TimeoutError("slow")])
def test_openml_fails(no_debian, no_network, tmp_path, monkeypatch, error):
    monkeypatch.setattr(_fashion_mnist, "fetch_openml", _raises(error))
    with pytest.raises(OSError, match=NOT_FOUND) as caught:
        fetch_fashion_mnist(data_home=tmp_path)
    assert f"- OpenML: the download failed with {type(error).__name__}: {error}\n" in str(caught.value)


def test_unexpected_errors_are_not_caught(no_debian, no_network, tmp_path, monkeypatch):
    monkeypatch.setattr(_fashion_mnist, "fetch_openml", _raises(TypeError("a bug")))
    with pytest.raises(TypeError, match="a bug"):
        fetch_fashion_mnist(data_home=tmp_path)


def test_files_are_written_whole_or_not_at_all(small, no_debian, no_network, tmp_path, monkeypatch):
    pixels, labels = small
    answer = Bunch(data=pixels.astype(np.float32), target=labels.astype(str).astype(object))
    monkeypatch.setattr(_fashion_mnist, "fetch_openml", lambda *args, **kwargs: answer)
    monkeypatch.setattr(os, "replace", _raises(OSError("interrupted")))
    with pytest.raises(OSError, match="interrupted"):
        fetch_fashion_mnist(data_home=tmp_path)
    assert not (tmp_path / NAMES[0]).exists()
