"""The only modules that know the inside of other libraries' training loops and callbacks.

`skorch.py` holds the ``skorch.NeuralNet`` that wraps every single fit: its loop runs the trainer, and its observer
hands events to skorch's callbacks. `callbacks.py` says which of these can be used, and notifies those of scikit-learn.
Only the estimators import this folder. A new adapter is a file of its own, with a class derived from
:class:`skreg.engine.observer.Observer`, which the trainer notifies of epochs and batches.
"""
