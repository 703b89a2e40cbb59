"""What the estimators share: preparation and results of fits, fitted attributes, and incremental training.

A fit is ``prepare`` (checks, and the description of the fit), the training of :mod:`skreg.engine`, and ``finish``, both
in `prepare`. One job a file: a new parameter is declared in `parameters`; a new check of parameters goes into
`checks`, of data into `data` (of the table that they come from, `columns`), of pickles into `state`; a new warning
into `advice`; a new fitted attribute is set by ``finish`` (weights in `weights`), documented in `docstring` and
checked in `state`; a new kind of prediction is a method in `fitted`. What is done by one network alone (callbacks,
scorers, a refit) is in `single`, and training that continues in `incremental`, `history` and `resuming`. The engine,
the penalties and the other axes do not import this folder; the estimators, :mod:`skreg.model_selection` and
:mod:`skreg.inspection` import it.
"""
