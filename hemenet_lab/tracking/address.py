"""Where runs are kept: folders, databases and servers, and how long one waits for those."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import urlparse

from hemenet_lab.basics import first_line

SHORT_WAITS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "4",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""MLflow's settings for a server, unless they are set: the outbox tries again by itself, and where
the run is seen is said once, at the end of a fit."""


def database_uri(folder: Path) -> str:
    """Address of the database in the folder of the runs."""
    return f"sqlite:///{folder / 'mlruns.db'}"


def checkpoint_folder(folder: Path, run_id: str) -> Path:
    """Folder of a run's checkpoints, below the folder of all runs."""
    return folder / run_id / "checkpoints"


def is_remote(uri: str) -> bool:
    """True for what is reached over a network."""
    return urlparse(uri).scheme not in ("", "file", "sqlite")


def wait_shortly(uri: str) -> None:
    """Let requests to a server end soon, unless the environment says how long they may take."""
    if is_remote(uri):
        for variable, value in SHORT_WAITS.items():
            os.environ.setdefault(variable, value)


def cause(error: BaseException) -> str:
    """What went wrong, without the chain of objects that requests and urllib3 print."""
    text = first_line(error, None)
    known = "Connection refused|timed out|Name or service not known|No route to host"
    found = re.search(known, text)
    return found[0] if found else text
