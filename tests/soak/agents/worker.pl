#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A worker in Perl: writes each job to the ledger and completes it.
#
# Usage: perl worker.pl SERVER LEDGER NAME
use strict;
use warnings;
use Gearman::Worker;
use Time::HiRes 'time';

my ($server, $ledger, $name) = @ARGV;
open my $file, '>>', $ledger or die "$ledger: $!\n";

my $worker = Gearman::Worker->new(job_servers => [$server]);
$worker->register_function(soak => sub {
    my $workload = $_[0]->arg;
    my ($job) = split / /, $workload;
    syswrite $file, sprintf("%.3f did %s %s\n", time, $job, $name);
    return "done $job " . length $workload;
});
$worker->work while 1;
