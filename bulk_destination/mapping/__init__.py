"""What a record becomes: columns are found in it, and their values made fit for a service.

Pure, and without a word of HTTP or of Airbyte's protocol; a connector's own payloads stand on it.
"""
