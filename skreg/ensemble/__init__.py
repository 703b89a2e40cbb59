"""Ensembles: networks of several folds or several starts, their averaged predictions and what these are worth."""
