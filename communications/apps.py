from django.apps import AppConfig


class CommunicationsConfig(AppConfig):
    name = "communications"

    def ready(self) -> None:
        from communications import health
        from communications.services import replan

        health.register()
        replan.register()
