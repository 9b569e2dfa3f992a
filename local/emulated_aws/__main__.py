"""Starts the local AWS in the folder that `HOME` names."""

import os

from ministack.app import main

from local.emulated_aws import functions, serving, streams, tables
from local.emulated_aws.known import require_known_version

if __name__ == "__main__":
    require_known_version()
    # It was started where this package is found.
    os.chdir(os.environ["HOME"])
    serving.serve_by_parsers_in_c()
    serving.match_each_path_once()
    functions.answer_without_delay()
    functions.reuse_threads()
    functions.let_calls_wait_for_processors()
    functions.give_queues_workers_by_processors()
    functions.let_idle_environments_sleep()
    functions.do_not_wait_for_silent_functions()
    tables.expire_a_few_at_a_time()
    tables.read_each_expression_once()
    tables.read_each_number_once()
    tables.copy_items_plainly()
    streams.read_streams_side_by_side()
    main()
