"""Empty MLflow databases for tests: the tables are made once per process, then copied.

MLflow builds a new SQLite database by running all its migrations, which takes more than a second;
many tests begin with a new one.
"""

from __future__ import annotations

import sqlite3
from functools import wraps
from typing import Any

import pytest


def copy_after_the_first(patch: pytest.MonkeyPatch) -> None:
    """Has MLflow copy its first empty database where it would make a further one."""
    from mlflow.store.db import utils

    made = sqlite3.connect(":memory:", check_same_thread=False)
    initialize = utils._initialize_tables
    ready: list[bool] = []

    @wraps(initialize)  # a test that needs MLflow's own finds it in __wrapped__
    def initialize_or_copy(engine: Any) -> None:
        if engine.dialect.name != "sqlite" or not utils._is_empty_database(engine):
            initialize(engine)
            return
        if not ready:
            initialize(engine)
        with engine.connect() as connection:
            database = connection.connection.dbapi_connection
            if ready:
                made.backup(database)
            else:
                database.backup(made)
                ready.append(True)

    patch.setattr(utils, "_initialize_tables", initialize_or_copy)
