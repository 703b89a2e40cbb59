"""Training: descriptions of fits, the rows that they read, and one trainer for one network or many.

The engine knows losses, penalties, solvers and the other axes, but no estimators. A field of
:class:`~skreg.engine.spec.FitSpec` is either structure, in which all networks of a population agree, or named in
``member_parameters``; grouping and memory follow from that. Backends, adapters, the estimators and what fits many of
them import it. A new place in a step where regularizers act is a field there, and a call in the trainer's ``_step``.
"""
