"""Which test holds what the documents promise: each row and each sentence of the sections below.

A row goes by its first cell, a sentence by its words, links and code as they read. Who changes a
sentence changes its key, and looks whether its tests still hold it. `test_promises.py` fails where
a row or a sentence has no test, where a test named here is not there, and where what is promised
here is said nowhere.
"""

from __future__ import annotations

from typing import Final

INTERRUPTED: Final = "integration_tests/test_interrupted.py"
FAULTS: Final = "integration_tests/test_write_faults.py"
SLOW: Final = "integration_tests/test_slow_peers.py"
WHOLE: Final = "integration_tests/test_whole_answers.py"
GATEWAYS: Final = "integration_tests/test_gateways.py"
HACKLE: Final = "integration_tests/test_hackle.py"
INPUT: Final = "integration_tests/test_write_input.py"
REJECTED: Final = "integration_tests/test_write_rejected.py"
VERDICT: Final = "integration_tests/test_verdict.py"
S3: Final = "integration_tests/test_rejected_s3.py"
PRIVACY: Final = "integration_tests/test_privacy.py"
CHAOS: Final = "integration_tests/test_chaos.py::test_a_short_chaos"
COMMANDS: Final = "integration_tests/docs/test_commands.py"
START: Final = "integration_tests/test_benchmarks.py::test_the_start"
MEMORY: Final = "integration_tests/test_memory.py"
MESSAGES: Final = "unit_tests/protocol/test_messages.py"
LEDGER: Final = "unit_tests/test_ledger.py"

#: By document, by its heading (or "", for what stands before the first), by row or sentence.
PROMISES: Final[dict[str, dict[str, dict[str, list[str]]]]] = {
    "docs/failures.md": {
        "": {
            "A sync that ends early has lost nothing: the next one goes on from the last state.": [
                f"{INTERRUPTED}::test_kill_and_start_again",
                CHAOS,
            ],
            "Each row and each sentence here is held by a test.": [
                "integration_tests/docs/test_promises.py::test_each_is_held",
                "integration_tests/docs/test_promises.py::test_the_tests_are_there",
            ],
        },
        "What follows": {
            "the configuration or a column is wrong": [f"{INPUT}::test_all_faults_at_once"],
            "a record has no identity, or one that belongs to nobody (null, guest, anonymous, …), "
            "or an unreadable timestamp": [
                f"{INPUT}::test_an_identity_that_cannot_be_kept_is_rejected",
                f"{HACKLE}::test_rejected_by_reason",
                "integration_tests/test_demo.py::test_demo",
            ],
            "a line on stdin is no Airbyte message": [
                f"{INPUT}::test_unreadable_lines_are_counted",
            ],
            "a record holds what parsers refuse: a number of thousands of digits, thousands of "
            "levels, bytes that are no UTF-8": [
                f"{REJECTED}::test_what_no_parser_takes_is_sent_or_kept",
            ],
            "a state holds such a thing": [
                f"{INPUT}::test_states_that_no_parser_takes",
                f"{MESSAGES}::test_a_state_comes_back_byte_for_byte",
            ],
            "a line is a state, or may be one, and cannot be handed back: it is broken, or longer "
            "than 16 MB": [
                f"{INPUT}::test_a_state_is_never_dropped",
            ],
            "the service refuses a request (400)": [
                f"{FAULTS}::test_bad_items_stand_alone",
                f"{HACKLE}::test_a_refused_request_is_split",
            ],
            "the service refuses all that it is sent, or something else answers before it has "
            "accepted anything": [
                f"{VERDICT}::test_all_that_was_asked_is_refused",
                f"{VERDICT}::test_a_hundred_refused_are_enough",
                f"{FAULTS}::test_first_request_refused_to_the_last_item",
                f"{FAULTS}::test_something_else_answers",
            ],
            "something else answers later: a gateway's page, a firewall's, a 401, 403, 404 or "
            "redirect": [
                f"{GATEWAYS}::test_one_page_is_no_wrong_configuration",
                f"{GATEWAYS}::test_a_record_that_a_firewall_turns_away",
                f"{GATEWAYS}::test_a_gateway_whose_service_does_not_come_back",
            ],
            "a 2xx that is not the service's: markup, JSON with an error, an encoding that was not "
            "asked for": [
                f"{GATEWAYS}::test_one_page_is_no_wrong_configuration",
                f"{WHOLE}::test_a_yes_of_somebody_else",
                "unit_tests/http/test_signs.py::test_json_with_an_error",
            ],
            "an answer breaks off, contradicts itself, or stands behind another": [
                f"{WHOLE}::test_half_an_answer_is_no_yes",
                f"{WHOLE}::test_what_stands_behind_an_answer_is_nobodys",
                f"{WHOLE}::test_what_is_counted_is_stored",
            ],
            "an answer comes before the request is sent": [
                f"{WHOLE}::test_an_answer_before_the_request_was_read",
                "unit_tests/delivery/test_settlement.py"
                "::test_what_does_not_go_out_whole_goes_in_halves",
            ],
            "a request is too large (413)": [
                f"{FAULTS}::test_bodies_too_large",
                f"{HACKLE}::test_bodies_too_large",
            ],
            "429, 5xx, a reset, a timeout": [
                f"{FAULTS}::test_passing_faults",
                f"{FAULTS}::test_retries_send_the_same_bytes",
                f"{FAULTS}::test_heap_does_not_come_back",
            ],
            "no record at all could be sent": [
                f"{FAULTS}::test_no_record_can_be_mapped",
                f"{VERDICT}::test_a_quiet_hour_is_no_wrong_configuration",
            ],
            "more records are rejected than max_rejected_percent": [
                f"{VERDICT}::test_more_rejected_than_may_be",
            ],
            "rejected records cannot be saved": [
                f"{REJECTED}::test_a_folder_that_fails_midway",
                f"{S3}::test_a_server_that_dies_midway",
            ],
            "the process is killed": [f"{INTERRUPTED}::test_kill_and_start_again", CHAOS],
            "SIGTERM, SIGINT": [
                f"{INTERRUPTED}::test_asked_to_stop",
                f"{INTERRUPTED}::test_asked_to_stop_while_heap_is_away",
                f"{SLOW}::test_a_signal_ends_a_sync_whatever_the_peer_does",
                f"{SLOW}::test_saving_that_hangs_ends_with_the_sync",
                "integration_tests/test_slow_s3.py::test_a_signal_ends_a_write_that_cannot_begin",
            ],
            "an answer comes by the byte, or has no end": [
                f"{SLOW}::test_a_try_has_an_end",
                f"{SLOW}::test_what_unpacks_to_nothing_or_too_much",
                "integration_tests/test_strange_answers.py::test_answer_without_end_is_not_kept",
            ],
            "a line is slow": [
                f"{SLOW}::test_a_slow_line_takes_a_large_request",
                f"{SLOW}::test_a_peer_that_stops_reading_ends_the_try",
                "unit_tests/delivery/test_settlement.py"
                "::test_what_does_not_go_out_whole_goes_in_halves",
            ],
            "A service that does not answer as it should is named at the first retry: its host, "
            "the cause, and how long it is tried again.": [
                f"{SLOW}::test_a_service_that_is_down_is_named_at_once",
                f"{SLOW}::test_a_retry_is_told_before_the_end_of_the_outage",
            ],
            "It is said again when the cause changes, and each cause at most once a minute.": [
                f"{SLOW}::test_a_service_that_is_down_is_named_at_once",
                "unit_tests/delivery/test_outages.py::test_each_cause_at_once_and_seldom",
            ],
            "check has an answer within 60 seconds, whatever it meets.": [
                f"{SLOW}::test_a_check_always_answers",
                f"{SLOW}::test_a_check_of_what_trickles",
            ],
        },
        "Known limits": {
            "A yes is believed when it comes after all of the request has arrived at the machine "
            "that says it.": [
                f"{WHOLE}::test_a_yes_to_what_has_arrived",
                f"{WHOLE}::test_an_answer_before_the_request_was_read",
            ],
            "Whether a program there has read the request, nobody can tell from here: a proxy "
            "that says yes to what it has not read, and drops it, loses it.": [
                f"{WHOLE}::test_a_yes_to_what_has_arrived",
            ],
            "An answer whose head is longer than 64 kB, with all that announced it, is never "
            "accepted.": [
                f"{WHOLE}::test_how_long_a_head_may_be",
                f"{WHOLE}::test_half_an_answer_is_no_yes",
            ],
            "Such a request is tried again until max_retry_seconds are over.": [
                f"{WHOLE}::test_how_long_a_head_may_be",
            ],
        },
        "When a sync fails": {
            "Rejected records alone do not fail a sync.": [
                f"{VERDICT}::test_more_rejected_than_may_be",
            ],
            "What is good lands, and the rest is counted.": [
                f"{REJECTED}::test_what_is_rejected_is_in_a_file",
            ],
            "A sync that could send nothing at all fails as config_error.": [
                f"{FAULTS}::test_no_record_can_be_mapped",
            ],
            "No state leaves, so that a corrected sync reads the same records again.": [
                f"{FAULTS}::test_no_record_can_be_mapped",
            ],
            "That is so, too, where nothing was rejected and all updates were empty: a property "
            "column is misspelled then.": [
                f"{VERDICT}::test_nothing_but_empty_updates",
            ],
            "A quiet hour is no wrong configuration.": [
                f"{VERDICT}::test_the_next_sync_goes_on_behind_a_quiet_one",
            ],
            "Such a sync is a success with a warning, and its states leave, if all that it "
            "rejected had no identity or event, an identity that belongs to nobody, or an "
            "unreadable timestamp; if the column is in the stream's schema or was in a record; "
            "and if it rejected fewer than 100.": [
                f"{VERDICT}::test_a_quiet_hour_is_no_wrong_configuration",
                f"{VERDICT}::test_every_api_is_judged",
            ],
            "It is a success, too, if files hold all that it rejected.": [
                f"{VERDICT}::test_a_quiet_hour_is_no_wrong_configuration",
                f"{REJECTED}::test_nothing_but_bad_records",
            ],
            "Where the service refused all that it was sent, neither helps.": [
                f"{VERDICT}::test_all_that_was_asked_is_refused",
                f"{VERDICT}::test_refused_though_files_hold_them",
            ],
            "To be told of many rejected records, set max_rejected_percent below 100.": [
                f"{VERDICT}::test_more_rejected_than_may_be",
            ],
            "Of 100 records or more, skipped ones aside, no larger share may then be rejected.": [
                f"{VERDICT}::test_more_rejected_than_may_be",
            ],
            "Otherwise the sync ends as config_error, which Airbyte does not try again, with the "
            "reasons and their counts.": [
                f"{VERDICT}::test_more_rejected_than_may_be",
            ],
            "By then what is good has landed, and all states have left.": [
                f"{VERDICT}::test_more_rejected_than_may_be",
            ],
            "dry_run and preview say whether a sync would fail.": [
                f"{VERDICT}::test_a_quiet_hour_is_no_wrong_configuration",
                f"{VERDICT}::test_more_rejected_than_may_be",
            ],
        },
        "The ledger": {
            "The last log line of a sync is the ledger: records read, accepted, rejected and "
            "skipped by reason, merged, truncated, requests, retries, seconds held up by the "
            "quota, seconds in all.": [
                f"{LEDGER}::test_closing_line_gives_all_counts",
                f"{COMMANDS}::test_by_hand",
            ],
            "Read equals accepted plus rejected plus skipped, or the sync fails.": [
                f"{LEDGER}::test_read_is_accepted_plus_rejected",
                f"{LEDGER}::test_what_is_skipped_is_accounted_for",
                CHAOS,
            ],
            "No log line, trace or error ever holds a value of a record.": [
                f"{PRIVACY}::test_refused_and_rejected",
                f"{PRIVACY}::test_a_process_with_debug_logs",
                f"{PRIVACY}::test_everything_refused",
                CHAOS,
            ],
        },
        "Keep rejected records": {
            "By default rejected records are counted, and dropped.": [
                "unit_tests/rejected/test_object_storage_config.py::test_none_local_and_s3",
            ],
            "To keep them, choose Local (a folder) or S3 under Rejected records in the form:": [
                "integration_tests/browser/test_form.py::test_filled_by_a_person",
            ],
            "The fields are in the reference, Heap's or Hackle's.": [
                "integration_tests/docs/test_reference.py::test_the_reference_is_the_form",
            ],
            "S3 needs pip install 'destination-heap-analytics[s3]'; the image has it.": [
                f"{S3}::test_without_the_library",
                "integration_tests/image/test_image.py::test_extras",
            ],
            "The key or role needs s3:PutObject, and for check s3:DeleteObject.": [
                f"{S3}::test_what_is_wrong_is_named",
                f"{S3}::test_a_check_leaves_nothing",
            ],
            "A file is {sync_id}/{namespace}/{stream}/{date}_{timestamp}_{part}.jsonl, below "
            "bucket_path or path; Airbyte's UI links to those in S3.": [
                f"{S3}::test_rejected_records_become_an_object",
                f"{REJECTED}::test_what_is_rejected_is_in_a_file",
                "unit_tests/rejected/test_rejected_records.py::test_file_name",
            ],
            "Each line is a whole record as it came in, its meta says why in rejection_reason.": [
                "unit_tests/rejected/test_rejected_records.py::test_only_the_reason_is_new",
                f"{REJECTED}::test_what_is_rejected_is_in_a_file",
            ],
            "Where the service refused it, rejection_answer is the service's answer as it came, or "
            "its first 4,000 bytes; logs hold no more of it than words that tell of no person.": [
                "unit_tests/http/test_words.py::test_an_answer_is_bounded",
                "unit_tests/http/test_words.py::test_no_value_shows",
                "integration_tests/test_privacy.py::test_respelled_values",
            ],
            "A file is written and closed before a state behind its records leaves.": [
                f"{REJECTED}::test_kill_and_start_again",
            ],
            "A record that a killed sync had saved may be in two files.": [
                f"{REJECTED}::test_kill_and_start_again",
            ],
            "A record longer than 16 MB is in a file of its own, without a reason.": [
                f"{REJECTED}::test_a_record_that_is_too_long",
            ],
            "A line that was no Airbyte message is in one: a record without data, whose meta has "
            "the line in unreadable_line, as text, or as base64 where it is no UTF-8.": [
                f"{REJECTED}::test_a_line_that_is_no_message_is_kept",
            ],
            "Piped in again, it is judged as that line.": [
                f"{REJECTED}::test_a_line_that_is_no_message_is_kept",
                f"{MESSAGES}::test_an_envelope_is_judged_as_what_is_in_it",
            ],
            "The files hold personal data: guard them.": [
                "unit_tests/rejected/test_rejected_files.py::test_a_folder_keeps_a_file",
            ],
        },
        "Send them again": {
            "When the mistake is corrected, pipe the files into write:": [
                f"{COMMANDS}::test_replay",
            ],
            "Where the stream has a namespace, its files are in rejected/*/NAMESPACE/orders/.": [
                "unit_tests/rejected/test_rejected_records.py::test_plain_names_stay",
            ],
            "An event that had landed all the same is not doubled in Heap: its key is the same.": [
                "unit_tests/rejected/test_rejected_records.py"
                "::test_a_replayed_record_is_the_same_event",
                f"{REJECTED}::test_replay_after_a_correction",
            ],
            "Whether Hackle would count it twice is not known.": [
                "integration_tests/docs/test_reference.py"
                "::test_what_is_not_known_of_hackle_is_said",
            ],
            "Updates of users and accounts have no key, and the last one wins: send files again "
            "before newer updates, or leave out what is outdated.": [
                "integration_tests/test_write_lands.py"
                "::test_properties_equal_updates_applied_in_order",
            ],
        },
    },
    "docs/speed.md": {
        "Memory": {
            "Memory stays below 130 MB, however long the sync and however slow the service.": [
                "integration_tests/test_write_lands.py::test_memory_stays_bounded",
                f"{REJECTED}::test_memory_stays_bounded",
            ],
            "It stays below 160 MB with lines of up to 4 MB, with large states, with any number of "
            "identities under a quota, and with answers of any length.": [
                f"{MEMORY}::test_a_wide_record",
                f"{MEMORY}::test_large_states",
                f"{MEMORY}::test_large_states_that_stay",
                f"{MEMORY}::test_an_answer_of_s3_without_end",
                "unit_tests/delivery/test_quotas.py"
                "::test_any_number_of_identities_takes_the_same_memory",
            ],
            "While a longer line is read, it takes up to 25 times its bytes if it is made of small "
            "values, and three times if it is text.": [
                f"{MEMORY}::test_lines_that_are_nearly_too_long",
            ],
            "A line may have 16 MB.": [
                "unit_tests/protocol/test_lines.py::test_long_lines_are_let_go",
            ],
            "A longer record is counted as too_long, and streamed to a file of its own if rejected "
            "records are kept.": [
                f"{MEMORY}::test_a_line_without_end",
                f"{REJECTED}::test_a_record_that_is_too_long",
            ],
            "A longer line that may be a state ends the sync.": [
                f"{INPUT}::test_a_state_is_never_dropped",
            ],
            "Of states that wait, what is over 8 MB waits in a temporary file (TMPDIR), up to 1 GB "
            "while nothing was accepted yet.": [
                f"{MEMORY}::test_large_states_that_stay",
                "unit_tests/protocol/test_checkpoints.py"
                "::test_states_leave_in_order_when_their_records_are_settled",
            ],
        },
        "The start": {
            "spec": [START],
            "write of 1,000 records, to its end": [START],
            "the import of Airbyte's CDK alone, which no command needs": [
                START,
                "integration_tests/test_main_py.py::test_what_is_not_needed_is_not_imported",
            ],
            "A command begins after a fifth to a third of a second.": [START],
            'make bench ARGS="--parts start", on the same machine:': [START],
        },
    },
}
#: Sentences that promise nothing.
NO_PROMISE: Final = {
    "This page says what is retried, what is split, what is rejected and what ends a sync, for "
    "Heap and for Hackle.",
}
