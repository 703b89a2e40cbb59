"""Tables as they are: what turns frames with gaps, categories, text and dates into numbers for a network.

:class:`TableEncoder` reads a table by column (`_frames`, `_columns`), learns how to read each (`_readers`), and writes
blocks of features (`_blocks`) by a plan (`_plan`). What it returns knows the column of each feature (`_encoded`).
A new kind of column is a reader, and a branch of ``reader_of`` in `_plan`. The estimators import this folder, and it
imports none of them; skrub is imported when it is used. :class:`PiecewiseLinearEncoder` adds pieces of their range to
numbers that are encoded (`_piecewise`).
"""

from skreg.preprocessing._piecewise import PiecewiseLinearEncoder
from skreg.preprocessing._table_encoder import TableEncoder

__all__ = ["PiecewiseLinearEncoder", "TableEncoder"]
