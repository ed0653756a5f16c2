"""Functions over many jobs on the workers of a dask scheduler."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

PROTOCOLS = ("tcp", "tls", "ws", "wss")
CONNECT_SECONDS = 15
"""Time that a scheduler has to answer, and then to have a worker."""
AHEAD = 16
"""Jobs in the queue for each thread of the workers."""


def run_on_cluster(
    function: Callable[[Job], Result],
    jobs: Iterable[Job],
    address: str,
    *,
    name: Callable[[Job], str],
) -> Iterator[Result]:
    """Results of a function for all jobs, in the order of the jobs.

    A job whose worker dies is given to another. One that no worker survives costs the others
    nothing: it is named when all are done.

    Args:
        function: A function that the workers can import.
        jobs: Its arguments; taken a little ahead of the results.
        address: Address of the scheduler, ``tcp://host:8786``.
        name: What a job is called in messages.

    Raises:
        ValueError: No such scheduler, no worker, workers with other code or without the files, or
            jobs that no worker survived.
    """
    fatal: list[str] = []
    with _connected(address) as client, _executor(client) as executor:
        from distributed.scheduler import KilledWorker

        call = _Call(function, _code())
        ahead = AHEAD * max(1, sum(client.nthreads().values()))
        waiting: deque[tuple[Job, Future[Result]]] = deque()
        rest = iter(jobs)
        while True:
            for job in islice(rest, ahead - len(waiting)):
                waiting.append((job, executor.submit(call, job)))
            if not waiting:
                break
            job, future = waiting.popleft()
            try:
                yield future.result()
            except KilledWorker:
                fatal.append(name(job))
            except CancelledError as error:
                raise ValueError(
                    f"the scheduler at {address} went away; start it and run the same command again"
                ) from error
            except OSError as error:
                raise ValueError(
                    f"a worker of {address} could not do {name(job)} ({error}); all workers have "
                    "to see the same files under the same paths, and may write where this command "
                    "does"
                ) from error
            except (ImportError, AttributeError, RuntimeError) as error:
                raise ValueError(
                    f"a worker of {address} could not do {name(job)} ({_first_line(error)}); "
                    "scheduler and workers need the hemenet-lab of this command"
                ) from error
    if fatal:
        raise ValueError(
            f"{len(fatal)} jobs ended every worker that tried them, perhaps for want of memory: "
            f"{', '.join(fatal[:5])}{', …' if len(fatal) > 5 else ''}; the others are done. Give "
            "the workers more memory or remove these files, and run the same command again"
        )


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """A client of the scheduler, which has a worker."""
    protocol, sign, place = address.partition("://")
    if not sign or protocol not in PROTOCOLS or not place:
        raise ValueError(
            f"executor {address!r}: give the address of a dask scheduler, such as tcp://host:8786"
        )
    try:
        from distributed import Client
    except ImportError as error:
        raise ValueError(
            "an executor needs dask.distributed: pip install 'hemenet-lab[cluster]'"
        ) from error
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"no dask scheduler answers at {address} ({_first_line(error)}); start one with: "
            "dask scheduler"
        ) from error
    try:
        try:
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError as error:
            raise ValueError(
                f"the scheduler at {address} has no workers; start some with: dask worker {address}"
            ) from error
        yield client
    finally:
        client.close()


@contextmanager
def _executor(client: Any) -> Iterator[Any]:
    """The client as an executor; what is still in its queue at the end is taken out."""
    executor = client.get_executor(pure=False)
    try:
        yield executor
    finally:
        executor.shutdown(wait=False)


@dataclass(frozen=True)
class _Call(Generic[Job, Result]):
    """A function that is called by the same code as that which sent it."""

    function: Callable[[Job], Result]
    code: str

    def __call__(self, job: Job) -> Result:
        if _code() != self.code:
            raise ValueError(
                f"the worker at {_here()} has other code of hemenet-lab than this command; install "
                "the same there and start it again"
            )
        return self.function(job)


def _here() -> str:
    from distributed import get_worker

    return str(get_worker().address)


@cache
def _code(package: Path = Path(__file__).parents[1]) -> str:
    """Digest of all code of the package, as it lies on the disk at the first call."""
    total = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        total.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def _first_line(error: BaseException) -> str:
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {cause}".strip().splitlines()[0]
