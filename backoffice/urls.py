from django.contrib.auth.views import LogoutView
from django.urls import path

from backoffice.web import clients, find, next_up, preferences, providers, sign_in, suppressions, today

app_name = "backoffice"
urlpatterns = [
    path("", today.today, name="today"),
    path("attention/<uuid:item_id>/resolve/", today.resolve, name="resolve"),
    path("attention/<uuid:item_id>/reopen/", today.reopen, name="reopen"),
    path("clients/", clients.client_list, name="clients"),
    path("clients/<uuid:client_id>/", clients.client, name="client"),
    path("clients/<uuid:client_id>/reveal/", clients.reveal, name="reveal"),
    path("clients/<uuid:client_id>/preferences/", preferences.preferences, name="preferences"),
    path("preferences/", preferences.find_preferences, name="find_preferences"),
    path("find/", find.find, name="find"),
    path("next/", next_up.next_up, name="next_up"),
    path("providers/", providers.providers, name="providers"),
    path("providers/pause/", providers.pause, name="pause"),
    path("providers/pauses/<uuid:pause_id>/resume/", providers.lift, name="lift"),
    path("suppressions/", suppressions.suppressions, name="suppressions"),
    path("suppressions/add/", suppressions.add, name="add_suppression"),
    path("suppressions/import/", suppressions.take_in, name="import_suppressions"),
    path("suppressions/export/", suppressions.export, name="export_suppressions"),
    path("suppressions/<uuid:suppression_id>/release/", suppressions.release, name="release_suppression"),
    path("login/", sign_in.SignIn.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
]
