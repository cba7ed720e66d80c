from preferences.models.client_preferences import ClientPreferences
from preferences.models.consent import ConsentEntry
from preferences.models.suppression import Suppression

__all__ = ["ClientPreferences", "ConsentEntry", "Suppression"]
