"""What the estimators share: preparation and results of fits, fitted attributes, and incremental training.

A fit is ``prepare`` (checks, and the description of the fit), the training of :mod:`skreg.engine`, and ``finish``. The
engine, the penalties and the other axes do not import this folder; the estimators, :mod:`skreg.model_selection` and
:mod:`skreg.inspection` import it.
"""
