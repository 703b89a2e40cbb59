"""Former module of a public result, for pickles that name it."""

from skreg._estimator.fitted import DropoutSamples

__all__ = ["DropoutSamples"]
