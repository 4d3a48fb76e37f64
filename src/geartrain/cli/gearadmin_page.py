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
The operations are done on one connection, in the order of the list below. Long options may be shortened as long as only
one begins so: --stat is --status.
""",
    options=OPTIONS,
    sections={
        "Examples": """\
  gearadmin --ping                     does the server answer? The exit status tells
  gearadmin --status                   functions: jobs (waiting and running), running jobs, workers
  gearadmin -h queue1 --workers        the connections of a server on another machine
  gearadmin --status --json            the same for programs
  gearadmin --maxqueue resize 1000     reject jobs of resize while it has 1000
  gearadmin --cancel-job H:queue1:17   cancel a job that waits""",
        "Environment": f"""\
  GEARMAN_SERVER            the server, if no option names one; of several, the first
  GEARMAN_SERVERS           the same, if GEARMAN_SERVER is not set
{TLS_VARIABLES}
{ACCESS_VARIABLE}""",
        "Exit status": """\
0 if all went well; 1 for wrong usage, or if the server cannot be reached or does not answer in time; 2 if it refused an
operation.""",
    },
)
