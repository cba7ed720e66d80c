from django.apps import AppConfig


class PreferencesConfig(AppConfig):
    name = "preferences"

    def ready(self) -> None:
        from preferences.api import spooling
        from preferences.services import link_actions

        link_actions.register()
        spooling.register()
