# SPDX-License-Identifier: MIT
"""Defects of the C server (protocol 7.1-7.4, 7.6), each with the tests that show ours without it."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

CORE = "core/test_defects.py"
TLS = "server/listen/test_tls.py"
DRAINING = "core/test_draining.py"
COMMITS = "core/test_commit_queue.py"
LOGS = "server/process/test_logs.py"
PROCESS = "cli/test_gearmand_process.py"
TOOL = "cli/test_gearman.py"
ADMIN = "cli/test_gearadmin.py"

# Section, what the C server or its tools do, file, tests.
DEFECTS: list[tuple[str, ...]] = [
    ("7.1", "a packet type of 2^31 or more ends it", CORE, "test_packet_type_of_2_31_or_more"),
    ("7.1", "CAN_DO_TIMEOUT out of range ends it", CORE, "test_can_do_timeout_out_of_range"),
    ("7.1", "create function without a name ends it", CORE, "test_create_function_without_a_name"),
    ("7.1", "a header reserves 4 GiB", CORE, "test_header_announcing_4_gib"),
    (
        "7.1",
        "silent sockets on a TLS port block all other connections",
        TLS,
        "test_silent_sockets_neither_block_others_nor_delay_the_shutdown",
    ),
    ("7.1", "a worker's warning ends an HTTP server", CORE, "test_an_http_request_ends_the_connection"),
    ("7.1", "a reduce job's long unique brings foreign memory", CORE, "test_reduce_job_with_a_long_unique"),
    (
        "7.2",
        "a job joins one that was abandoned while queued",
        CORE,
        "test_same_unique_after_the_foreground_client_left",
        "test_same_unique_while_the_job_of_a_client_that_left_runs",
    ),
    (
        "7.2",
        "a background job ends with a foreground client that joined it",
        CORE,
        "test_background_job_that_a_foreground_client_joined_and_left",
    ),
    (
        "7.2",
        "a background submission that joins is lost",
        CORE,
        "test_foreground_job_that_a_background_submission_joined",
    ),
    (
        "7.2",
        "a background submission that joins is not stored",
        COMMITS,
        "test_a_foreground_job_becomes_durable_with_its_first_background_submission",
    ),
    ("7.2", "a job joins one that was cancelled", CORE, "test_same_unique_after_cancel_job"),
    ("7.2", "a unique of 64 bytes is cut", CORE, "test_unique_of_exactly_64_bytes"),
    ("7.2", "PRE_SLEEP deletes a healthy job", CORE, "test_pre_sleep_with_an_abandoned_job_beside_a_healthy_one"),
    ("7.2", "abandoned jobs count", CORE, "test_abandoned_jobs_are_gone_at_once"),
    (
        "7.3",
        "WORK_FAIL has a separator behind its handle",
        CORE,
        "test_work_fail_is_exactly_the_handle",
        "test_an_exception_turned_into_a_failure_is_exactly_the_handle",
    ),
    (
        "7.3",
        "WORK_FAIL behind WORK_EXCEPTION is an error",
        CORE,
        "test_work_fail_behind_an_exception_is_swallowed_once",
    ),
    (
        "7.3",
        "late results are errors",
        CORE,
        "test_the_first_result_of_a_job_that_timed_out_counts",
        "test_results_of_a_cancelled_job_are_swallowed",
        "test_handles_that_were_never_assigned_are_an_error",
        "test_the_handles_kept_for_late_results_are_limited",
    ),
    ("7.3", "an ERROR has no handle", CORE, "test_answers_stay_in_the_order_of_the_submissions"),
    ("7.3", "names break listings", CORE, "test_names_with_tabs_and_newlines_do_not_break_the_listing"),
    ("7.3", "IPv6 peers are cut", CORE, "test_ipv6_peers_are_shown_in_full"),
    ("7.4", "the timer of a job that has ended fires", CORE, "test_a_job_that_ended_in_time_has_no_deadline_left"),
    ("7.4", "a connection has one timer", CORE, "test_each_job_has_its_own_deadline"),
    ("7.4", "PRE_SLEEP forgets the deadline", CORE, "test_pre_sleep_keeps_the_deadline_of_a_running_job"),
    ("7.4", "drop function orphans jobs", CORE, "test_drop_function_with_waiting_jobs_is_refused"),
    (
        "7.4",
        "a repeated CAN_DO counts twice",
        CORE,
        "test_repeated_can_do_counts_once",
        "test_a_later_can_do_updates_the_limit",
    ),
    ("7.4", "PRE_SLEEP after a NOOP sleeps for ever", CORE, "test_noop_then_pre_sleep_then_a_new_job"),
    ("7.4", "CAN_DO while asleep does not wake", CORE, "test_can_do_while_asleep_wakes_for_waiting_jobs"),
    ("7.4", "CANT_DO has a running job run twice", CORE, "test_taking_a_function_back_lets_the_running_job_finish"),
    (
        "7.4",
        "epoch jobs do not wake, and block others",
        CORE,
        "test_an_epoch_job_wakes_a_sleeper_when_it_is_due",
        "test_an_epoch_job_neither_holds_up_others_nor_keeps_workers_awake",
    ),
    ("7.4", "a requeued job waits behind all", CORE, "test_a_requeued_job_goes_to_the_front_and_keeps_its_retries"),
    (
        "7.4",
        "a stop waits for jobs that are stored",
        DRAINING,
        "test_background_jobs_are_counted_as_stored_or_not",
        "test_no_further_job_is_assigned",
    ),
    ("7.6", "create function cuts a name", CORE, "test_create_function_with_a_bare_newline_keeps_the_whole_name"),
    ("7.6", "drop function ignores case", CORE, "test_drop_function_is_case_sensitive"),
    ("7.6", "a sixth word ends the connection", CORE, "test_a_sixth_word_is_an_error_and_not_the_end"),
    ("7.6", "no separator before an unknown word", CORE, "test_an_unknown_command_is_separated_from_the_message"),
    ("7.6", "HUP makes a file called stderr", PROCESS, "test_hup_does_not_make_a_file_called_stderr"),
    ("7.6", "HUP makes a file called none", LOGS, "test_stderr_and_none_are_no_files"),
    ("7.6", "missing TLS files do not end the start", TLS, "test_the_server_does_not_start_with_mismatching_files"),
    (
        "7.6",
        "gearman exits with 0 without a server, and when time is over",
        TOOL,
        "test_without_a_server_it_fails_with_a_reason_and_a_hint",
        "test_a_timeout_has_its_own_exit_status",
    ),
    (
        "7.6",
        "gearman gives no reason for what it cannot do",
        TOOL,
        "test_a_missing_command_fails_its_job",
        "test_a_pid_file_that_cannot_be_written_is_fatal",
    ),
    ("7.6", "a worker floods stderr without a server", TOOL, "test_a_missing_server_is_reported_once"),
    ("7.6", "a command that was killed is a success", TOOL, "test_a_killed_command_fails_its_job"),
    ("7.6", "gearadmin exits with 0 when refused", ADMIN, "test_a_refusal_sets_the_exit_status"),
]


@pytest.mark.parametrize("defect", DEFECTS, ids=[each[1] for each in DEFECTS])
def test_each_defect_of_the_c_server_has_a_test(defect: tuple[str, ...]) -> None:
    section, _, file, *tests = defect

    assert re.fullmatch(r"7\.\d", section)
    assert tests
    assert [test for test in tests if test not in _tests_of(TESTS / file)] == []


def _tests_of(file: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)}
