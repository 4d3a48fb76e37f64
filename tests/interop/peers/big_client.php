<?php
// SPDX-License-Identifier: MIT
// Sends and receives a number of bytes of all values, and prints whether they are equal.
//
// Usage: php big_client.php SERVERS BYTES

$client = new GearmanClient();
$client->addServers($argv[1]);
$all = implode('', array_map('chr', range(0, 255)));
$sent = str_repeat($all, intdiv((int) $argv[2], 256));

$size = $client->doNormal('size', $sent);
echo $size === strlen($sent) . ' ' . md5($sent) ? 'arrived' : "garbled: $size", "\n";
$got = $client->doHigh('echo', $sent);
echo $got === $sent ? 'came back' : 'garbled: ' . strlen($got), "\n";
$got = $client->doLow('zeros', $argv[2]);
echo $got === str_repeat("\0", (int) $argv[2]) ? 'zeros' : 'garbled: ' . strlen($got), "\n";
