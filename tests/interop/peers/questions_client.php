<?php
// SPDX-License-Identifier: MIT
// Sends all requests for information: an echo, and the status of waiting jobs by handle and by unique.
//
// Usage: php questions_client.php SERVERS

$client = new GearmanClient();
$client->addServers($argv[1]);

var_dump($client->ping("any\0bytes"));
$handle = $client->doBackground('unserved', 'work', 'some key');
$same = $client->doHighBackground('unserved', 'other work', 'some key');
$other = $client->doLowBackground('unserved', 'work', 'other key');
echo json_encode([$handle === $same, $handle === $other]), "\n";
echo json_encode($client->jobStatus($handle)), "\n";
echo json_encode($client->jobStatus('H:nowhere:1')), "\n";
echo json_encode($client->jobStatusByUniqueKey('some key')), "\n";
echo json_encode($client->jobStatusByUniqueKey('no key')), "\n";
