"""Twilio's Programmable Messaging, as far as the product uses it."""
