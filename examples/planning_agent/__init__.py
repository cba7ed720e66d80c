"""A planning agent as the product meets it: a LangGraph workflow that plans an event and has its client told.

    python -m examples.planning_agent --url http://127.0.0.1:8000 --token … --json

`crm.py` is the part to take along into a real agent: it needs the standard library only and never raises into
the workflow. The planning itself is small, but real: the same client gets the same plan in every run.
"""

import os

# The state is full of personal data: none of it goes to a tracing service, whatever the shell has switched on.
for _name in ("LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING", "LANGCHAIN_TRACING"):
    os.environ[_name] = "false"
