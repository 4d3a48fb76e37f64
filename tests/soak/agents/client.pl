#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# A client in Perl: submits background and foreground jobs, and writes their outcomes to the ledger.
#
# Usage: perl client.pl SERVER LEDGER NAME
use strict;
use warnings;
use Gearman::Client;
use Time::HiRes qw(sleep time);

my ($server, $ledger, $name) = @ARGV;
open my $file, '>>', $ledger or die "$ledger: $!\n";
my $number = 0;

sub enter { syswrite $file, sprintf("%.3f %s\n", time, join ' ', @_) }

sub ask {
    my $job = $name . '-' . ++$number;
    enter('asked', $job);
    return ($job, "$job " . 'x' x int(rand 1000));
}

my $client = Gearman::Client->new(job_servers => [$server]);
while (1) {
    for (1 .. 10) {
        my ($job, $workload) = ask();
        my $handle = eval { $client->dispatch_background(soak => $workload) };
        enter($handle ? 'accepted' : 'failed', $job);
    }
    my ($job, $workload) = ask();
    my $result = eval { $client->do_task(soak => $workload, { timeout => 20 }) };
    if (!defined $result) {
        enter('failed', $job);
        sleep 0.2;
    } elsif ($$result eq "done $job " . length $workload) {
        enter('result', $job);
    } else {
        enter('wrong', $job, substr $$result, 0, 100);
    }
    sleep 0.1;
}
