"""The only modules that know the inside of other libraries' training loops: one file for each library.

`skorch.py` holds the ``skorch.NeuralNet`` that wraps every single fit: its loop runs the trainer, and its observer
hands events to skorch's callbacks. Only the estimators import this folder. A new adapter derives from
:class:`skreg.engine.observer.Observer`, which the trainer notifies of epochs and batches.
"""
