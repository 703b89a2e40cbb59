"""Checkpoints that are damaged, or made to do harm: a ValueError, before memory or time is taken, and nothing else."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.engine.checkpoints import load_state

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 3)), np.arange(40) % 3
OPTIONS = {"hidden_layer_sizes": (4,), "normalization": "batch", "dropout": 0.2, "n_iter_no_change": np.inf}
OPTIONS |= {"learning_rate": "adaptive", "batch_size": 20, "random_state": 0, "early_stopping": True}
OPTIONS |= {"refit_on_all": True}


def make(max_iter=3):
    return RegularizedMLPClassifier(max_iter=max_iter, **OPTIONS)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the arrays and the bytes of a checkpoint, and what fits that go on from it come to."""
    path = tmp_path_factory.mktemp("checkpoint") / "training.npz"
    model = make().fit(X, Y).save_checkpoint(path)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    expected = make(5).load_checkpoint(path).fit(X, Y).predict_proba(X)
    return arrays, path.read_bytes(), expected, model


@pytest.fixture
def path(tmp_path):
    return tmp_path / "hostile.npz"


def goes_on(path):
    """Return what an estimator predicts that has gone on from a checkpoint; raise unless an error changes nothing."""
    model = make(5)
    before = dict(vars(model))
    try:
        model.load_checkpoint(path)
        before = dict(vars(model))
        return model.fit(X, Y).predict_proba(X)
    except ValueError:
        assert vars(model) == before
        raise


COUNTS = ("epoch", "n_rows_seen", "n_steps", "n_normalized_batches", "n_waiting", "best_epoch", "t")
HOSTILE_NUMBERS = [(name, value) for name in COUNTS for value in (-1, -(10**9), 2**62)]
HOSTILE_NUMBERS += [("epoch", 0), ("epoch", 4), ("best_epoch", 0), ("best_epoch", 4), ("n_waiting", 4), ("n_steps", 0)]
HOSTILE_NUMBERS += [("best_value", np.inf), ("best_value", -np.inf), ("first_loss", np.inf), ("lr", -1.0)]
HOSTILE_NUMBERS += [("lr", np.inf), ("initial_lr", -1.0), ("lowest_train_loss", -np.inf), ("lowest_valid_loss", np.nan)]
HOSTILE_NUMBERS += [
    (f"seed_{name}", value) for name in ("init", "shuffle", "dropout", "split") for value in (-1, 2**31)
]


@pytest.mark.parametrize(("name", "value"), HOSTILE_NUMBERS)
def test_numbers_out_of_range_are_errors(whole, path, name, value):
    arrays = whole[0]
    np.savez(path, **{**arrays, name: np.asarray(value, dtype=arrays[name].dtype)})
    with pytest.raises(ValueError, match=f"The checkpoint is damaged: '{name}' must"):
        goes_on(path)


ENTRIES = [
    "last_0",
    "best_0",
    "origin_0",
    "buffer_0",
    "buffer_1",
    "loss_curve",
    "history_train_loss",
    "history_penalty",
]
ENTRIES += ["history_valid_loss", "history_lr"]
HOSTILE_ENTRIES = [(name, value) for name in ENTRIES for value in (np.inf, -np.inf)]
HOSTILE_ENTRIES += [(name, np.nan) for name in ENTRIES[:-2]]
# The running variances come last, after the running means.
HOSTILE_ENTRIES += [("buffer_1", -1e-3), ("last_2", -1.0), ("best_2", -1.0), ("origin_2", -1.0), ("history_lr", -1.0)]
HOSTILE_ENTRIES += [("history_epoch", 0), ("history_epoch", -5)]


@pytest.mark.parametrize(("name", "value"), HOSTILE_ENTRIES)
def test_entries_out_of_range_are_errors(whole, path, name, value):
    array = whole[0][name].copy()
    array.flat[-1] = value
    np.savez(path, **{**whole[0], name: array})
    with pytest.raises(ValueError, match=f"The checkpoint is damaged: '{name}' must"):
        goes_on(path)


@pytest.mark.parametrize("name", ["kept_0", "kept_2"])
def test_kept_weights_are_checked_too(whole, path, name):
    array = whole[0][name].copy()
    array.flat[0] = np.nan if name == "kept_0" else -1.0
    np.savez(path, **{**whole[0], name: array})
    model = make().set_params(early_stopping=False).load_checkpoint(path)
    with pytest.raises(ValueError, match=f"The checkpoint is damaged: '{name}' must"):
        model.partial_fit(X, Y, classes=[0, 1, 2])


@pytest.mark.parametrize("value", [np.ones(2, dtype=bool), np.asarray("x"), np.asarray(np.nan)])
def test_a_flag_is_one_bool(whole, path, value):
    np.savez(path, **{**whole[0], "origin_is_new": value})
    with pytest.raises(ValueError, match="The checkpoint is damaged or of another network: 'origin_is_new' must"):
        goes_on(path)


def test_a_history_has_no_other_columns(whole, path):
    np.savez(path, **whole[0], history_more=np.zeros((2, 2)))
    with pytest.raises(ValueError, match="The checkpoint is damaged: a history has no column 'history_more'"):
        goes_on(path)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.longdouble, ">f8"])
def test_weights_of_another_type(whole, path, dtype):
    """They are an error, but for those from a machine with the other order of bytes."""
    arrays, _, expected, _ = whole
    swapped = {name: a.astype(dtype) if a.dtype == np.float64 and a.ndim else a for name, a in arrays.items()}
    np.savez(path, **swapped)
    if dtype == ">f8":
        np.testing.assert_array_equal(goes_on(path), expected)
    else:
        with pytest.raises(ValueError, match="The checkpoint is damaged or of another network"):
            goes_on(path)


def test_a_checkpoint_after_another_solver_can_be_read(path):
    """L-BFGS has no learning rate, so the history holds NaN."""
    model = RegularizedMLPRegressor((3,), solver="lbfgs", max_iter=3, tol=10.0).fit(X, X[:, 0])
    model.set_params(solver="adam", random_state=0).partial_fit(X, X[:, 0]).save_checkpoint(path)
    again = RegularizedMLPRegressor((3,), random_state=0).load_checkpoint(path).partial_fit(X, X[:, 0])
    np.testing.assert_array_equal(again.predict(X), model.partial_fit(X, X[:, 0]).predict(X))


def test_a_learning_rate_may_be_an_integer(path):
    options = {"solver": "sgd", "learning_rate_init": 1, "n_iter_no_change": np.inf, "random_state": 0}
    RegularizedMLPClassifier((3,), max_iter=2, **options).fit(X, Y).save_checkpoint(path)
    half = RegularizedMLPClassifier((3,), max_iter=4, **options).load_checkpoint(path).fit(X, Y)
    whole = RegularizedMLPClassifier((3,), max_iter=4, **options).fit(X, Y)
    np.testing.assert_array_equal(half.predict_proba(X), whole.predict_proba(X))


def test_a_refit_does_not_begin_before_its_first_row(whole, path):
    np.savez(path, **{**whole[0], "t": np.asarray(1)})
    with pytest.raises(ValueError, match="at least as many rows; got one that processed 1 rows in 3 epochs"):
        goes_on(path)


# -- files -------------------------------------------------------------------------------------------------


def npy(header: bytes, content: bytes = b"") -> bytes:
    """Return a file in NumPy's format with any header."""
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content


def header(descr="'<f8'", shape="()", order="False") -> bytes:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()


HEADERS = {
    "no dictionary": npy(b"[1, 2]\n"),
    "cut": npy(b"{'descr': '<f8', \n"),
    "quotes": npy(b"{'descr': '''\n"),
    "dedent": npy(b"{'a': 1}\n  \n if 1:\n  x\n y\n"),
    "nested": npy(b"(" * 9000 + b"\n"),
    "nested lists": npy(header(shape="[" * 5000 + "]" * 5000)[:9990]),
    "long": npy(b" " * 60000),
    "empty": npy(b""),
    "zeros": npy(b"\0" * 64),
    "code": npy(b"__import__('os').abort()\n"),
    "huge": npy(header(shape="(1000000000000,)"), b"x" * 64),
    "beyond": npy(header(shape=f"({10**30}, {10**30})"), b"x" * 64),
    "huge text": npy(header("'<U500000000'"), b"x" * 64),
    "negative": npy(header(shape="(-1,)"), b"x" * 64),
    "both negative": npy(header(shape="(-2, -4)"), b"x" * 64),
    "short": npy(header(shape="(9,)"), b"x" * 64),
    "too much": npy(header(shape="(7,)"), b"x" * 64),
    "many axes": npy(header(shape=f"({'1, ' * 100})"), b"x" * 8),
    "none of many": npy(header(shape=f"(0, {10**18}, {10**18})")),
    "float shape": npy(header(shape="(1.0,)"), b"x" * 8),
    "no shape": npy(header(shape="None"), b"x" * 8),
    "objects": npy(header("'|O'", "(1,)"), b"x" * 8),
    "structure": npy(header("[('a', '<f8')]", "(1,)"), b"x" * 8),
    "dates": npy(header("'<M8[s]'", "(1,)"), b"x" * 8),
    "bytes": npy(header("'|S8'", "(1,)"), b"x" * 8),
    "unknown type": npy(header("'<q77'", "(1,)"), b"x" * 8),
    "no type": npy(header("None", "(1,)"), b"x" * 8),
    "no characters": npy(header("'<U2'", "(1,)"), b"\xff" * 8),
    "version": b"\x93NUMPY\x09\x00" + b"\0" * 64,
    "version 3": b"\x93NUMPY\x03\x00" + (100).to_bytes(4, "little") + b"\xff" * 100,
    "no magic": b"PK" + b"\0" * 64,
    "cut magic": b"\x93NU",
    "nothing": b"",
}


@pytest.mark.parametrize("damage", HEADERS)
def test_broken_headers_are_errors(whole, path, damage):
    path.write_bytes(whole[1])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("more.npy", HEADERS[damage])
    with pytest.raises(ValueError, match="is not a checkpoint: "):
        load_state(path)


def patched_list(content: bytes, name: str, offset: int, new: bytes) -> bytes:
    """Return an archive in whose list at the end something else is said of a member."""
    place = content.rindex(name.encode()) - 46 + offset
    return content[:place] + new + content[place + len(new) :]


def flags_set(content: bytes) -> bytes:
    """Return an archive that claims, in both places, that its member loss_curve.npy is encrypted."""
    content = patched_list(content, "loss_curve.npy", 8, b"\x01\x00")
    place = content.index(b"loss_curve.npy") - 30 + 6
    return content[:place] + b"\x01\x00" + content[place + 2 :]


ARCHIVES = {
    "encrypted": flags_set,
    "cut": lambda content: content[:-30],
    "nothing but the end": lambda content: content[-22:],
    "end without beginning": lambda content: content[len(content) // 2 :],
    "size of 4 GB": lambda content: patched_list(content, "loss_curve.npy", 24, b"\xfe\xff\xff\xff"),
    "sizes of 4 GB": lambda content: patched_list(content, "loss_curve.npy", 20, b"\xfe\xff\xff\xff\xfe\xff\xff\xff"),
    "place beyond the end": lambda content: patched_list(content, "loss_curve.npy", 42, b"\xfe\xff\xff\x7f"),
    "place of another": lambda content: patched_list(content, "loss_curve.npy", 42, b"\x00\x00\x00\x00"),
    "unknown compression": lambda content: patched_list(content, "loss_curve.npy", 10, b"\x63\x00"),
    "checksum": lambda content: patched_list(content, "loss_curve.npy", 16, b"\x00\x00\x00\x01"),
}


@pytest.mark.parametrize("damage", ARCHIVES)
def test_broken_archives_are_errors(whole, path, damage):
    path.write_bytes(ARCHIVES[damage](whole[1]))
    with pytest.raises(ValueError, match="is not a checkpoint: "):
        goes_on(path)


def test_members_of_the_same_name_are_an_error(whole, path):
    path.write_bytes(whole[1])
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("lr.npy", npy(header(), b"\0" * 8))
    with pytest.raises(ValueError, match="is not a checkpoint: it has several parts of the same name"):
        load_state(path)


def test_what_unpacks_to_much_is_an_error_before_memory_is_taken(whole, path):
    """A gigabyte of zeros takes a megabyte in an archive; and an archive may claim one part many times."""
    path.write_bytes(whole[1])
    n_bytes = 2**26
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("more.npy", npy(header(shape=f"({n_bytes // 8},)"), b"\0" * n_bytes))
    assert path.stat().st_size < n_bytes / 100
    tracemalloc.start()
    with pytest.raises(ValueError, match="is not a checkpoint: its part 'more.npy' is compressed or encrypted"):
        load_state(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < n_bytes / 10


def test_parts_that_lie_on_each_other_are_an_error(path):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for number in range(50):
            archive.writestr(f"a{number:02}.npy", npy(header(shape="(1000,)"), b"\0" * 8000) if number == 0 else b"")
    data = content.getvalue()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        first = archive.infolist()[0].file_size
    for number in range(1, 50):
        sizes = first.to_bytes(4, "little") * 2
        data = patched_list(patched_list(data, f"a{number:02}.npy", 20, sizes), f"a{number:02}.npy", 42, b"\0" * 4)
    path.write_bytes(data)
    with pytest.raises(ValueError, match="is not a checkpoint: its parts claim to be larger than the file"):
        load_state(path)


def test_names_of_parts_are_names_alone(whole, path):
    """Nothing is unpacked, wherever a name points to."""
    path.write_bytes(whole[1])
    with zipfile.ZipFile(path, "a") as archive:
        for name in ("../../up.npy", "/etc/absolute.npy", "Ünicode ☃.npy", "n" * 3000 + ".npy"):
            archive.writestr(name, npy(header(), b"\0" * 8))
    np.testing.assert_array_equal(goes_on(path), whole[2])
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_checkpoint_with_thousands_of_parts_takes_no_long_time(whole, path):
    path.write_bytes(whole[1])
    with zipfile.ZipFile(path, "a") as archive:
        for number in range(3000):
            archive.writestr(f"more_{number}.npy", npy(header(), b"\0" * 8))
    np.testing.assert_array_equal(goes_on(path), whole[2])


def test_files_that_cannot_be_opened_are_no_damaged_checkpoints(tmp_path):
    with pytest.raises(FileNotFoundError):
        make().load_checkpoint(tmp_path / "missing.npz")
    with pytest.raises(IsADirectoryError):
        make().load_checkpoint(tmp_path)


def test_any_bytes_changed_are_an_error_or_harmless(whole, path):
    _, content, expected, _ = whole
    rng = np.random.default_rng(0)
    n_errors = 0
    for _ in range(150):
        damaged = bytearray(content)
        # Headers and the list at the end are where a change is not caught by a checksum.
        start = rng.choice([0, len(content) - 6000, rng.integers(len(content))])
        for place in rng.integers(start, min(start + 6000, len(content)), size=rng.integers(1, 4)):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            result = goes_on(path)
        except ValueError as error:
            assert "checkpoint" in str(error)  # noqa: PT017
            n_errors += 1
        else:
            np.testing.assert_array_equal(result, expected)
    assert n_errors > 50


SOMETHING_ELSE = [-1, 0, 2, 2**62, -(2**62), 1e308, -1e308, np.inf, -np.inf, np.nan, 1e-310]


def test_any_number_changed_is_an_error_or_goes_on_to_finite_results(whole, path):
    arrays = whole[0]
    rng = np.random.default_rng(1)
    names = sorted(name for name, array in arrays.items() if array.dtype.kind in "fiu")
    n_errors = 0
    for _ in range(60):
        name = names[rng.integers(len(names))]
        array = arrays[name].copy()
        with np.errstate(all="ignore"):
            array.flat[rng.integers(array.size)] = np.asarray(SOMETHING_ELSE[rng.integers(11)]).astype(array.dtype)
        np.savez(path, **{**arrays, name: array})
        try:
            assert np.isfinite(goes_on(path)).all(), name
        except ValueError:
            n_errors += 1
    assert n_errors > 10


def test_elements_of_no_bytes_take_no_memory(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<U0", "fortran_order": False, "shape": (5 * 10**8,)})
    with zipfile.ZipFile(tmp_path / "empty.npz", "w") as archive:
        archive.writestr("a.npy", header.getvalue())
    with pytest.raises(ValueError, match="is not a checkpoint: its part 'a.npy' claims the shape"):
        load_state(tmp_path / "empty.npz")
