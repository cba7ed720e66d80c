"""Clients who want nothing more, in the middle of it all: told to be silent, or erased.

The product has no endpoint for either yet, so this does what one will: the change and the gate in one transaction.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import Error, close_old_connections, connection, transaction

from bench.faults.callers import PREFIX
from clients.models import Client
from clients.services.gate import bump_gate
from core import clock
from core.sealing import destroy_key
from preferences.models import ClientPreferences

_ON_ITS_WAY = """
    SELECT c.reference FROM crm_communications m JOIN crm_clients c ON c.id = m.client_id
     WHERE m.status IN ('sending', 'scheduled') ORDER BY random() LIMIT %s
"""
_SILENT_FOR = timedelta(days=365)


@dataclass
class Wishes:
    """By number of the message. The instant is the database's clock inside the transaction, with the client's row
    locked: a fence that was let through before has an earlier one, and any with a later one is against the will."""

    committed_at: dict[int, datetime] = field(default_factory=dict)
    unclear: set[int] = field(default_factory=set)
    silenced: int = 0
    erased: int = 0

    def candidates(self, most: int) -> list[int]:
        """Clients whose message is on its way right now, in any order; none while the database is away."""
        close_old_connections()
        try:
            with connection.cursor() as cursor:
                cursor.execute(_ON_ITS_WAY, [most])
                found = [int(reference.rpartition("-")[2]) for (reference,) in cursor.fetchall()]
        except Error:
            connection.close()
            return []
        return [number for number in found if number not in self.asked]

    @property
    def asked(self) -> set[int]:
        return self.unclear | self.committed_at.keys()

    def ask(self, number: int, *, erase: bool) -> None:
        """Does nothing when the database is away before; when it goes away meanwhile, the wish is unclear."""
        close_old_connections()
        try:
            with transaction.atomic():
                client = Client.objects.filter(reference=f"{PREFIX}-client-{number}").first()
                if client is None:  # accepted, and not stored yet
                    return
                self.unclear.add(number)
                instant = _obey(client, erase=erase)
        except Error:
            connection.close()
            return
        self.unclear.discard(number)
        self.committed_at[number] = instant
        self.silenced += not erase
        self.erased += erase


def _obey(client: Client, *, erase: bool) -> datetime:
    now = clock.now()
    bump_gate(client_ids=[client.id])
    if erase:
        Client.objects.filter(id=client.id).update(erased_at=now, updated_at=now)
        destroy_key(client.data_key_id, now=now)
    else:
        ClientPreferences.objects.filter(client=client).update(pause_until=now + _SILENT_FOR, updated_at=now)
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        ((instant,),) = cursor.fetchall()
    committed_at: datetime = instant
    return committed_at
