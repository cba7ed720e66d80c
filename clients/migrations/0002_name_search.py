"""Any part of a client's name is found without reading every client.

The expression is what Django's `icontains` asks for. Without `fastupdate`: clients come one at a time, and a list of
pending entries makes the planner read the table instead. Not in the model's Meta: an index with an operator class needs
the application `django.contrib.postgres`, whose handlers query every new connection.
"""

from django.contrib.postgres.operations import TrigramExtension
from django.db import migrations

FORWARD = """
CREATE INDEX client_name_search_idx ON crm_clients USING gin (upper(name::text) gin_trgm_ops)
    WITH (fastupdate = off);
"""
BACKWARD = """
DROP INDEX client_name_search_idx;
"""


class Migration(migrations.Migration):
    dependencies = [("clients", "0001_initial")]

    operations = [TrigramExtension(), migrations.RunSQL(FORWARD, BACKWARD)]
