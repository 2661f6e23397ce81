"""What people look at: the plan of a dry run, `preview`, and how far a sync is.

Nothing here sends anything.
"""
