#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The worker in Perl: it counts the same words, and stores the same bytes in memcached, as worker.py.
use strict;
use warnings;
use feature 'fc';

use Cache::Memcached;
use Encode 'decode';
use Gearman::Worker;
use JSON::PP;

my $worker = Gearman::Worker->new(job_servers => [ split /,/, $ENV{GEARMAN_SERVERS} // '127.0.0.1:4730' ]);
my $cache  = Cache::Memcached->new({ servers => [ $ENV{MEMCACHED} // '127.0.0.1:11211' ] });
my $json   = JSON::PP->new->utf8->canonical;

# Count the words of a text, and store the counts under the key on its first line.
$worker->register_function(
    wordcount => 60,
    sub {
        my ($key, $text) = split /\n/, $_[0]->arg, 2;
        my @words = map { fc } decode('UTF-8', $text) =~ /\p{L}+/g;
        my %counts;
        $counts{$_}++ for @words;
        $cache->set($key, $json->encode(\%counts)) or die "memcached did not take $key\n";
        return scalar @words;
    }
);

$worker->work while 1;
