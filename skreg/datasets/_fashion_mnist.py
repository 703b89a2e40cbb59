"""Fashion-MNIST: sources, readers and checks."""

import gzip
import hashlib
import os
import struct
import zlib
from functools import partial
from http.client import HTTPException
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import fetch_openml, get_data_home
from sklearn.utils import Bunch

from skreg._files import path_of, replaced_file
from skreg._sklearn_private import validate_parameter_constraints

__all__ = ["fetch_fashion_mnist"]

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")

N_TRAIN = 60_000
N_TEST = 10_000
SIDE = 28
N_PIXELS = SIDE * SIDE
TARGET_NAMES = (
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
)

FILE_SHAPES = {
    "train-images-idx3-ubyte": (N_TRAIN, SIDE, SIDE),
    "t10k-images-idx3-ubyte": (N_TEST, SIDE, SIDE),
    "train-labels-idx1-ubyte": (N_TRAIN,),
    "t10k-labels-idx1-ubyte": (N_TEST,),
}

# Of the unpacked bytes, training rows first. The handwritten digits of MNIST come in files of the same names and
# sizes, so the header alone does not tell the two apart; and .gz files of equal content differ from packer to packer.
PIXELS_SHA256 = "0fbbfcb392782b3b702472ead3688778e1509e8cf40f5c24d9d3303618b193ab"
LABELS_SHA256 = "8ab940a680640f36c0bf1d2549cb2f3b3d4068c12547116cc7b1161b1d26663d"

DESCR = """\
Fashion-MNIST
-------------

Greyscale images of fashion articles, of the sizes, the split and the number of classes of MNIST, but harder.

:Number of rows: 70,000; the first 60,000 are the training set, the last 10,000 the test set
:Number of features: 784, the pixels of a 28 x 28 image, row by row; 0 is background, 1 the strongest grey value
:Target: 0 T-shirt/top, 1 Trouser, 2 Pullover, 3 Dress, 4 Coat, 5 Sandal, 6 Shirt, 7 Sneaker, 8 Bag, 9 Ankle boot
:Rows of each class: 6,000 for training, 1,000 for testing
:Missing values: none
:Creators: Han Xiao, Kashif Rasul and Roland Vollgraf, Zalando Research
:Licence: MIT
:Source: https://github.com/zalandoresearch/fashion-mnist

The original grey values 0 to 255 are divided by 255.

.. rubric:: References

- H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning
  algorithms", 2017, arXiv:1708.07747.
"""

_PARAMETER_CONSTRAINTS = {
    "data_home": [str, bytes, os.PathLike, None],
    "download_if_missing": ["boolean"],
    "return_X_y": ["boolean"],
    "as_frame": ["boolean"],
}


class _UnavailableError(OSError):
    """Error of a source that does not have the data; the next one may."""


def fetch_fashion_mnist(*, data_home=None, download_if_missing=True, return_X_y=False, as_frame=False):
    """Load the Fashion-MNIST images (classification).

    =================   ==============
    Classes                         10
    Training rows               60,000
    Test rows                   10,000
    Features                       784
    Feature values      real, 0 to 1
    =================   ==============

    The data are taken from the first of these sources that has them:

    1. the files in ``data_home``;
    2. the files of Debian's package ``dataset-fashion-mnist``;
    3. torchvision's downloader, if torchvision is installed;
    4. OpenML, through :func:`~sklearn.datasets.fetch_openml`.

    Downloads are kept in ``data_home`` and found there the next time. Wherever the data come from, they are compared
    with the checksum of the original images and labels.

    Parameters
    ----------
    data_home : str, bytes or path-like, default=None
        Folder to search first and to download to. By default the subfolder ``fashion-mnist`` of scikit-learn's data
        folder, see :func:`~sklearn.datasets.get_data_home`. The four files ``train-images-idx3-ubyte``,
        ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte`` and ``t10k-labels-idx1-ubyte``, plain or with the
        ending ``.gz``, lie together in ``data_home`` itself, in its subfolder ``fashion-mnist``, or in
        ``FashionMNIST/raw``, where torchvision puts them.
    download_if_missing : bool, default=True
        If False, raise an OSError when the files are not on this machine instead of downloading them.
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        If True, ``data`` is a DataFrame and ``target`` a Series.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the following attributes.

        data : ndarray of shape (70000, 784), float32
            Pixels in [0, 1], each image row by row. The training set is ``data[:60000]``, the test set
            ``data[60000:]``. A DataFrame if ``as_frame=True``.
        target : ndarray of shape (70000,), int64
            Classes, 0 to 9. A Series if ``as_frame=True``.
        target_names : ndarray of shape (10,)
            Names of the classes.
        feature_names : list of length 784
            ``"pixel_0"`` to ``"pixel_783"``.
        frame : DataFrame of shape (70000, 785) or None
            ``data`` and ``target`` side by side if ``as_frame=True``, else None.
        DESCR : str
            Description of the data.

    (data, target) : tuple if ``return_X_y=True``
        The attributes ``data`` and ``target`` above.

    Raises
    ------
    OSError
        If no source has the data. The message lists every source with its error.
    ValueError
        If a file is damaged, or if the data of a source are not those of Fashion-MNIST. A damaged file is never
        skipped in favour of the next source.

    See Also
    --------
    sklearn.datasets.fetch_openml : Any data set of OpenML.

    References
    ----------
    .. [1] H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning
       algorithms", 2017, `arXiv:1708.07747 <https://arxiv.org/abs/1708.07747>`_.

    Examples
    --------
    The data set may be missing where this runs, so these lines are not run as a test:

    >>> from skreg.datasets import fetch_fashion_mnist
    >>> X, y = fetch_fashion_mnist(return_X_y=True)  # doctest: +SKIP
    >>> X_train, X_test, y_train, y_test = X[:60000], X[60000:], y[:60000], y[60000:]  # doctest: +SKIP
    >>> X_train.shape, X_test.shape  # doctest: +SKIP
    ((60000, 784), (10000, 784))
    """
    validate_parameter_constraints(
        _PARAMETER_CONSTRAINTS,
        {
            "data_home": data_home,
            "download_if_missing": download_if_missing,
            "return_X_y": return_X_y,
            "as_frame": as_frame,
        },
        caller_name="fetch_fashion_mnist",
    )
    home = None if data_home is None else Path(path_of(data_home, "data_home"))
    pixels, labels = _load(home, download_if_missing)
    data = pixels.astype(np.float32)
    data /= 255
    target = labels.astype(np.int64)
    feature_names = [f"pixel_{i}" for i in range(N_PIXELS)]
    frame = None
    if as_frame:
        data = pd.DataFrame(data, columns=feature_names)
        target = pd.Series(target, name="class")
        frame = pd.concat([data, target], axis=1)
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        frame=frame,
        target_names=np.array(TARGET_NAMES),
        feature_names=feature_names,
        DESCR=DESCR,
    )


def _load(data_home: Path | None, download: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels (70000, 784) and labels (70000,), both uint8, from the first source that has them."""
    folder = Path(get_data_home()) / "fashion-mnist" if data_home is None else data_home.expanduser()
    sources = {
        "files in data_home": partial(_from_files, folder, folder / "fashion-mnist", folder / "FashionMNIST" / "raw"),
        "Debian's package dataset-fashion-mnist": partial(_from_files, DEBIAN_FOLDER),
    }
    if download:
        sources["torchvision"] = partial(_from_torchvision, folder)
        sources["OpenML"] = partial(_from_openml, folder, data_home)
    failures = {}
    for name, read in sources.items():
        try:
            return read()
        except _UnavailableError as error:
            failures[name] = error
    raise OSError(_not_found_message(folder, failures, download))


def _not_found_message(folder: Path, failures: dict[str, _UnavailableError], download: bool) -> str:
    """Return the text of an error: the sources that were tried, their failures, and advice."""
    tried = [f"- {name}: {error}" for name, error in failures.items()]
    if not download:
        tried.append("- torchvision, OpenML: not tried, because download_if_missing=False")
    return (
        "Fashion-MNIST was not found. Sources, in the order of the search:\n"
        + "\n".join(tried)
        + "\nOne of these helps: `apt-get install dataset-fashion-mnist` on Debian or Ubuntu; `pip install "
        "skreg[vision]`, which downloads the data through torchvision; or the four files of "
        f"https://github.com/zalandoresearch/fashion-mnist ({', '.join(f'{name}.gz' for name in FILE_SHAPES)}) in "
        f"{folder}."
    )


def _from_files(*folders: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels and labels from the first folder that has all four files."""
    reasons = []
    for folder in folders:
        paths = {name: _plain_or_packed(folder / name) for name in FILE_SHAPES}
        absent = [name for name, path in paths.items() if path is None]
        if not absent:
            arrays = {name: _read_idx(paths[name], shape) for name, shape in FILE_SHAPES.items()}
            pixels = [arrays[f"{part}-images-idx3-ubyte"].reshape(-1, N_PIXELS) for part in ("train", "t10k")]
            labels = [arrays[f"{part}-labels-idx1-ubyte"] for part in ("train", "t10k")]
            return _checked(np.concatenate(pixels), np.concatenate(labels), source=folder)
        none_there = len(absent) == len(FILE_SHAPES)
        reasons.append(f"{folder} has none of the files" if none_there else f"{folder} lacks {', '.join(absent)}")
    raise _UnavailableError("; ".join(reasons))


def _plain_or_packed(path: Path) -> Path | None:
    """Return ``path``, or the same with the ending .gz, whichever is a file; None if neither is."""
    packed = path.with_name(f"{path.name}.gz")
    return next((candidate for candidate in (path, packed) if candidate.is_file()), None)


def _read_idx(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Return the bytes of an idx file as an array of the given shape.

    The file starts with big-endian 32-bit integers: the magic number 0x0800 (unsigned bytes) plus the number of
    dimensions, then each dimension. The values follow in C order.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _damaged(path, f"it cannot be unpacked ({error})") from error
    header_format = f">{1 + len(shape)}I"
    n_header = struct.calcsize(header_format)
    if len(content) < n_header:
        raise _damaged(path, f"it has {len(content)} bytes, fewer than the {n_header} of the header")
    magic, *dimensions = struct.unpack_from(header_format, content)
    if magic != 0x0800 + len(shape):
        raise _damaged(path, f"its magic number is {magic:#06x}, expected {0x0800 + len(shape):#06x}")
    if tuple(dimensions) != shape:
        raise _damaged(path, f"its dimensions are {tuple(dimensions)}, expected {shape}")
    values = np.frombuffer(content, dtype=np.uint8, offset=n_header)
    if values.size != np.prod(shape):
        raise _damaged(path, f"it holds {values.size} values, expected {np.prod(shape)}")
    return values.reshape(shape)


def _damaged(path: Path, what: str) -> ValueError:
    """Return the error about a damaged file."""
    return ValueError(f"The file {path} is damaged: {what}. Delete it or replace it by a good copy.")


def _checked(pixels: np.ndarray, labels: np.ndarray, *, source: object) -> tuple[np.ndarray, np.ndarray]:
    """Return both arrays if they are byte for byte those of Fashion-MNIST in the original order."""
    for what, values, expected in (("images", pixels, PIXELS_SHA256), ("labels", labels, LABELS_SHA256)):
        found = hashlib.sha256(np.ascontiguousarray(values, dtype=np.uint8)).hexdigest()
        if found != expected:
            raise ValueError(
                f"The {what} from {source} are not those of Fashion-MNIST: the SHA-256 of their {values.size} bytes is "
                f"{found}, expected {expected}."
            )
    return pixels, labels


def _from_torchvision(root: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels and labels through torchvision, which downloads what is not below ``root``."""
    try:
        from torchvision.datasets import FashionMNIST
    except ImportError as error:
        raise _UnavailableError(f"`import torchvision` failed with {_text(error)}") from error
    # Beside a torch that it was not built for, torchvision raises a RuntimeError ("operator torchvision::nms does not
    # exist"); versions before 0.28 raise an AttributeError when the import is tried again.
    except (OSError, RuntimeError, AttributeError) as error:
        raise _UnavailableError(
            f"`import torchvision` failed with {_text(error)}; most likely it was built for another torch than the "
            "installed one"
        ) from error
    try:
        parts = [FashionMNIST(root, train=train, download=True) for train in (True, False)]
    except (OSError, RuntimeError) as error:
        raise _UnavailableError(f"the download failed with {_text(error)}") from error
    pixels = np.concatenate([part.data.numpy().reshape(-1, N_PIXELS) for part in parts])
    labels = np.concatenate([part.targets.numpy() for part in parts])
    return _checked(pixels, labels.astype(np.uint8), source="torchvision")


def _from_openml(folder: Path, data_home: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels and labels of OpenML's copy, and keep them in ``folder`` as files that are quicker to read."""
    # Left to itself, scikit-learn 1.9.1 reads the labels as categories, which fails with a TypeError beside pandas 3.1
    # when all of them are numbers (scikit-learn issue 34892). As strings they are read by every version, but keep any
    # quotation marks.
    column_types = dict.fromkeys(range(N_PIXELS), np.float32) | {N_PIXELS: str}
    try:
        dataset = fetch_openml(
            "Fashion-MNIST",
            version=1,
            as_frame=False,
            data_home=data_home,
            parser="pandas",
            read_csv_kwargs={"dtype": column_types},
        )
    # No network: URLError, an OSError. A connection that breaks: HTTPException. OpenML's refusals: ValueError.
    except (OSError, HTTPException, ValueError) as error:
        raise _UnavailableError(f"the download failed with {_text(error)}") from error
    pixels = dataset.data.astype(np.uint8)
    labels = np.array([label.strip("'\"") for label in dataset.target]).astype(np.uint8)
    _checked(pixels, labels, source="OpenML")
    _write_files(folder, pixels, labels)
    return pixels, labels


def _write_files(folder: Path, pixels: np.ndarray, labels: np.ndarray) -> None:
    """Write the four idx files, each under its own name only when it is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, shape in FILE_SHAPES.items():
        values = pixels if len(shape) > 1 else labels
        values = values[:N_TRAIN] if shape[0] == N_TRAIN else values[N_TRAIN:]
        with replaced_file(str(folder / name)) as file:
            file.write(struct.pack(f">{1 + len(shape)}I", 0x0800 + len(shape), *shape) + values.tobytes())


def _text(error: Exception) -> str:
    """Return the kind and the message of an error on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
