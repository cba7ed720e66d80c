"""The SMTP stand-in: takes every mail, keeps it, delivers none, and fails on request."""
