"""Everything that can be set, as one frozen value; a value that exists is legal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sandbox.options import ServiceOptions


@dataclass(frozen=True, kw_only=True)
class SandboxOptions(ServiceOptions):
    """What a local Heap can be told beyond that.

    - `quotas`: whether the published quotas are kept
    - `events_per_minute`: events an app_id may send in one window (bulk track page: 15,000 a
      minute); 0 lifts this quota
    - `events_per_identity_per_minute`: the same for one identity (bulk track page: 1,000)
    - `user_requests_per_identity`: requests of add_user_properties that one identity may be in,
      in half a window (page of the single form: 30 in 30 seconds; that of the bulk form, with the
      same address, is silent); 0 lifts this quota
    - `quota_window_seconds`: the length of the sliding window, a minute unless tests are in
      a hurry
    - `api_key`: the key that gives tokens to delete users by
    - `token_seconds`: how long a token lives (Heap's help page: 5 minutes)
    - `deletion_seconds`: how long a deletion is said to be pending
    - `main_production`: whether the environment is one that users may be deleted in
    """

    quotas: bool = True
    events_per_minute: int = 15_000
    events_per_identity_per_minute: int = 1_000
    user_requests_per_identity: int = 30
    quota_window_seconds: float = 60.0
    api_key: str = "local-api-key"
    token_seconds: float = 300.0
    deletion_seconds: float = 2.0
    main_production: bool = True

    def _faults(self) -> Iterator[str]:
        yield from super()._faults()
        if self.events_per_minute < 0 or self.events_per_identity_per_minute < 0:
            yield "a quota cannot be less than 0 events"
        if self.user_requests_per_identity < 0:
            yield "a quota cannot be less than 0 requests"
        if not self.quota_window_seconds > 0:
            yield "the quota window must be longer than 0 seconds"
        if not self.api_key.strip():
            yield "the API key cannot be blank"
        if not self.token_seconds > 0:
            yield "a token must live longer than 0 seconds"
        if not self.deletion_seconds >= 0:
            yield "a deletion cannot last less than 0 seconds"
