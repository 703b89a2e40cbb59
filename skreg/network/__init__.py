"""The network: multilayer perceptrons with forward and backward passes in closed form, many of one shape at once.

One file for each block (`linear`, `norm`, `activation`, `dropout`), for the network that is made of them (`mlp`), for
the layout of its parameters in memory (`layout`), and for its pruning (`pruning`). The blocks know torch
alone: neither losses nor penalties. Averages, solvers, the engine and the estimators import this folder. A new
activation is a line in ``ACTIVATIONS``; a new block is a pure function forward and one backward, called in ``MLP``,
with a case in the tests that compare gradients with autograd in float64.
"""
