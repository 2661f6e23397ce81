"""What is said while a service is away."""

from bulk_destination.delivery.outages import Outages, host_of


def test_each_cause_at_once_and_seldom() -> None:
    """A new cause at once, the same again after a minute; with how long it goes on."""
    outages = Outages("Nowhere at nowhere.test")
    assert outages.retried("status 503", 0.2, 599.8, 100) == (
        "Nowhere at nowhere.test: status 503. Trying again, for up to 600 s"
    )
    assert outages.retried("status 503", 1, 599, 101) is None
    assert outages.retried("the connection was reset", 40, 560, 140) == (
        "Nowhere at nowhere.test: the connection was reset, for 40 s now. "
        "Trying again, for up to 560 s"
    )
    assert outages.retried("status 503", 50, 550, 159) is None
    assert outages.retried("the connection was reset", 50, 550, 159) is None
    assert outages.retried("status 503", 60, 540, 160) is not None


def test_the_host_alone_is_shown() -> None:
    """Neither a password nor a path."""
    assert host_of("https://one:secret@nowhere.test:8443/api?x=y") == "nowhere.test:8443"
    assert host_of("https://nowhere.test/api") == "nowhere.test"
