# SPDX-License-Identifier: MIT
"""The manual of `gearadmin`."""

from geartrain.cli.gearadmin_options import OPTIONS
from geartrain.cli.page import Page
from geartrain.cli.servers import ACCESS_VARIABLE, TLS_VARIABLES

__all__ = ["PAGE"]

PAGE = Page(
    "gearadmin",
    "query and control a Gearman server",
    usage=["[-h HOST] [-p PORT] [option ...] OPERATION ..."],
    introduction="""\
Query and control a job server. Several operations may be given; they run in the order of the list below. A long option
may be abbreviated as long as it is clear: --stat means --status.

Lists have the columns that are named below, in this order and without a header. --json prints them with their names.
""",
    options=OPTIONS,
    sections={
        "Examples": """\
  gearadmin --ping                     check that the server answers; if so, the exit status is 0
  gearadmin --status                   functions: jobs (waiting and running), running jobs, workers
  gearadmin --status --json            the same as JSON, for programs
  gearadmin -h queue1 --workers        the connections of a server on another machine
  gearadmin --maxqueue resize 1000     allow at most 1000 jobs of the function resize
  gearadmin --cancel-job H:queue1:17   cancel a waiting job""",
        "Environment": f"""\
  GEARMAN_SERVER            the server, if there is no -h, -p or --server; in a list, the first one
  GEARMAN_SERVERS           like GEARMAN_SERVER; used only if that is not set
{TLS_VARIABLES}
{ACCESS_VARIABLE}""",
        "Exit status": """\
0 on success; 1 if the command line is wrong, or if the server cannot be reached or does not answer in time; 2 if the
server rejects an operation.""",
    },
)
