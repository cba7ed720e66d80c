"""The benchmarks (performance.md) and the proof by faults: measured against an installation of their own.

Development only: nothing imports this package, and it is not in the production image. `python3 run.py bench` starts
it; `docs/performance.md` says what each figure means.
"""
