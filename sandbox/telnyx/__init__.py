"""Telnyx's Messaging API, as far as the product uses it."""
