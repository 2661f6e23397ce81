"""The walk of records: out of a source, through the mapping, to the service, until all is settled.
It knows neither stdout nor who called: Airbyte's `write` stands on it.
"""
