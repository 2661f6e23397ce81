"""A job is posted with a token, and waited for; time is handed in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import requests_mock

from bulk_destination.errors import (
    ConfigurationError,
    InterruptedSyncError,
    JobFailedError,
    UnavailableError,
)
from bulk_destination.http.job_client import JobClient
from bulk_destination.http.jobs import Patience
from bulk_destination.http.pacing import RetryPolicy
from bulk_destination.http.replies import Accepted
from destination_heap_analytics.config import DeleteUsersConfig, HeapConfig
from destination_heap_analytics.deletion import deletion_endpoint, hold

CONFIG = HeapConfig.parse(
    {
        **{"app_id": "11", "base_url": "https://heap.example"},
        "api": {
            **{"api_type": "delete_users", "identity_column": "who"},
            **{"api_key": "k", "confirm": "11"},
        },
    }
)
BASE = "https://heap.example/api/public/v0"
BODY = b'{"users":[{"identity":"ann"}]}'


@dataclass
class World:
    """A clock that only waiting moves, what was said, and a Heap of these answers."""

    now: float = 1_000.0
    waits: list[float] = field(default_factory=list)
    ends: bool = False
    said: list[str] = field(default_factory=list)
    tokens: list[float] = field(default_factory=list)
    pending: Callable[[], bool] = lambda: False
    #: Whether a token of that age is taken.
    takes: Callable[[float], bool] = lambda age: age < 300

    def clock(self) -> float:
        return self.now

    def pause(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.now += seconds
        return self.ends

    def client(self, patience: Patience | None = None) -> JobClient:
        assert isinstance(CONFIG.api, DeleteUsersConfig)
        return JobClient(
            *(deletion_endpoint(CONFIG), hold(CONFIG, CONFIG.api).jobs, RetryPolicy()),
            *(patience or Patience(), self.pause),
            clock=self.clock,
            say=self.said.append,
        )

    def token(self, *_: object) -> str:
        self.tokens.append(self.now)
        return json.dumps({"access_token": f"token-{len(self.tokens)}"})

    def answer(self, request: object, context: object, yes: tuple[int, object]) -> str:
        number = int(request.headers["Authorization"].removeprefix("Bearer token-"))  # type: ignore[attr-defined]
        status, found = yes
        if not self.takes(self.now - self.tokens[number - 1]):
            status, found = 401, {"err": {"message": "Unauthorized"}}
        context.status_code = status  # type: ignore[attr-defined]
        return json.dumps(found)


@pytest.fixture
def world() -> Iterator[World]:
    here = World()
    taken = 201, {"deletion_request_id": "4711", "status": "pending"}
    with requests_mock.Mocker() as mocker:
        mocker.post(f"{BASE}/auth_token", text=here.token)
        mocker.post(f"{BASE}/user_deletion", text=lambda r, c: here.answer(r, c, taken))
        mocker.get(
            f"{BASE}/deletion_status/4711",
            text=lambda r, c: here.answer(
                r, c, (200, {"status": "pending" if here.pending() else "complete"})
            ),
        )
        yield here


def test_waits_grow(world: World) -> None:
    """From a second to a minute, and the log says so from ten seconds on."""
    world.pending = lambda: world.now < 1_400
    assert world.client().post(BODY) == Accepted()
    assert world.waits[0] == 1
    assert all(b - a > 0 or b == 60 for a, b in zip(world.waits, world.waits[1:], strict=False))
    assert max(world.waits) == 60
    told = [words for words in world.said if "has not completed deletion request 4711" in words]
    assert len(told) == sum(wait >= 10 for wait in world.waits)
    assert world.said[-1].startswith("Heap has completed deletion request 4711, after")


def test_a_token_is_renewed_before_it_ends(world: World) -> None:
    """So none that has ended is ever sent."""
    ages: list[float] = []

    def takes(age: float) -> bool:
        ages.append(age)
        return True

    world.takes = takes
    world.pending = lambda: world.now < 2_000
    world.client().post(BODY)
    assert max(ages) < 240
    assert len(world.tokens) == 5  # 1,000 s, four minutes each


def test_a_token_that_ends_sooner_than_is_said(world: World) -> None:
    """It is renewed where it is refused, as long as each lives for a while."""
    world.takes = lambda age: age < 70
    world.pending = lambda: world.now < 1_600
    assert world.client().post(BODY) == Accepted()
    assert len(world.tokens) > 6


def test_a_token_that_is_never_taken(world: World) -> None:
    """Two new ones are refused in a row: then it is not the token."""
    world.takes = lambda _: False
    with pytest.raises(ConfigurationError, match=r"app_id: may delete no users \(refused by Heap"):
        world.client().post(BODY)
    assert len(world.tokens) == 2


def test_a_token_that_ends_while_heap_is_away(world: World) -> None:
    """It is bounded as any request is: tokens and outages do not take turns for ever."""
    with requests_mock.Mocker() as mocker:
        mocker.post(f"{BASE}/auth_token", text=world.token)
        world.takes = lambda age: age < 61

        def away(request: object, context: object) -> str:
            return world.answer(request, context, (503, {}))

        mocker.post(f"{BASE}/user_deletion", text=away)
        with pytest.raises(UnavailableError):
            world.client().post(BODY)
    assert world.now < 1_000 + 2 * 600 + 120


def test_all_jobs_together_are_waited_for_so_long(world: World) -> None:
    """After that, whoever is pending counts as done, at the first look."""
    client = world.client(Patience(in_all=100))
    world.pending = lambda: True
    assert client.post(BODY) == Accepted()
    assert 100 <= world.now - 1_000 < 160
    before = len(world.waits)
    assert client.post(BODY) == Accepted()
    assert len(world.waits) == before + 1
    assert sum("not completed it in" in words for words in world.said) == 2


def test_a_stop_while_it_waits(world: World) -> None:
    """It raises at once, and asks nothing more."""
    world.ends = True
    world.pending = lambda: True
    with pytest.raises(InterruptedSyncError, match="deletion request 4711 was waited for"):
        world.client().post(BODY)
    assert len(world.waits) == 1


def test_a_job_that_is_never_known(world: World) -> None:
    """That it was taken is then not enough."""
    with requests_mock.Mocker() as mocker:
        mocker.post(f"{BASE}/auth_token", text=world.token)
        taken = 201, {"deletion_request_id": "4711"}
        mocker.post(f"{BASE}/user_deletion", text=lambda r, c: world.answer(r, c, taken))
        mocker.get(f"{BASE}/deletion_status/4711", status_code=404, json={"err": {"message": "no"}})
        with pytest.raises(JobFailedError, match="not known there"):
            world.client(Patience(in_all=100)).post(BODY)
