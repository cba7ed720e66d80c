"""Local stand-ins of the providers, for development and tests.

Each provider is one package below (`smtp/` …) whose `StandIn` is named in `server.py`. Nothing here imports
the product, so what the sandbox says it received is evidence independent of the product's own rows.
"""
