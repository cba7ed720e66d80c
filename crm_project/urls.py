from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("backoffice.urls")),
    path("", include("communications.web.urls")),
    path("", include("preferences.web.urls")),
    path("admin/", admin.site.urls),
    path("api/crm/", include("core.api.urls")),
    path("api/crm/", include("communications.api.urls")),
    path("api/crm/", include("preferences.api.urls")),
    path("api/crm/", include("communications.webhooks.urls")),
]

handler400 = "core.api.problems.bad_request"
handler403 = "core.api.problems.permission_denied"
handler404 = "core.api.problems.page_not_found"
handler500 = "core.api.problems.server_error"
