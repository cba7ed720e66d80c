from preferences.models.client_preferences import ClientPreferences

__all__ = ["ClientPreferences"]
