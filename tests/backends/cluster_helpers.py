"""A cluster of Dask for tests: a scheduler and two workers, each a process of its own, that speak by TCP."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import distributed
import tornado.iostream

import tests


@contextlib.contextmanager
def time_limit(seconds):
    """Raise TimeoutError in a block that takes longer."""

    def raise_error(*_):
        raise TimeoutError(f"It took more than {seconds} s.")

    before = signal.signal(signal.SIGALRM, raise_error)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def wait_until(is_so, seconds=30):
    """Return once something is so; raise TimeoutError if it takes too long."""
    pause = threading.Event()
    for _ in range(20 * seconds):
        if is_so():
            return
        pause.wait(0.05)
    raise TimeoutError(f"It is not so after {seconds} s.")


class Cluster:
    """Processes of a scheduler and workers, and a client."""

    def __init__(self, folder: Path):
        self.folder, self.processes, self.client = folder, [], None

    def start(self, name, *arguments):
        command = [sys.executable, "-m", f"distributed.cli.dask_{name}", "--no-dashboard", *map(str, arguments)]
        # Tests are imported in workers, too. Without OMP_NUM_THREADS torch has as many threads as there are cores.
        env = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
        # Often, because the tests are short: it drops copies of data that no task reads at the moment.
        env["DASK_DISTRIBUTED__SCHEDULER__ACTIVE_MEMORY_MANAGER__INTERVAL"] = "50ms"
        with open(self.folder / f"{name}-{len(self.processes)}.log", "w") as log:
            process = subprocess.Popen(command, env=env, cwd=Path(tests.__file__).parents[1], stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def __enter__(self):
        file = self.folder / "scheduler.json"
        # All ends by itself if the tests are killed.
        limit = ("--idle-timeout", "5 minutes")
        self.start("scheduler", "--host", "127.0.0.1", "--port", 0, "--scheduler-file", file, *limit)
        with time_limit(60):
            wait_until(file.exists)
            self.client = distributed.Client(scheduler_file=str(file), timeout=30)
            self.complete()
        return self

    def complete(self):
        """Start workers until there are two."""
        n_alive = sum(process.poll() is None for process in self.processes) - 1
        for _ in range(n_alive, 2):
            options = ("--nthreads", 1, "--no-nanny", "--local-directory", self.folder)
            self.start("worker", "--scheduler-file", self.folder / "scheduler.json", *options)
        wait_until(lambda: len(self.pids()) == 2)

    def __exit__(self, *_):
        try:
            if self.client is not None:
                self.client.close()
        finally:
            for process in reversed(self.processes):
                process.kill()
                process.wait()

    def pids(self):
        """Return the ids of the workers' processes."""
        return list(self.client.run(os.getpid).values())

    def running(self):
        """Return the number of tasks that run in each worker."""
        return list(self.client.run(n_running).values())

    def n_blocks(self):
        """Return the number of results and data that each worker holds."""
        return list(self.client.run(n_held).values())

    @contextlib.contextmanager
    def received(self):
        """Give a list to which the number of bytes is added that each worker receives in a block."""
        self.client.run(count_bytes)
        received = []
        yield received
        received += self.client.run(count_bytes).values()

    @contextlib.contextmanager
    def when_running(self, act):
        """Call a function in another thread once all workers run a task."""
        errors = []

        def watch():
            try:
                wait_until(lambda: all(self.running()))
                act()
            except Exception as error:
                errors.append(error)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            thread.join()
        assert not errors, errors


def n_running(dask_worker):
    return len(dask_worker.state.executing)


def n_held(dask_worker):
    return len(dask_worker.data)


def count_bytes():
    """Return the number of bytes that this process has received since the last call."""
    stream = tornado.iostream.IOStream
    if not hasattr(stream, "n_received"):
        read = stream.read_from_fd

        def counted(self, buffer):
            n_bytes = read(self, buffer)
            stream.n_received += n_bytes or 0
            return n_bytes

        stream.read_from_fd = counted
    before, stream.n_received = getattr(stream, "n_received", 0), 0
    return before
