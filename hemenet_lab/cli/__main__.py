"""`python -m hemenet_lab.cli` is `lightning`; the launcher starts its processes by it."""

from hemenet_lab.cli import lightning

if __name__ == "__main__":
    lightning()
