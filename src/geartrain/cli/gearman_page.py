# SPDX-License-Identifier: MIT
"""The manual of `gearman`."""

from geartrain.cli.gearman_options import OPTIONS
from geartrain.cli.page import Page
from geartrain.cli.servers import ACCESS_VARIABLE, TLS_VARIABLES
from geartrain.transport.address import DEFAULT_PORT

__all__ = ["PAGE"]

PAGE = Page(
    "gearman",
    "submit jobs to a Gearman server, or run a worker, from the shell",
    usage=["-f FUNCTION [option ...] [JOB ...]", "-w -f FUNCTION [option ...] [-- COMMAND [ARGUMENT ...]]"],
    introduction="""\
Gearman passes work to other processes and machines. A worker registers functions with a job server. A client sends the
server the name of a function and some input, and gets the result of the worker.

Try it, with a server (gearmand) running on this machine:

  gearman -w -f count -- wc -w &            register the function "count": run wc -w for each job
  gearman -f count "three little words"     submit a job and print its result, 3
  gearman -f count < essay.txt              submit the contents of a file
  ls | gearman -f count -n                  submit a job for each line of the input
  gearman -f count -b "no hurry"            put a job in the queue, and do not wait for it

Each argument after the options is a job; without arguments, standard input is the job. The command of a worker reads
the job from its standard input, and its output is the result. Put -- before a command that has options of its own.
""",
    options=OPTIONS,
    sections={
        "Uniques": """\
While a job with -u UNIQUE is waiting or running, a submission with the same function and unique joins this job. With
-u -, the unique is the content of the job; with -u #, it is a hash of the content.""",
        "Servers": f"""\
localhost:{DEFAULT_PORT}, unless -h, -p, --server or the environment name others. A client uses the first one that it
can reach; a worker uses all of them.""",
        "Environment": f"""\
  GEARMAN_SERVER            servers instead of -h and -p: host:port,host:port
  GEARMAN_SERVERS           more servers, tried after those of GEARMAN_SERVER
{TLS_VARIABLES}
{ACCESS_VARIABLE}""",
        "Exit status": """\
Clients: 0 if all jobs were done (with -b: accepted); 1 if a job failed, or for wrong usage; 2 if no server could be
reached, or if a server rejected a job or was lost; 3 if -t or --timeout expired. Workers: 0, or 1 for wrong usage.""",
    },
)
