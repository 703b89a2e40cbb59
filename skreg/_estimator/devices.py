"""Device of predictions, where that of the fit does not exist."""

from collections.abc import Callable

import torch


def n_devices(kind: str) -> int:
    """Return the number of devices of a type, such as 'cuda', that torch can use here."""
    if kind == "mps":
        return int(torch.backends.mps.is_available())
    module = getattr(torch, kind, None)
    # A type without such a module is one to describe tensors with ('meta'), or of an extension that is not installed.
    if not hasattr(module, "device_count") or not module.is_available():
        return 0
    return module.device_count()


def device_here(wished: str | torch.device, count: Callable[[str], int] = n_devices) -> torch.device:
    """Return the device on which predictions are computed.

    Parameters
    ----------
    wished : str or torch.device
        The device that was asked for, perhaps on another machine.
    count : callable, default=n_devices
        Takes a type of device; returns how many there are.

    Returns
    -------
    torch.device
        The device itself, if it exists; else the first one of its type; else the CPU.
    """
    cpu = torch.device("cpu")
    try:
        device = torch.device(wished)
    except RuntimeError:  # torch knows the names of some types only beside their extension
        return cpu
    if device.type == "cpu":
        return device
    number = count(device.type)
    if not number:
        return cpu
    exists = device.index is None or device.index < number
    return device if exists else torch.device(device.type, 0)
