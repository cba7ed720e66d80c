from django.conf import settings
from django.contrib.admin import AdminSite


class CrmAdminSite(AdminSite):
    """The stock admin under the company's name."""

    site_header = settings.CRM_COMPANY_NAME
    site_title = settings.CRM_COMPANY_NAME
    index_title = "Records"
    site_url = None
