"""Inventories of other packages' documentation, written from the installed packages: no network is needed for links.

Intersphinx usually downloads the list of what a site documents (objects.inv). Here such a list is written for the names
that our pages and docstrings refer to. Every name is imported, so none can be misspelt or gone, and the pages of each
site follow one pattern. A reference to a name that is missing here fails the build: add it below.
"""

import inspect
import zlib
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from sphinx.util.inventory import InventoryFile

HEADER = """# Sphinx inventory version 2
# Project: {name}
# Version:
# The remainder of this file is compressed using zlib.
"""


class Site(NamedTuple):
    """Where a package is documented: its address, the pattern of its pages, and the names that are linked.

    In the pattern, ``{name}`` is the whole name of an object, and ``{module}`` the last part of its module's.
    """

    address: str
    page: str
    names: str


SITES = {
    "sklearn": Site(
        "https://scikit-learn.org/stable/",
        "modules/generated/{name}.html",
        """
        calibration.CalibratedClassifierCV calibration.CalibrationDisplay calibration.calibration_curve
        callback.ProgressBar callback.ScoringMonitor
        compose.ColumnTransformer compose.TransformedTargetRegressor
        compose.make_column_transformer
        datasets.fetch_openml datasets.get_data_home datasets.load_breast_cancer datasets.load_diabetes
        datasets.load_digits datasets.load_iris datasets.make_friedman1
        ensemble.BaggingClassifier ensemble.BaggingRegressor
        ensemble.HistGradientBoostingClassifier ensemble.HistGradientBoostingRegressor
        feature_selection.RFE feature_selection.SelectFromModel
        inspection.PartialDependenceDisplay inspection.permutation_importance
        linear_model.ElasticNet linear_model.Lasso linear_model.LogisticRegression linear_model.MultiTaskLasso
        linear_model.Ridge linear_model.RidgeCV
        metrics.accuracy_score metrics.brier_score_loss metrics.d2_pinball_score metrics.log_loss metrics.r2_score
        model_selection.GridSearchCV model_selection.GroupKFold model_selection.GroupShuffleSplit
        model_selection.KFold model_selection.LearningCurveDisplay model_selection.RandomizedSearchCV
        model_selection.RepeatedKFold model_selection.RepeatedStratifiedKFold model_selection.StratifiedKFold
        model_selection.TimeSeriesSplit model_selection.ValidationCurveDisplay model_selection.cross_val_predict
        model_selection.cross_val_score model_selection.cross_validate model_selection.learning_curve
        model_selection.train_test_split model_selection.validation_curve
        multioutput.MultiOutputClassifier
        neural_network.MLPClassifier neural_network.MLPRegressor
        pipeline.Pipeline pipeline.make_pipeline
        preprocessing.FunctionTransformer preprocessing.OneHotEncoder preprocessing.QuantileTransformer
        preprocessing.RobustScaler preprocessing.SplineTransformer preprocessing.StandardScaler
        preprocessing.TargetEncoder preprocessing.scale
        set_config utils.Bunch
        """,
    ),
    "skorch": Site(
        "https://skorch.readthedocs.io/en/stable/",
        "{module}.html",
        """
        callbacks.Checkpoint callbacks.EarlyStopping callbacks.GradientNormClipping callbacks.LRScheduler
        classifier.NeuralNetClassifier net.NeuralNet regressor.NeuralNetRegressor
        """,
    ),
    "torch": Site(
        "https://docs.pytorch.org/docs/stable/",
        "generated/{name}.html",
        "Generator optim.Adam optim.AdamW optim.lr_scheduler.StepLR",
    ),
    "numpy": Site(
        "https://numpy.org/doc/stable/", "reference/generated/{name}.html", "histogram_bin_edges load ndarray"
    ),
    "skrub": Site(
        "https://skrub-data.org/stable/",
        "reference/generated/{name}.html",
        "DatetimeEncoder SquashingScaler StringEncoder ToDatetime",
    ),
    "pandas": Site("https://pandas.pydata.org/docs/", "reference/api/{name}.html", "DataFrame read_csv"),
}


def entry(name: str, page: str) -> str:
    """Return the line of an inventory for an object; raise if there is no such object."""
    module, _, attribute = name.rpartition(".")
    role = "class" if inspect.isclass(getattr(import_module(module), attribute)) else "function"
    page = page.format(name=name, module=module.rpartition(".")[2])
    return f"{name} py:{role} 1 {page}#$ -\n"


def write_inventories(folder: Path) -> dict[str, tuple[str, str]]:
    """Write one inventory for every site, and return what ``intersphinx_mapping`` wants to know of them.

    Parameters
    ----------
    folder : Path
        Where to write; it is made if it does not exist.

    Returns
    -------
    dict of str to tuple of str
        For each package the site's address and the file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mapping = {}
    for package, site in SITES.items():
        lines = "".join(entry(f"{package}.{name}", site.page) for name in site.names.split())
        content = HEADER.format(name=package).encode() + zlib.compress(lines.encode())
        InventoryFile.loads(content, uri=site.address)  # raises if Sphinx could not read it
        file = folder / f"{package}.inv"
        file.write_bytes(content)
        mapping[package] = (site.address, str(file))
    return mapping
