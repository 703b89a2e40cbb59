"""Numbers between 0 and 1 that look drawn, and are the same whenever a row comes again."""

import numpy as np
import pandas as pd
from scipy import sparse

# So many numbers of a sparse matrix are dense at a time.
BLOCK_SIZE = 2**22


def row_draws(X, seed: int = 0) -> np.ndarray:
    """Return a number for each row that follows from its content and a seed.

    A row gets the same number alone, among others and in any order, as a prediction does. Equal rows get equal numbers,
    whatever the type of their numbers.

    Parameters
    ----------
    X : {DataFrame, ndarray, sparse matrix} of shape (n_rows, n_features)
        The rows.
    seed : int, default=0
        Another seed gives other numbers.

    Returns
    -------
    ndarray of shape (n_rows,)
        Numbers of at least 0 and smaller than 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skreg.ensemble._draws import row_draws
    >>> X = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> bool((row_draws(X)[1:] == row_draws(X[1:])).all())
    True
    """
    if sparse.issparse(X):
        step = max(1, BLOCK_SIZE // X.shape[1])
        parts = [row_draws(X[first : first + step].toarray(), seed) for first in range(0, X.shape[0], step)]
        return np.concatenate(parts) if parts else np.empty(0)
    if not isinstance(X, pd.DataFrame):
        X = np.asarray(X)
        X = pd.DataFrame(X.reshape(len(X), -1) if X.size else X)
    X = pd.DataFrame({number: _as_floats(X.iloc[:, number]) for number in range(X.shape[1])})
    hashes = pd.util.hash_pandas_object(X, index=False).to_numpy(dtype=np.uint64)
    offset = np.random.SeedSequence(seed).generate_state(1, dtype=np.uint64)
    # The 53 upper bits are those of a float between 0 and 1.
    return (_mixed(hashes ^ offset) >> np.uint64(11)) * 2.0**-53


def _as_floats(column: pd.Series) -> pd.Series | np.ndarray:
    """Return numbers of any type as float64, and -0 as 0, so that equal ones are the same bits; others as they are."""
    if not pd.api.types.is_numeric_dtype(column.dtype) or column.dtype.kind == "c":
        return column.reset_index(drop=True)
    return column.to_numpy(dtype=np.float64, na_value=np.nan) + 0.0


def _mixed(values: np.ndarray) -> np.ndarray:
    """Return integers in which each bit depends on all bits (the last steps of splitmix64)."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        values = (values ^ (values >> np.uint64(shift))) * np.uint64(factor)
    return values ^ (values >> np.uint64(31))
