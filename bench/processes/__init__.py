"""What runs beside the measuring process: each a program of its own, started by `bench.children`."""
