"""The user events of Hackle's documents, sent by Hackle's own SDK.

Runs in an environment of its own that has hackle-sdk and nothing of this project.
`make real-peer-environment` makes that environment. Takes the URL to send to.
"""

import sys

from hackle.config import HackleConfig  # type: ignore[import-not-found]
from hackle.hackle import Client  # type: ignore[import-not-found]
from hackle.model import Hackle  # type: ignore[import-not-found]


def main() -> None:
    """Tracks the documents' three purchases and waits until they are sent."""
    url = sys.argv[1]
    config = HackleConfig.builder().sdk_url(url).event_url(url).monitoring_enabled(False).build()
    hackle_client = Client("peer-key", config=config)

    # "Track User Events": the event key alone, ...
    event = Hackle.event(key="purchase")
    user = Hackle.user("ae2182e0")
    hackle_client.track(event=event, user=user)

    # ... with a numeric value, ...
    event = Hackle.event(key="purchase", value=13200)
    hackle_client.track(event=event, user=user)

    # ... and with properties.
    event = Hackle.event(
        key="purchase", value=13200, pay_method="CARD", discount_amount=800, is_discount=True
    )
    hackle_client.track(event, user)

    hackle_client.close()


if __name__ == "__main__":
    main()
