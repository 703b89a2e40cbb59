"""Where many fits run: in threads, or wherever joblib's active backend takes them."""

from skreg.backends._joblib import train_fits

__all__ = ["train_fits"]
