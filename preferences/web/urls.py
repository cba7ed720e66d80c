from django.urls import path

from preferences.web import centre, unsubscribe

app_name = "preferences"
# With and without a slash at the end: links are copied by hand, and a redirect would lose the one click.
urlpatterns = [
    path("u/<str:token>", unsubscribe.unsubscribe, name="unsubscribe"),
    path("u/<str:token>/", unsubscribe.unsubscribe),
    path("p/<str:token>", centre.centre, name="centre"),
    path("p/<str:token>/", centre.centre),
]
