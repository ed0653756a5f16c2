"""`python -m hemenet_lab` is `hemenet`."""

import sys

from hemenet_lab.cli import hemenet

if __name__ == "__main__":
    sys.exit(hemenet())
