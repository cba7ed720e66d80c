"""Celery entry points. Arguments carry nothing: what is to be done stands in the database."""

from celery import shared_task

from communications.services import idempotency, receipts
from communications.services.digests import release_digests
from communications.services.dispatch import dispatch_due, worker_name
from communications.services.documents import make_documents
from communications.services.incoming_mail import read_mailbox
from communications.services.receipt_effects import process_due
from communications.services.reconcile import reconcile
from communications.services.releasing import release_waiting
from core import clock


@shared_task(name="communications.dispatch_due")
def dispatch_due_task() -> None:
    dispatch_due()


@shared_task(name="communications.reconcile")
def reconcile_task() -> None:
    reconcile(actor=worker_name(), now=clock.now())


@shared_task(name="communications.purge_idempotency_keys")
def purge_idempotency_keys_task() -> None:
    idempotency.purge_expired(now=clock.now())


@shared_task(name="communications.release_waiting")
def release_waiting_task() -> None:
    release_waiting(now=clock.now())


@shared_task(name="communications.release_digests")
def release_digests_task() -> None:
    release_digests(now=clock.now())


@shared_task(name=receipts.PROCESS_TASK)
def process_receipts_task() -> None:
    process_due(actor=worker_name(), now=clock.now())


@shared_task(name="communications.read_mailbox")
def read_mailbox_task() -> None:
    read_mailbox(now=clock.now())


@shared_task(name="communications.purge_receipts")
def purge_receipts_task() -> None:
    receipts.purge(now=clock.now())


@shared_task(name="communications.make_documents")
def make_documents_task() -> None:
    make_documents(now=clock.now())
