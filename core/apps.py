from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "core"
    verbose_name = "Core"

    def ready(self) -> None:
        from core import celery_signals, health_checks
        from core.logs import install_hooks

        install_hooks()
        health_checks.register()
        celery_signals.connect()
