from django.apps import AppConfig


class CommunicationsConfig(AppConfig):
    name = "communications"

    def ready(self) -> None:
        from communications import health
        from communications.api import spooling
        from communications.services import replan

        health.register()
        spooling.register()
        replan.register()
