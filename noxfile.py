"""Test sessions, each in its own environment.

``nox -s tests``; also ``products``, ``stress``, ``fuzz``, ``vision``, ``oldest``, ``wheel`` and ``lint``.
"""

import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nox

nox.options.sessions = ["lint", "tests"]

# The lower bounds of pyproject.toml, its extra "test" included: raise both together.
OLDEST = {
    "numpy": "1.26.0",
    "scipy": "1.14.0",
    "scikit-learn": "1.9.0",
    "skorch": "1.4.0",
    "torch": "2.6.0",
    "pandas": "2.2.1",
    "skrub": "0.11.0",
    "tqdm": "4.66.0",
    "matplotlib": "3.10.0",
    "distributed": "2025.1.0",
    "hypothesis": "6.100.0",
    "numpydoc": "1.8.0",
    "pytest": "8.0.0",
    "pytest-cov": "6.0.0",
    "polars": "1.0.0",
    "pytest-xdist": "3.6.1",
    "rich": "13.0.0",
}

# Newer ones deprecate what OLDEST's matplotlib calls, and the tests fail on warnings.
OLDEST_COMPANIONS = {"pyparsing": "3.2.5"}

RANDOM_ORDER = {"pytest-randomly": "5.1.0"}

# torchvision imports only beside the torch that it was built for, so the two are pinned as a pair.
VISION = {"torch": "2.14.1", "torchvision": "0.29.1"}


def pinned(versions):
    """Return requirements for exactly these versions."""
    return [f"{name}=={version}" for name, version in versions.items()]


@nox.session
def tests(session):
    """Run the tests with the versions of constraints.txt; of products of options, a covering set."""
    session.install("-c", "constraints.txt", "-e", ".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def products(session):
    """Run the combinations of options that the other sessions leave out, as they have a set that covers them."""
    session.install("-c", "constraints.txt", "-e", ".[test]")
    options = ["--numprocesses", "2", "--dist", "worksteal", *session.posargs]
    session.run("pytest", "-m", "product", "tests", *options, env={"OMP_NUM_THREADS": "1"})


@contextlib.contextmanager
def busy_cores():
    """Keep as many processes busy as there are cores."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


@nox.session
def stress(session):
    """Run the tests on busy cores, in random order, and in one process: none may depend on speed or on others."""
    session.install("-c", "constraints.txt", *pinned(RANDOM_ORDER), "-e", ".[test]")
    # The seed of the order is in the first lines of the second run: `nox -s stress -- --randomly-seed=...` takes it
    # again. The plugin would seed the global generators before each test, too, which hides examples that read them.
    options = ["--randomly-dont-reset-seed", *session.posargs]
    two_processes = ["--numprocesses", "2", "--dist", "worksteal"]
    env = {"OMP_NUM_THREADS": "1"}
    with busy_cores():
        session.run("pytest", "--randomly-dont-reorganize", *two_processes, *options, env=env)
    session.run("pytest", *two_processes, *options, env=env)
    session.run("pytest", "--randomly-dont-reorganize", *options, env=env)


@nox.session
def fuzz(session):
    """Give the estimators 10,000 cases of data and parameters, other ones in every run."""
    session.install("-c", "constraints.txt", "-e", ".[test]")
    # nox prints the command with the seed, which `nox -s fuzz -- --hypothesis-seed=...` takes again.
    options = session.posargs or [f"--hypothesis-seed={random.randrange(2**32)}"]
    env = {"SKREG_FUZZ_CASES": "10000", "OMP_NUM_THREADS": "1"}
    session.run("pytest", "tests/test_fuzz.py", *options, env=env)


@nox.session
def vision(session):
    """Run the tests of the data sets beside torchvision."""
    # Without constraints.txt: its torch is not the one that torchvision was built for.
    session.install(*pinned(VISION), "-e", ".[test]")
    # The point of this session is the test that reads Fashion-MNIST through torchvision. It is otherwise skipped
    # where torchvision does not import or where there are no files to read.
    env = {"SKREG_REQUIRE_TORCHVISION": "1", "CI": "true"}
    session.run("pytest", "tests/datasets/test_fashion_mnist.py", *session.posargs, env=env)


@nox.session(python="3.11")
def oldest(session):
    """Run all tests, the products of options too, with the oldest supported versions."""
    session.install(*pinned(OLDEST | OLDEST_COMPANIONS), "-e", ".[test]")
    session.run("pytest", "-m", "", *session.posargs)


@nox.session
def wheel(session):
    """Run the tests with the wheel that is built from the sdist, away from the source tree."""
    testpaths = nox.project.load_toml("pyproject.toml")["tool"]["pytest"]["ini_options"]["testpaths"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        session.install("build")
        session.run("python", "-m", "build", "--outdir", folder / "dist")
        (built,) = (folder / "dist").glob("*.whl")
        session.install("-c", "constraints.txt", f"{built}[test]")
        # In a reused environment pip keeps an installed wheel of the same version.
        session.install("--force-reinstall", "--no-deps", built)
        away = folder / "away"
        shutil.copytree("tests", away / "tests", ignore=shutil.ignore_patterns("__pycache__"))
        for path in ["pyproject.toml", *(path for path in testpaths if path.startswith(("README", "docs")))]:
            (away / path).parent.mkdir(exist_ok=True)
            (shutil.copytree if Path(path).is_dir() else shutil.copy)(path, away / path)
        # With --pyargs, "skreg" is the installed package, whose docstrings are tested too; "./" marks what is a path.
        targets = [f"./{path}" if (away / path).exists() else path for path in testpaths]
        with session.chdir(away):
            session.run("pytest", "--pyargs", *targets, *session.posargs)


@nox.session
def lint(session):
    """Check style and format."""
    session.install("-c", "constraints.txt", "ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
