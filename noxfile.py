"""Test sessions, each in its own environment: ``nox -s tests``; also ``vision``, ``oldest`` and ``lint``."""

import nox

nox.options.sessions = ["lint", "tests"]

# The lower bounds of pyproject.toml: raise both together.
OLDEST = {
    "numpy": "1.26.0",
    "scipy": "1.12.0",
    "scikit-learn": "1.9.0",
    "skorch": "1.4.0",
    "torch": "2.6.0",
    "pandas": "2.2.0",
    "matplotlib": "3.9.0",
}

# torchvision imports only beside the torch that it was built for, so the two are pinned as a pair.
VISION = {"torch": "2.14.1", "torchvision": "0.29.1"}


def pinned(versions):
    """Return requirements for exactly these versions."""
    return [f"{name}=={version}" for name, version in versions.items()]


@nox.session
def tests(session):
    """Run all tests with the versions of constraints.txt."""
    session.install("-c", "constraints.txt", "-e", ".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def vision(session):
    """Run the tests of the data sets beside torchvision."""
    # Without constraints.txt: its torch is not the one that torchvision was built for.
    session.install(*pinned(VISION), "-e", ".[test]")
    # The point of this session is the test that reads Fashion-MNIST through torchvision. It is otherwise skipped
    # where torchvision does not import or where there are no files to read.
    env = {"SKREG_REQUIRE_TORCHVISION": "1", "CI": "true"}
    session.run("pytest", "tests/test_datasets.py", *session.posargs, env=env)


@nox.session(python="3.11")
def oldest(session):
    """Run all tests with the oldest supported versions."""
    session.install(*pinned(OLDEST), "-e", ".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session):
    """Check style and format."""
    session.install("-c", "constraints.txt", "ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
