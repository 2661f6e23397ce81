"""Airbyte destination for Hackle: records become user events."""
