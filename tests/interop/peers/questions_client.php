<?php
// SPDX-License-Identifier: MIT
// Asks what a client can ask a server: for an echo, and for jobs that wait, by handle and by unique.
//
// Usage: php questions_client.php SERVERS

$client = new GearmanClient();
$client->addServers($argv[1]);

var_dump($client->ping("any\0bytes"));
$handle = $client->doBackground('nobody', 'work', 'some key');
$same = $client->doHighBackground('nobody', 'other work', 'some key');
$other = $client->doLowBackground('nobody', 'work', 'other key');
echo json_encode([$handle === $same, $handle === $other]), "\n";
echo json_encode($client->jobStatus($handle)), "\n";
echo json_encode($client->jobStatus('H:nowhere:1')), "\n";
echo json_encode($client->jobStatusByUniqueKey('some key')), "\n";
echo json_encode($client->jobStatusByUniqueKey('no key')), "\n";
