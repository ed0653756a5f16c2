"""Tests run side by side: each with one thread, which torch reads when it is first imported."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
