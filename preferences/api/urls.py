from django.urls import path

from preferences.api.views import ClientConsentView, ClientPreferencesView, PreferencesView

urlpatterns = [
    path("preferences", PreferencesView.as_view(), name="api-preferences"),
    path("preferences/<str:client_id>", ClientPreferencesView.as_view(), name="api-client-preferences"),
    path("clients/<str:client_id>/consent", ClientConsentView.as_view(), name="api-client-consent"),
]
