"""Starts SLURM and dask on loopback, in a folder of their own, and stops what was started."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

PROGRAMS = ("munged", "slurmctld", "slurmd", "srun", "sbatch", "squeue", "scontrol")
NODES = ("hemenet-n1", "hemenet-n2")
HOSTS = Path("/etc/hosts")
HOSTS_LINE = f"127.0.0.1 {' '.join(NODES)}\n"
CONF = """
ClusterName=hemenet
SlurmctldHost={host}
SlurmctldAddr=127.0.0.1
SlurmctldPort={ports[0]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
JobRequeue=1
KillWait=20
SlurmdTimeout=30
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
NodeName={nodes[0]} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 State=UNKNOWN
NodeName={nodes[1]} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    """Programs that are not installed."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    return [name for name in PROGRAMS if shutil.which(name, path=path) is None]


@contextmanager
def slurm(folder: Path) -> Iterator[Mapping[str, str]]:
    """A cluster of two nodes; gives the variables that lead SLURM's commands to it.

    Nothing of the system's own SLURM or munge is touched, but a line in ``/etc/hosts`` gives the
    nodes their names meanwhile.
    """
    folder.mkdir(parents=True)
    (folder / "state").mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o600)
    conf = folder / "slurm.conf"
    host = socket.gethostname().partition(".")[0]
    conf.write_text(CONF.format(folder=folder, host=host, nodes=NODES, ports=_free_ports(3)))
    conf.chmod(0o644)
    environment = {
        "SLURM_CONF": str(conf),
        "PATH": f"{os.environ['PATH']}:/usr/sbin",
        "MUNGE_SOCKET": str(folder / "munge.socket"),
    }
    munge = [f"--{name}={folder}/munge.{name[:-5]}" for name in ("key-file", "log-file")]
    munge += [f"--{name}={folder}/munged.{name[:-5]}" for name in ("pid-file", "seed-file")]
    with ExitStack() as stack:
        stack.enter_context(_named_nodes())
        stack.callback(_end_steps, str(conf))
        start = [
            ["munged", "--foreground", "--force", f"--socket={folder}/munge.socket", *munge],
            ["slurmctld", "-D", "-f", str(conf)],
            *(["slurmd", "-D", "-N", node, "-f", str(conf)] for node in NODES),
        ]
        for command in start:
            stack.enter_context(service(command, folder / f"{command[0]}.out", environment))
            time.sleep(1)
        idle = ["sinfo", "--noheader", "--states=idle", "--format=%D"]
        wait_for("two idle nodes", lambda: output(idle, environment).strip() == "2", 60)
        yield environment


@contextmanager
def dask(folder: Path, environment: Mapping[str, str]) -> Iterator[tuple[str, list[int]]]:
    """A scheduler and three workers; gives its address and the workers' process ids."""
    folder.mkdir(parents=True)
    (port,) = _free_ports(1)
    address = f"tcp://127.0.0.1:{port}"
    program = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    words = ["--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address]
    worker += ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1"]
    with ExitStack() as stack:
        stack.enter_context(service([*program, *words], folder / "scheduler.out", environment))
        pids = []
        for number in range(3):
            local = ["--local-directory", str(folder / f"worker{number}")]
            log = folder / f"worker{number}.out"
            pids.append(stack.enter_context(service([*worker, *local], log, environment)))
        logs = [folder / f"worker{number}.out" for number in range(3)]
        wait_for(
            "three workers",
            lambda: all("Registered to" in log.read_text() for log in logs),
            180,
        )
        yield address, pids


@contextmanager
def service(command: list[str], log: Path, environment: Mapping[str, str]) -> Iterator[int]:
    """A program that runs meanwhile; gives its process id."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            cwd=log.parent,
            start_new_session=True,
        )
    try:
        yield process.pid
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(what: str, done: Callable[[], bool], seconds: float) -> None:
    """Wait until something holds.

    Raises:
        SystemExit: It did not in that time.
    """
    limit = time.monotonic() + seconds
    while not done():
        if time.monotonic() > limit:
            raise SystemExit(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.3)


def output(command: list[str], environment: Mapping[str, str], folder: Path | None = None) -> str:
    """Standard output of a command.

    Raises:
        SystemExit: It failed; with its output.
    """
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def kill_job(job: str, conf: str) -> int:
    """Kill all processes of a job, as the kernel does for want of memory; give their number.

    Args:
        job: As SLURM shows it.
        conf: Path of the cluster's settings; jobs of another are left alone.
    """
    main, _, task = job.partition("_")
    keys = {"SLURM_CONF": conf, "SLURM_ARRAY_JOB_ID" if task else "SLURM_JOB_ID": main}
    if task:
        keys["SLURM_ARRAY_TASK_ID"] = task
    return _kill(keys)


def kill_node(node: str, conf: str) -> int:
    """Kill the daemon of a node and all that runs there, as if its power failed; their number.

    Args:
        node: Its name.
        conf: Path of the cluster's settings; nodes of another are left alone.
    """
    killed = 0
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            daemon = words[:4] == ["slurmd", "-D", "-N", node] and words[-1] == conf
            # the keepers of steps come next, or they would still say that their steps have failed
            sockets = process.net_connections("unix") if process.name() == "slurmstepd" else []
            spool = str(Path(conf).parent / f"spool.{node}")
            if daemon or any(str(each.laddr).startswith(spool) for each in sockets):
                process.kill()
                killed += 1
        except psutil.Error:
            continue  # it has ended, or belongs to somebody else
    return killed + _kill({"SLURM_CONF": conf, "SLURMD_NODENAME": node})


def _kill(keys: Mapping[str, str]) -> int:
    """Kill the processes that have these variables."""
    killed = 0
    for process in psutil.process_iter():
        try:
            variables = process.environ()
            if all(variables.get(key) == value for key, value in keys.items()):
                process.kill()
                killed += 1
        except psutil.Error:
            continue  # it has ended, or belongs to somebody else
    return killed


def _end_steps(conf: str) -> None:
    """End what jobs have left running when SLURM has stopped."""
    _kill({"SLURM_CONF": conf})


@contextmanager
def _named_nodes() -> Iterator[None]:
    before = HOSTS.read_text()
    HOSTS.write_text(before.rstrip("\n") + "\n" + HOSTS_LINE)
    try:
        yield
    finally:
        HOSTS.write_text(HOSTS.read_text().replace(HOSTS_LINE, "", 1))


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
