"""Payloads on their way: batches, the threads that send them, quotas, the receipt of each request.

Order is kept for each key, and nothing is reported as settled that the service did not settle.
"""
