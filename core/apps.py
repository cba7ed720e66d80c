from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "core"
    verbose_name = "Core"

    def ready(self) -> None:
        from django.core.checks import Tags, register

        from core import celery_signals, health_checks, outbox
        from core.alert_kinds import register_alert
        from core.deploy_checks import state_dir_is_persistent
        from core.logs import install_hooks

        install_hooks()
        health_checks.register()
        celery_signals.connect()
        register_alert(outbox.CONSUMER_FAILING, outbox.CONSUMER_FAILING_ALERT)
        register(state_dir_is_persistent, Tags.files, deploy=True)
