"""The network: multilayer perceptrons with forward and backward passes in closed form, many of one shape at once.

One file for each block (`linear`, `norm`, `activation`, `dropout`), for what puts them together (`mlp`), for where
their parameters lie in memory (`layout`), and for removing the superfluous ones (`pruning`). The blocks know torch
alone: neither losses nor penalties. Averages, solvers, the engine and the estimators import this folder. A new
activation is a line in ``ACTIVATIONS``; a new block is a pure function forward and one backward, called in ``MLP``,
with a case in the tests that compare gradients with autograd in float64.
"""
