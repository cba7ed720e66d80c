from clients.models.client import Client
from clients.models.contact_point import ContactPoint
from clients.models.plan import Plan

__all__ = ["Client", "ContactPoint", "Plan"]
