"""Rejected records on their way to files: in a folder or in S3.

A file is written and closed before a state behind its records may leave.
"""
