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

Each argument after the options is a job. Without arguments, standard input is the job. The command of a worker reads
the job from its standard input, and its output is the result. Put -- before the command if it has options of its own.
""",
    options=OPTIONS,
    sections={
        "Uniques": """\
The unique is a key for a job. While a job with this key waits or runs, another submission with the same function and
the same key makes no second job: both clients get the result of the first job. With -u -, the key is the content of the
job; with -u '#', it is a hash of the content.""",
        "Servers": f"""\
The server is localhost:{DEFAULT_PORT} by default. Options or variables can name several servers. A client uses the
first one that it can reach; a worker uses all of them.""",
        "Environment": f"""\
  GEARMAN_SERVER            servers, as in host:port,host:port; it overrides -h and -p
  GEARMAN_SERVERS           more servers, used after those of GEARMAN_SERVER, or of -h and -p;
                            --server overrides both variables
{TLS_VARIABLES}
{ACCESS_VARIABLE}""",
        "Exit status": """\
Clients: 0 if all jobs were done (with -b: accepted by the server); 1 if a job failed, or if the command line is wrong;
2 if no server could be reached, if the connection was lost, or if the server rejected a job; 3 if -t or --timeout
expired. Workers: 0, or 1 if the command line is wrong.""",
    },
)
