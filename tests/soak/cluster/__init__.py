"""A real SLURM of two nodes and a dask scheduler with three workers, on one machine."""
