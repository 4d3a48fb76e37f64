#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Runs one command of a Perl client per call.
#
# Usage: perl client.pl SERVERS PREFIX COMMAND [ARGUMENT...]
use strict;
use warnings;
use Gearman::Client;
use Gearman::Task;
use Storable 'thaw';

$| = 1;
my ($servers, $prefix, $command, @arguments) = @ARGV;
my $client = Gearman::Client->new(job_servers => [ split /,/, $servers ], exceptions => 1);
$client->prefix($prefix) if length $prefix;

my %shown = (
    on_complete  => sub { print 'complete: ', ${ $_[0] }, "\n" },
    on_data      => sub { print 'data: ', ${ $_[0] } =~ s/\0/\\0/gr, "\n" },
    on_exception => sub { print 'exception: ', ${ thaw($_[0]) } },
    on_fail      => sub { print 'fail: ', $_[0] // '', "\n" },
    on_retry     => sub { print "retry: $_[0]\n" },
    on_status    => sub { print "status: $_[0]/$_[1]\n" },
    on_warning   => sub { print 'warning: ', ref $_[0] ? ${ $_[0] } : $_[0], "\n" },
);

my %commands = (

    # FUNCTION WORKLOAD: all that comes of a job.
    show => sub {
        my ($function, $workload, %more) = @_;
        my $set = $client->new_task_set;
        $set->add_task(Gearman::Task->new($function, \$workload, {%shown, %more}));
        $set->wait;
    },

    # FUNCTION WORKLOAD: the result.
    do => sub {
        my $result = $client->do_task(@_);
        print defined $result ? $$result : 'undefined', "\n";
    },

    # FUNCTION TASKS: so many at once, of all priorities, each with a key.
    tasks => sub {
        my ($function, $tasks) = @_;
        my $set = $client->new_task_set;
        my %results;
        for my $number (0 .. $tasks - 1) {
            $set->add_task($function, "workload $number", {
                uniq        => "unique $number",
                priority    => (qw(normal high low))[ $number % 3 ],
                on_complete => sub { $results{$number} = ${ $_[0] } },
            });
        }
        $set->wait;
        print "$_: $results{$_}\n" for sort { $a <=> $b } keys %results;
    },

    # FUNCTION: background jobs, the least urgent first.
    priorities => sub {
        my ($function) = @_;
        for my $priority (qw(low normal high)) {
            $client->dispatch_background($function, $priority . $_, { priority => $priority }) for 1, 2;
        }
    },

    # FUNCTION WORKLOAD: a background job; says how it is whenever a line comes on stdin.
    background => sub {
        my ($function, $workload) = @_;
        my $handle = $client->dispatch_background($function, \$workload, {});
        print "handle: $handle\n";
        while (<STDIN>) {
            my $status = $client->get_status($handle);
            my $progress = $status->progress // [ 0, 0 ];
            print 'status: ', join(' ', $status->known, $status->running, @$progress), "\n";
        }
    },

    # FUNCTION JOBS: so many background jobs with uniques, and one whose workload is its unique; the server of each.
    places => sub {
        my ($function, $jobs) = @_;
        for my $number (0 .. $jobs) {
            my %options = $number == $jobs ? (uniq => '-') : (uniq => "unique $number");
            my $handle = $client->dispatch_background($function, \"workload $number", \%options);
            print $handle =~ s{//.*}{}r, "\n";
        }
    },

    # BYTES: so many of all values there and back.
    big => sub {
        my ($size) = @_;
        my $sent = join('', map chr, 0 .. 255) x ($size / 256);
        my $got  = ${ $client->do_task('echo', \$sent) };
        print $got eq $sent ? 'came back' : 'garbled: ' . length $got, "\n";
    },

    # The table of functions.
    functions => sub {
        my $status = $client->get_job_server_status;
        for my $server (sort keys %$status) {
            for my $function (sort keys %{ $status->{$server} }) {
                my %counts = %{ $status->{$server}{$function} };
                print join(' ', $function, @counts{qw(queued running capable)}), "\n";
            }
        }
    },
);
$commands{$command}->(@arguments);
