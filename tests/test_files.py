"""Files that are replaced as a whole: by many at once, after errors and the end of a process; modes, links, paths."""

import errno
import os
import signal
import stat
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import skreg._files
from skreg._files import path_of, replaced_file

posix = pytest.mark.skipif(os.name != "posix", reason="modes, links and signals of POSIX")
replaced_while_read = pytest.mark.skipif(os.name != "posix", reason="Windows replaces no file that is being read")
NOBODY = 65534


def write(path, content=b"new"):
    with replaced_file(path_of(path)) as file:
        file.write(content)


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.fixture
def path(tmp_path):
    """Return the path of a file in a folder of its own."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.npz").write_bytes(b"old")
    return tmp_path / "folder" / "a.npz"


def is_old(path):
    """Return whether the file is the former one, and the only one in its folder."""
    return path.read_bytes() == b"old" and os.listdir(path.parent) == [path.name]


def is_new(path):
    return path.read_bytes() == b"new" and os.listdir(path.parent) == [path.name]


# -- paths -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [str, os.fsencode, Path, lambda path: path])
def test_paths_of_all_kinds(kind, path):
    assert path_of(kind(path)) == str(path)
    write(kind(path))
    assert is_new(path)


@posix
def test_names_that_are_no_text(tmp_path):
    name = os.fsencode(tmp_path) + b"/\xff\xfe.npz"
    write(name)
    assert os.listdir(os.fsencode(tmp_path)) == [b"\xff\xfe.npz"]


def test_relative_paths_are_those_of_the_moment_of_the_call(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    with replaced_file("a.npz") as file:
        file.write(b"new")
        os.chdir(path.parent.parent)
    assert is_new(path)


@pytest.mark.parametrize("wrong", [None, 1, True, 1.5, ["a"], bytearray(b"a"), object()])
def test_what_is_no_path(wrong):
    with pytest.raises(TypeError, match="The 'path' parameter must be a str, bytes or path-like object; got "):
        path_of(wrong)


@pytest.mark.parametrize("wrong", ["", b"", "a\0b", b"a\0b", pytest.param("\ud800", marks=posix)])
def test_what_is_no_path_by_its_content(wrong):
    with pytest.raises(ValueError, match="The 'data_home' parameter must be .*; got "):
        path_of(wrong, "data_home")


def test_the_longest_name(tmp_path):
    name = "n" * 255
    write(tmp_path / name)
    write(tmp_path / name, b"newer")
    assert os.listdir(tmp_path) == [name]
    with pytest.raises(OSError, match="name too long") as error:
        write(tmp_path / f"{name}n")
    assert error.value.errno == errno.ENAMETOOLONG


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (".", IsADirectoryError),
        ("", IsADirectoryError),
        ("new/", FileNotFoundError),
        ("a.npz/", NotADirectoryError),
        ("a.npz/b", NotADirectoryError),
        ("missing/b", FileNotFoundError),
        ("missing/../a", FileNotFoundError),
    ],
)
@posix
def test_paths_to_which_nothing_can_be_written(name, kind, path):
    with pytest.raises(kind, match="/folder"):
        write(f"{path.parent}/{name}")
    assert is_old(path)


# -- modes and links ---------------------------------------------------------------------------------------------------


@pytest.fixture
def umask():
    """Return a function that sets the umask."""
    before = os.umask(0)
    os.umask(before)
    yield os.umask
    os.umask(before)


@posix
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002, 0])
def test_a_new_file_has_the_mode_of_new_files(mask, tmp_path, umask, monkeypatch):
    umask(mask)
    # To read the umask is to set it, for other threads, too.
    monkeypatch.setattr(os, "umask", None)
    write(tmp_path / "a")
    monkeypatch.undo()
    assert mode_of(tmp_path / "a") == 0o666 & ~mask


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o666, 0o755, 0o200])
def test_a_file_keeps_its_mode(mode, path, umask):
    umask(0o027)
    path.chmod(mode)
    with replaced_file(str(path)) as file:
        assert mode_of(file.name) == mode
        file.write(b"new")
    assert mode_of(path) == mode
    path.chmod(0o600)
    assert is_new(path)


@posix
def test_what_replaces_a_private_file_is_private_from_the_beginning(path, umask, monkeypatch):
    umask(0)
    path.chmod(0o600)
    modes = []
    monkeypatch.setattr(skreg._files, "_keep_rights", lambda part, former: modes.append(mode_of(part)))
    write(path)
    assert modes == [0o600]


@posix
def test_a_link_stays_and_its_target_is_replaced(path):
    links = path.parent.parent
    (links / "one").symlink_to(Path("folder") / "a.npz")  # relative to the folder of the link
    (links / "two").symlink_to(links / "one")
    path.chmod(0o640)
    write(links / "two")
    assert is_new(path)
    assert mode_of(path) == 0o640
    assert os.readlink(links / "one") == "folder/a.npz"
    assert os.readlink(links / "two") == str(links / "one")
    assert sorted(os.listdir(links)) == ["folder", "one", "two"]


@posix
def test_a_link_to_a_file_that_does_not_exist_yet(path):
    link = path.parent.parent / "link"
    link.symlink_to("folder/a.npz")
    path.unlink()
    write(link)
    assert link.is_symlink()
    assert is_new(path)


@posix
@pytest.mark.parametrize(("target", "name"), [("missing/a", "ENOENT"), ("link", "ELOOP"), ("folder", "EISDIR")])
def test_links_to_which_nothing_can_be_written(target, name, path):
    link = path.parent.parent / "link"
    link.symlink_to(target)
    with pytest.raises(OSError, match="link") as error:
        write(link)
    assert errno.errorcode[error.value.errno] == name
    assert os.readlink(link) == target
    assert is_old(path)


@posix
def test_a_pipe_is_written_to_as_devices_are(tmp_path):
    os.mkfifo(tmp_path / "pipe")  # not a device of the system, which an error would replace
    descriptor = os.open(tmp_path / "pipe", os.O_RDWR | os.O_NONBLOCK)
    try:
        write(tmp_path / "pipe")
        assert os.read(descriptor, 10) == b"new"
    finally:
        os.close(descriptor)
    assert stat.S_ISFIFO(os.stat(tmp_path / "pipe").st_mode)
    assert os.listdir(tmp_path) == ["pipe"]


@pytest.fixture
def unprivileged():
    """Return a folder of the superuser that others may read, while the tests are not his; for others, one of theirs."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        if os.geteuid():
            yield Path(folder)
            return
        try:
            os.seteuid(NOBODY)
        except OSError:
            pytest.skip("there is no other user")
        yield Path(folder)
        os.seteuid(0)


def as_owner(action, *arguments):
    """Do something as the user who runs the tests."""
    user = os.geteuid()
    os.seteuid(os.getuid())
    action(*arguments)
    os.seteuid(user)


@posix
def test_a_folder_that_is_read_only(unprivileged):
    path = unprivileged / "a.npz"
    as_owner(path.write_bytes, b"old")
    as_owner(path.chmod, 0o666)
    as_owner(unprivileged.chmod, 0o555)
    for name in (path, unprivileged / "new.npz"):
        with pytest.raises(PermissionError, match="No file can be made in the folder .*: Permission denied") as error:
            write(name)
        assert error.value.filename == str(name)
    assert is_old(path)


@posix
def test_a_file_that_is_read_only(unprivileged):
    path = unprivileged / "a.npz"
    as_owner(path.write_bytes, b"old")
    as_owner(path.chmod, 0o444)
    as_owner(unprivileged.chmod, 0o777)
    with pytest.raises(PermissionError, match="Permission denied: "):
        write(path)
    assert is_old(path)


@posix
def test_a_folder_that_can_be_written_but_not_read(unprivileged):
    as_owner(unprivileged.chmod, 0o333)
    write(unprivileged / "a.npz")
    as_owner(unprivileged.chmod, 0o777)
    assert is_new(unprivileged / "a.npz")


superuser = pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="gives files to other users")


@superuser
def test_a_file_keeps_its_owner(path):
    os.chown(path, NOBODY, NOBODY)
    path.chmod(0o660)
    write(path)
    status = path.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (NOBODY, NOBODY, 0o660)


@superuser
def test_what_one_group_may_do_is_not_for_another(unprivileged):
    path = unprivileged / "a.npz"
    as_owner(unprivileged.chmod, 0o777)
    as_owner(path.write_bytes, b"old")
    as_owner(os.chown, path, -1, 12345)
    as_owner(path.chmod, 0o676)
    write(path)
    assert path.stat().st_uid == NOBODY
    assert mode_of(path) == 0o606
    assert is_new(path)


# -- errors and interrupts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt(), SystemExit(1)])
@pytest.mark.parametrize("place", ["open", "block", "fsync", "replace"])
@pytest.mark.parametrize("is_there", [True, False])
def test_what_is_interrupted_changes_nothing(is_there, place, error, path, monkeypatch):
    def fail(*arguments):
        raise error

    def interrupted():
        with replaced_file(str(path)) as file:
            file.write(b"new" * 100_000)
            if place == "block":
                fail()

    if not is_there:
        path.unlink()
    if place in ("fsync", "replace"):
        monkeypatch.setattr(os, place, fail)
    elif place == "open":  # an interrupt may come when the file is there already
        monkeypatch.setattr(skreg._files, "_new_file", lambda part, *_, **__: fail(open(part, "xb").close()))
    with pytest.raises(type(error)) as raised:
        interrupted()
    assert raised.value is error
    monkeypatch.undo()
    assert is_old(path) if is_there else not os.listdir(path.parent)
    write(path)
    assert is_new(path)


def test_the_content_is_on_the_disk_before_it_has_the_name_and_the_name_at_the_end(path, monkeypatch):
    done = []

    def recorded(name, function):
        def call(*arguments):
            what = os.fstat(arguments[0]).st_ino if name == "fsync" else os.stat(arguments[0]).st_ino
            done.append((name, what, path.read_bytes()))
            return function(*arguments)

        return call

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, recorded(name, getattr(os, name)))
    write(path)
    number, folder = path.stat().st_ino, path.parent.stat().st_ino
    expected = [("fsync", number, b"old"), ("replace", number, b"old"), ("fsync", folder, b"new")]
    assert done == expected[: 2 if os.name == "nt" else 3]


@posix
@pytest.mark.parametrize(("number", "is_error"), [(errno.EINVAL, False), (errno.ENOTSUP, False), (errno.EIO, True)])
def test_folders_that_cannot_be_synchronized(number, is_error, path, monkeypatch):
    fsync = os.fsync

    def of_files(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", of_files)
    if is_error:
        with pytest.raises(OSError, match=os.strerror(number)):
            write(path)
    else:
        write(path)
    assert is_new(path)


# -- many at once ------------------------------------------------------------------------------------------------------


def is_whole(content):
    """Return whether a content is all of what one writer has written."""
    return content == b"old" or (len(content) == 200_000 and len(set(content)) == 1)


def read_until(done, path):
    """Return how often a file was read until something is done, and how often it was not whole."""
    n_reads = n_torn = 0
    while n_reads == 0 or not done():
        n_reads += 1
        n_torn += not is_whole(path.read_bytes())
    return n_reads, n_torn


def write_often(path, letter):
    for _ in range(150):
        write(path, letter * 200_000)


@replaced_while_read
def test_threads_that_write_to_one_path_beside_readers(path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # the disk is slow
    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(write_often, path, letter) for letter in (b"a", b"b")]
        assert read_until(lambda: all(writer.done() for writer in writers), path)[1] == 0
        assert [writer.result() for writer in writers] == [None, None]
    assert is_whole(path.read_bytes())
    assert os.listdir(path.parent) == [path.name]


# The module by itself, whose import takes no time.
PROGRAM = f"""
import os, runpy, signal, sys
replaced_file = runpy.run_path({skreg._files.__file__!r})["replaced_file"]
path, letter = sys.argv[1:3]
"""
WRITES_OFTEN = f"""{PROGRAM}
os.fsync = lambda descriptor: None
for _ in range(150):
    with replaced_file(path) as file:
        file.write(letter.encode() * 200_000)
"""
IS_KILLED = f"""{PROGRAM}
def kill(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)
if letter == "replace":
    os.replace = kill
with replaced_file(path) as file:
    file.write(b"new" * 50_000)
    file.flush()
    if letter == "block":
        kill()
"""


@replaced_while_read
def test_processes_that_write_to_one_path_beside_readers(path):
    programs = [[sys.executable, "-I", "-c", WRITES_OFTEN, str(path), letter] for letter in "ab"]
    writers = [subprocess.Popen(program) for program in programs]
    assert read_until(lambda: all(writer.poll() is not None for writer in writers), path)[1] == 0
    assert [writer.returncode for writer in writers] == [0, 0]
    assert len(path.read_bytes()) == 200_000
    assert os.listdir(path.parent) == [path.name]


@posix
@pytest.mark.parametrize("place", ["block", "replace"])
def test_a_process_that_is_killed_leaves_the_former_file(place, path):
    result = subprocess.run([sys.executable, "-I", "-c", IS_KILLED, str(path), place])
    assert result.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    left = {name for name in os.listdir(path.parent) if name != path.name}
    assert [name.startswith(".skreg-") and name.endswith(".part") for name in left] == [True]
    write(path)
    assert path.read_bytes() == b"new"
    assert set(os.listdir(path.parent)) == {path.name, *left}
