"""The clients' phones: what arrived on them, and a field to answer in."""
