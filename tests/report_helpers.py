"""Comparisons to report, made of numbers instead of fits, with names that nobody should trust."""

import numpy as np
import pandas as pd

from skreg.inspection import RegularizerComparison

NAMES = ["none", "l1", "dropout", "linear"]
# Each sets window.__pwned if it gets to run.
HOSTILE_NAMES = [
    "<script>window.__pwned = 1</script>",
    '"><img src="x" onerror="window.__pwned = 2">',
    "</title></style></script><script>window.__pwned = 3</script>",
    "' onmouseover='window.__pwned = 4",
    "--> <!-- & &lt; ]]>",
    "$x^2$ and $ alone \\$",
    "two\nlines\x00",
    "\u202eturned\u2066 \ud800",
    "very_long_" * 20,
]
# What cannot be seen is written as Python escapes it.
VISIBLE_NAMES = [
    *HOSTILE_NAMES[:6],
    "two\\nlines\\x00",
    "\\u202eturned\\u2066 \\ud800",
    HOSTILE_NAMES[8],
]


def comparison_of(names, *, n_folds=4, classifier=True, score_name="accuracy", settings=None, chosen=None):
    """Return a comparison with random numbers; the last name is no network of ours, and the later ones score better."""
    rng = np.random.default_rng(0)
    losses = ["log_loss", "calibration_error", "classwise_calibration_error"] if classifier else ["mean_squared_error"]
    lines = []
    for rank, name in enumerate(names):
        sizes = {"zeros": rng.uniform(), "parameters": float(rng.integers(9000)), "epochs": float(rng.integers(99))}
        if rank == len(names) - 1:
            sizes = dict.fromkeys(sizes, np.nan)
        for fold in range(n_folds):
            test, gap = 0.8 + 0.02 * rank + 0.02 * rng.normal(), 0.05 + 0.01 * rng.normal()
            lines.append(
                {
                    "regularizer": name,
                    "fold": fold,
                    "test_score": test,
                    "train_score": test + gap,
                    "gap": gap,
                    **{loss: rng.uniform() for loss in losses},
                    **sizes,
                    "fit_time": rng.uniform(),
                    "tuning_time": rng.uniform(),
                    "chosen": {"mlp__alpha": 0.001, "mlp__dropout": 0.1} if chosen is None else chosen,
                }
            )
    return RegularizerComparison(
        pd.DataFrame(lines),
        score_name=score_name,
        n_train=90.0,
        n_test=30.0,
        settings={"rows": 120, "random_state": "0"} if settings is None else settings,
    )


def hostile_comparison():
    """Return a comparison all of whose names are hostile: regularizers, score, parameters and settings."""
    attack, image = HOSTILE_NAMES[:2]
    return comparison_of(HOSTILE_NAMES, score_name=attack, settings={image: attack}, chosen={"<b>alpha</b>": image})
