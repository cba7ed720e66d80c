"""The bare site as the web server starts it."""

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
