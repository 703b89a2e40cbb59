"""Files that are replaced as a whole, or not at all."""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import BinaryIO

# Errors of a folder that cannot be synchronized: it may be written but not read, or its file system has no such call.
_CANNOT_SYNC = (errno.EACCES, errno.EPERM, errno.EINVAL, errno.ENOTSUP)
# Errors of a file that cannot be given to its former owner: by this user, or because the system does not know that one.
_CANNOT_GIVE = (errno.EPERM, errno.EINVAL)


def path_of(path, name: str = "path") -> str:
    """Return the path of a file or folder as a string.

    Parameters
    ----------
    path : str, bytes or path-like
        What the user gave.
    name : str, default="path"
        Name of the parameter.

    Raises
    ------
    TypeError
        If it is none of these: an integer, for instance, would be an open file of the process.
    ValueError
        If it is empty, or no path of this system.
    """
    if not isinstance(path, str | bytes | os.PathLike):
        raise TypeError(f"The {name!r} parameter must be a str, bytes or path-like object; got {path!r:.100}.")
    text = str(os.fsdecode(path))
    if not text or "\0" in text:
        raise ValueError(f"The {name!r} parameter must be a path, not empty and without null characters; got {path!r}.")
    try:
        os.fsencode(text)
    except UnicodeEncodeError as error:
        raise ValueError(f"The {name!r} parameter must be in the encoding of paths; got {path!r}.") from error
    return text


@contextmanager
def replaced_file(path: str) -> Iterator[BinaryIO]:
    """Open a file for a block of code that writes it; only when all is written does it get its name.

    Whoever reads the name finds the former content or all of the new one, whenever that is, however many write at the
    same time, and after an error, the end of the process or a power failure. An existing file keeps its mode, and its
    owner where the system allows it; a new one has the mode that the process gives to new files. The target of a link
    is replaced, not the link. A device or a pipe has no content to replace, and is written to.

    Parameters
    ----------
    path : str
        The file, as :func:`path_of` returns it.

    Yields
    ------
    file object
        To write bytes to.

    Raises
    ------
    OSError
        If the file cannot be written: its folder is missing, for instance, or it is a folder or read-only. The error
        is the same as that of :func:`open`.
    """
    former = _file_to_replace(path)
    if former is not None and not stat.S_ISREG(former.st_mode):
        with open(path, "wb") as file:
            yield file
        return
    # Absolute: another thread may change the working directory. Links are followed.
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    # In the same folder, as files are moved only within a file system. Short: a name may be as long as one can be.
    part = os.path.join(folder, f".skreg-{secrets.token_hex(8)}.part")
    try:
        with _new_file(part, path, is_private=former is not None) as file:
            if former is not None:
                _keep_rights(part, former)
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
    except BaseException:  # an interrupt, too
        with suppress(FileNotFoundError):  # it was never made, or has its name by now
            os.unlink(part)
        raise
    _sync_folder(folder)


def _file_to_replace(path: str) -> os.stat_result | None:
    """Return what is known of a file that exists; None for a new one; raise OSError if it cannot be written."""
    try:
        former = os.stat(path)
    except FileNotFoundError:  # also what a link points to
        os.stat(os.path.dirname(path) or os.curdir)  # the error of a missing folder names the folder
        return None
    if stat.S_ISDIR(former.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    # It could be replaced, but who made it read-only wants to keep it.
    if not os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    return former


def _new_file(part: str, path: str, *, is_private: bool) -> BinaryIO:
    """Open a new file, of the mode that the process gives to new files, or first for its user alone."""
    # The system itself subtracts the umask, which cannot be read without setting it, for all threads.
    opener = partial(os.open, mode=0o600 if is_private else 0o666)
    try:
        return open(part, "xb", opener=opener)
    except OSError as error:
        words = f"No file can be made in the folder {os.path.dirname(part)!r}: {error.strerror}"
        raise OSError(error.errno, words, path) from error


def _keep_rights(part: str, former: os.stat_result) -> None:
    """Give a new file the mode, owner and group of the one that it replaces."""
    new, mode = os.stat(part), stat.S_IMODE(former.st_mode)
    if (new.st_uid, new.st_gid) != (former.st_uid, former.st_gid) and not _give(part, former):
        mode &= ~stat.S_IRWXG  # what one group may do is not for another
    if mode != stat.S_IMODE(new.st_mode):
        os.chmod(part, mode)


def _give(part: str, former: os.stat_result) -> bool:
    """Give a file to the owner and the group of another one, or to the group alone; return whether that was allowed."""
    for owner in (former.st_uid, -1):
        try:
            os.chown(part, owner, former.st_gid)
        except OSError as error:
            if error.errno not in _CANNOT_GIVE:
                raise
        else:
            return True
    return False


def _sync_folder(folder: str) -> None:
    """Have the system write a folder to the disk, with the new name of a file, where that can be done."""
    if os.name == "nt":  # folders cannot be opened
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise
