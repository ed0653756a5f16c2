"""What is set in this process's C library."""

from __future__ import annotations

import subprocess
import sys

import pytest

KEPT = """
import ctypes, sys
from pathlib import Path
from hemenet_lab.basics import keep_freed_memory

def held():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

if sys.argv[1] == "keep" and not keep_freed_memory():
    raise SystemExit(77)
libc, before = ctypes.CDLL(None), held()
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
block = libc.malloc(100_000_000)
ctypes.memset(block, 1, 100_000_000)
libc.free(block)
print(held() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_freed_memory_is_kept_where_it_is_asked_for():
    found = {}
    for word in ("keep", "default"):
        command = [sys.executable, "-c", KEPT, word]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
        if done.returncode == 77:
            pytest.skip("this C library has nothing to set")
        assert done.returncode == 0
        found[word] = int(done.stdout)
    assert found["keep"] > 90_000_000 > found["default"]
