"""The page of a stand-in for people: what arrived, as in the service's own live view.

    routes      which page is asked for, and whether anything on it has changed
      views     what a page shows, where that is the same for every service
        shown     how values and times look
        chart     use of a quota as a picture
      rendering the templates and the files beside them

HTML made here, and one script of others: htmx, which asks once a second for what is new. Without
scripts the pages are the same and stand still. A service adds views and templates of its own.
"""
