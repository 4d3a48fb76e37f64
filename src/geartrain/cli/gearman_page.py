# SPDX-License-Identifier: MIT
"""The manual of `gearman`."""

from geartrain.cli.gearman_options import OPTIONS
from geartrain.cli.page import Page
from geartrain.cli.servers import ACCESS_VARIABLE, TLS_VARIABLES
from geartrain.transport.address import DEFAULT_PORT

__all__ = ["PAGE"]

PAGE = Page(
    "gearman",
    "submit jobs to a Gearman server, or do them, from the shell",
    usage=["-f FUNCTION [option ...] [JOB ...]", "-w -f FUNCTION [option ...] [-- COMMAND [ARGUMENT ...]]"],
    introduction="""\
Gearman hands work to other processes and machines. A worker registers functions at a job server. A client sends the
server the name of a function and some bytes, and gets back the result of the worker.

Try it, with a server (gearmand) running on this machine:

  gearman -w -f count -- wc -w &            register the function "count": run wc -w for each job
  gearman -f count "three little words"     have it done: prints 3
  gearman -f count < essay.txt              the same for the contents of a file
  ls | gearman -f count -n                  a job for each line of the input
  gearman -f count -b "no hurry"            put the job in the queue and do not wait for it

Each word behind the options is a job; without any, standard input is the job. The command of a worker reads the job
from its standard input, and its output is the result. Put -- before a command that has options of its own.
""",
    options=OPTIONS,
    sections={
        "Uniques": """\
A job with -u UNIQUE is not queued again while one with the same unique is. The unique - stands for the contents of the
job, and # for a number computed from them.""",
        "Servers": f"""\
localhost:{DEFAULT_PORT}, unless -h, -p, --server or the environment name others. A client uses the first one that it
reaches, a worker uses all.""",
        "Environment": f"""\
  GEARMAN_SERVER            servers in place of -h and -p: host:port,host:port
  GEARMAN_SERVERS           more servers, tried after these
{TLS_VARIABLES}
{ACCESS_VARIABLE}""",
        "Exit status": """\
Of a client: 0 if all jobs were done, or accepted with -b; 1 if one failed, or for wrong usage; 2 if no server could be
reached, or one refused a job or was lost; 3 if -t or --timeout ran out. Of a worker: 0, or 1 for wrong usage.""",
    },
)
