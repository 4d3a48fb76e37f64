#!/bin/sh
# SPDX-License-Identifier: MIT
# A worker that runs a command for each job: Debian's `gearman -w`.
#
# Usage: tool-worker.sh GEARMAN SERVER LEDGER NAME
while :; do
    "$1" -h "${2%:*}" -p "${2#*:}" -w -f soak -- "$(dirname "$0")/tool.sh" "$3" "$4"
    sleep 0.2
done
