"""Values that hold for what runs inside a block."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar


@contextlib.contextmanager
def set_context_var(variable: ContextVar, value) -> Iterator[None]:
    """Give a context variable a value within a block, and its old one afterwards."""
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)
