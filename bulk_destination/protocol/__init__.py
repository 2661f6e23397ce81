"""Airbyte's protocol: lines of stdin become messages, and what is safe becomes lines of stdout.

The catalog, the states that wait for their records, and the JSON files of the command line.
"""
