"""What a local stand-in for a service is made of, whichever service it stands for.

    page.routes                    command
      page.views                     http
        page.chart, page.rendering     intake
          history   page.shown           server, journal, guard, options
                                           faults
    database                                 answers
      property_counts                quotas, typed

A service adds what it takes and refuses, what it keeps, and what its page shows: `sandbox.heap`
and `sandbox.hackle` are two. None of them knows the other, and nothing here knows them.
"""
