"""Tables with every kind of column, for the tests of encoders and pipelines."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd


def with_gaps(values, random, fraction=0.1):
    """Return a series of objects, some of them missing."""
    series = pd.Series(list(values), dtype=object)
    series[random.random(len(series)) < fraction] = None
    return series


def every_kind(n_rows=200, seed=0):
    """Return a frame with a column of every kind, missing values in each, and targets that depend on some."""
    random = np.random.default_rng(seed)
    income = random.lognormal(sigma=1.5, size=n_rows)
    town = random.choice(["Ayr", "Bonn", "Caen", "Dax"], p=[0.4, 0.4, 0.19, 0.01], size=n_rows)
    days = random.integers(0, 700, size=n_rows)
    start = datetime.datetime(2022, 3, 1, 7)
    names = ["Ann", "Bob", "Cy", "Dee"]
    frame = pd.DataFrame(
        {
            "income": with_gaps(income, random).astype(float),
            "n_rooms": with_gaps(random.integers(1, 9, size=n_rows), random).astype("Int64"),
            "share": with_gaps(random.random(n_rows), random).astype("Float32"),
            "infinite": np.where(random.random(n_rows) < 0.1, np.inf, income),
            "owner": with_gaps(random.random(n_rows) < 0.4, random),
            "garden": with_gaps(random.random(n_rows) < 0.4, random).astype("boolean"),
            "heated": random.random(n_rows) < 0.6,
            "town": with_gaps(town, random),
            "region": with_gaps(town, random).astype("string"),
            "grade": with_gaps(random.choice(list("abc"), size=n_rows), random).astype("category"),
            "code": with_gaps(random.integers(0, 4, size=n_rows), random).astype("category"),
            "street": with_gaps([f"street {j}" for j in random.integers(0, 60, size=n_rows)], random),
            "owned_by": with_gaps([f"{random.choice(names)} van {i}" for i in range(n_rows)], random),
            "id": with_gaps([f"A{i}" for i in range(n_rows)], random),
            "since": with_gaps([start + datetime.timedelta(hours=31 * int(day)) for day in days], random),
            "until": with_gaps(
                [(start + datetime.timedelta(days=int(day))).strftime("%d.%m.%Y") for day in days], random
            ),
            "seen": pd.Series([start + datetime.timedelta(days=int(day)) for day in days]).dt.tz_localize("Asia/Tokyo"),
            "born": with_gaps([datetime.date(1980, 1, 1) + datetime.timedelta(days=int(day)) for day in days], random),
            "stay": pd.to_timedelta(with_gaps([float(day) for day in days], random).astype(float), unit="h"),
            "price": with_gaps([Decimal(int(day)) / 7 for day in days], random),
            "size": with_gaps([str(day / 4) for day in days], random).fillna("?"),
            "mixed": with_gaps([i % 3 if i % 2 else f"level {i % 3}" for i in range(n_rows)], random),
            "one": "same",
            "seven": 7.0,
            "month": pd.Series(pd.period_range("2020-01", periods=12, freq="M").repeat(-(-n_rows // 12))[:n_rows]),
            "range": pd.cut(pd.Series(income), [0, 0.5, 2, np.inf]),
            "at": with_gaps([datetime.time(int(day) % 24, 30) for day in days], random),
        }
    )
    score = np.log(income) + 2 * (town == "Ayr") + 0.3 * random.normal(size=n_rows)
    return frame, score


def with_strange_values(frame):
    """Return other rows: levels that are not in training, and missing values where there are none."""
    new = frame.copy()
    new.loc[0, ["town", "region", "street", "owned_by", "mixed"]] = "somewhere else"
    new["grade"] = new["grade"].astype(object)
    new.loc[1, "grade"] = "z"
    new.loc[2, ["income", "infinite"]] = [1e300, -np.inf]
    new["heated"] = new["heated"].astype(object)
    for row, name in enumerate(new.columns):
        new.loc[row + 3, name] = None
    new["n_rooms"] = None
    return new
