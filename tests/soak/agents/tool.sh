#!/bin/sh
# SPDX-License-Identifier: MIT
# What `gearman -w` runs for each job: enters it into the ledger and says that it is done.
#
# Usage: tool.sh LEDGER NAME
workload=$(cat)
job=${workload%% *}
echo "$(date +%s.%3N) did $job $2" >>"$1"
printf 'done %s %d' "$job" "${#workload}"
