"""What the estimators share: the parts that the classifier and the regressor put their targets to.

A fit is ``prepare`` (checks, and the description of the fit), the training of :mod:`skreg.engine`, and ``finish``. The
engine, the penalties and the other axes know nothing of what is here; the estimators, :mod:`skreg.model_selection` and
:mod:`skreg.inspection` import it.
"""
