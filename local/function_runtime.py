"""Runs a Lambda function: what `python -m awslambdaric` does, but waits for events in the thread that handles them.

It runs in `.tools/runtime`, as a script. Otherwise each invocation begins a thread and ends it, which costs as much as
a small request; on AWS that lets a function answer signals meanwhile, and here a signal ends it.
"""

import os
import sys

from awslambdaric import bootstrap
from awslambdaric.lambda_runtime_client import LambdaRuntimeClient

if __name__ == "__main__":
    bootstrap.run(sys.argv[1], LambdaRuntimeClient(os.environ["AWS_LAMBDA_RUNTIME_API"]))
