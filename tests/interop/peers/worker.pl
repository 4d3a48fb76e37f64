#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Functions with every kind of outcome. Exits when it has been idle after a job "leave".
#
# Usage: perl worker.pl SERVERS [PREFIX]
use strict;
use warnings;
use Digest::MD5 'md5_hex';
use Gearman::Worker;

$| = 1;
my ($servers, $prefix) = @ARGV;
my $worker = Gearman::Worker->new(
    job_servers => [ split /,/, $servers ],
    client_id   => 'perl-worker',
    defined $prefix ? (prefix => $prefix) : (),
);
my $leaving = 0;

$worker->register_function(reverse => sub { scalar reverse $_[0]->arg });
$worker->register_function(echo => sub { $_[0]->arg });
$worker->register_function(size => sub { length($_[0]->arg) . ' ' . md5_hex($_[0]->arg) });
$worker->register_function(nothing => sub { '' });
$worker->register_function(fail => sub { undef });
$worker->register_function(raise => sub { die 'out of ' . $_[0]->arg . "\n" });
$worker->register_function(quick => 5, sub { $_[0]->arg });
$worker->register_function(
    talk => sub {
        my $job = shift;
        $job->set_status(1, 4);
        $worker->send_work_data($job, "da\0ta");
        $worker->send_work_warning($job, 'careful');
        return $job->arg;
    }
);
$worker->register_function(
    print => sub {
        print 'print: ', $_[0]->arg, "\n";
        return $_[0]->arg;
    }
);
$worker->register_function(leave => sub { $leaving = 1; 'bye' });

print "ready\n";
$worker->work(
    on_complete => sub { print "completed\n" },
    on_fail     => sub { print "failed\n" },
    stop_if     => sub { $leaving },
);
