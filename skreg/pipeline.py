"""Pipelines from tables as they are to predictions."""

import contextlib

import numpy as np
from sklearn import get_config
from sklearn.base import clone, is_regressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from skreg._composition import opened
from skreg._doc_link import DocLink
from skreg._estimator.attributes import unchanged_on_error
from skreg._estimator.columns import column_norms
from skreg.preprocessing import TableEncoder


class TablePipeline(DocLink, Pipeline):
    """Pipeline of an encoder of tables and an estimator, as :func:`table_pipeline` makes it.

    A :class:`~sklearn.pipeline.Pipeline` that takes `sample_weight` in `fit`, and knows which columns of the table its
    estimator uses.

    Parameters
    ----------
    steps : list of (str, estimator)
        Names and steps; the last but one is a :class:`~skreg.preprocessing.TableEncoder`.
    transform_input : list of str, default=None
        As in :class:`~sklearn.pipeline.Pipeline`.
    memory : str or object, default=None
        As in :class:`~sklearn.pipeline.Pipeline`.
    verbose : bool, default=False
        As in :class:`~sklearn.pipeline.Pipeline`.

    Attributes
    ----------
    feature_importances_ : ndarray of shape (`n_features_in_`,)
        Euclidean norm of the importances of the features that a column became; 0 for columns that were dropped. There
        is none if the last estimator has none.
    selected_features_ : ndarray of int or str of shape (n_selected,)
        Columns of which the estimator uses a feature, as positions, or as names after a fit on a frame.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of str of shape (`n_features_in_`,)
        Names of the columns; only for frames whose names are strings.
    classes_ : ndarray
        Classes, of a classifier.

    See Also
    --------
    table_pipeline : Makes such a pipeline.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skreg import table_pipeline
    >>> df = pd.DataFrame({"dose": [1.0, 2.0, None, 9.0] * 5, "ward": ["east", "west", "west", None] * 5})
    >>> model = table_pipeline(LogisticRegression()).fit(df, df["ward"] == "east")
    >>> type(model).__name__, model.n_features_in_
    ('TablePipeline', 2)
    """

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        of_encoder = get_tags(self.steps[0][1])
        for name in ("allow_nan", "categorical", "string"):
            setattr(tags.input_tags, name, getattr(of_encoder.input_tags, name))
        if tags.transformer_tags is not None and of_encoder.transformer_tags is not None:
            tags.transformer_tags.preserves_dtype = of_encoder.transformer_tags.preserves_dtype
        return tags

    def fit(self, X, y=None, sample_weight=None, **params):
        """Encode a table, and fit the estimator to it; a fit that fails leaves all steps as they were.

        Parameters
        ----------
        X : {array-like, dataframe} of shape (n_samples, n_features)
            A table: a frame of pandas or polars, or an array.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the fit of the last step. The encoder does not use them.
        **params : dict
            Further arguments, as in :class:`~sklearn.pipeline.Pipeline`.

        Returns
        -------
        TablePipeline
            The pipeline.
        """
        if sample_weight is not None:
            is_routed = get_config()["enable_metadata_routing"]
            params["sample_weight" if is_routed else f"{self.steps[-1][0]}__sample_weight"] = sample_weight
        with contextlib.ExitStack() as stack:
            # Otherwise an encoder of the new table would stand before an estimator of the old one.
            for changed in (self, *(step for _, step in self.steps)):
                if isinstance(getattr(changed, "__dict__", None), dict):  # no string, and no class
                    stack.enter_context(unchanged_on_error(changed))
            return super().fit(X, y, **params)

    @property
    def feature_importances_(self) -> np.ndarray:
        """Euclidean norm of the importances of the features that a column became."""
        sources, estimator = self._sources_and_estimator()
        importances = np.abs(np.asarray(estimator.feature_importances_, dtype=np.float64))
        return column_norms(importances, sources, self.n_features_in_)

    @property
    def selected_features_(self) -> np.ndarray:
        """Columns of which the estimator uses a feature, as positions, or as names after a fit on a frame."""
        sources, estimator = self._sources_and_estimator()
        selected = estimator.selected_features_
        if hasattr(estimator, "feature_names_in_"):
            selected = np.flatnonzero(np.isin(estimator.feature_names_in_, selected))
        columns = np.unique(sources[selected])
        return self.feature_names_in_[columns] if hasattr(self, "feature_names_in_") else columns

    def _sources_and_estimator(self) -> tuple[np.ndarray, object]:
        """Return the column of each feature, and the innermost estimator that gets the features."""
        check_is_fitted(self)
        encoder = self.steps[-2][1] if len(self.steps) > 1 else None
        if not hasattr(encoder, "source_columns_"):
            raise AttributeError(
                "The columns that an estimator uses are known if the step before it is a TableEncoder; "
                f"got {encoder!r}."
            )
        *_, estimator = opened(self.steps[-1][1])
        return encoder.source_columns_, estimator


def table_pipeline(estimator, *, encoder=None) -> TablePipeline:
    """Return a pipeline that fits an estimator to a table as it is, with gaps, categories, text and dates.

    Parameters
    ----------
    estimator : estimator
        A classifier or regressor, such as :class:`~skreg.RegularizedMLPClassifier`, one that chooses its strength, or a
        search.
    encoder : TableEncoder, default=None
        What makes numbers of the table; None means a :class:`~skreg.preprocessing.TableEncoder` with its defaults.
        Before a regressor, ``target_type="auto"`` becomes "continuous" in a copy of it.

    Returns
    -------
    TablePipeline
        The pipeline, with steps named as by :func:`~sklearn.pipeline.make_pipeline`: "tableencoder" and, for instance,
        "regularizedmlpclassifier".

    Raises
    ------
    TypeError
        If `estimator` is no estimator, or `encoder` no transformer.

    See Also
    --------
    skreg.preprocessing.TableEncoder : What becomes of each column.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skreg import RegularizedMLPClassifier, table_pipeline
    >>> random = np.random.default_rng(0)
    >>> df = pd.DataFrame({"dose": random.lognormal(size=200), "ward": random.choice(["east", "west", None], size=200)})
    >>> y = np.where((df["dose"] > 1) & (df["ward"] != "east"), "well", "ill")
    >>> df.loc[::9, "dose"] = np.nan
    >>> network = RegularizedMLPClassifier((20,), learning_rate="cosine", learning_rate_init=0.02, max_iter=40)
    >>> model = table_pipeline(network.set_params(random_state=0)).fit(df, y)
    >>> bool(model.score(df, y) > 0.9)
    True
    >>> model.predict(pd.DataFrame({"dose": [None, 3.0], "ward": ["north", "west"]})).shape
    (2,)
    >>> model.feature_importances_.shape
    (2,)
    """
    if isinstance(estimator, type) or not hasattr(estimator, "fit") or not hasattr(estimator, "get_params"):
        raise TypeError(
            f"The 'estimator' parameter must be an estimator, such as RegularizedMLPClassifier(); got {estimator!r}."
        )
    if encoder is None:
        encoder = TableEncoder()
    if isinstance(encoder, type) or not hasattr(encoder, "fit") or not hasattr(encoder, "transform"):
        raise TypeError(
            f"The 'encoder' parameter must be None or a transformer, such as TableEncoder(); got {encoder!r}."
        )
    if isinstance(encoder, TableEncoder) and encoder.target_type == "auto" and is_regressor(estimator):
        encoder = clone(encoder).set_params(target_type="continuous")
    return TablePipeline(make_pipeline(encoder, estimator).steps)


__all__ = ["TablePipeline", "table_pipeline"]
