"""Payloads on their way: batches, lanes and their threads, quotas, and the receipt of each batch.

Order is kept for each identity, and nothing is reported as settled that the service did not settle.
"""
