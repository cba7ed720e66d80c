from django.apps import AppConfig
from django.db.models.signals import post_migrate


class CommunicationsConfig(AppConfig):
    name = "communications"

    def ready(self) -> None:
        from communications import health, worker
        from communications.api import spooling
        from communications.rules.alerts import ALERTS
        from communications.services import incoming_mail, pauses, receipts, replan
        from core.alert_kinds import register_alert

        health.register()
        spooling.register()
        receipts.register()
        incoming_mail.register()
        replan.register()
        worker.connect()
        post_migrate.connect(
            pauses.ensure_sending_gate, sender=self, dispatch_uid="communications.sending_gate"
        )
        for kind, words in ALERTS.items():
            register_alert(kind, words)
