<?php
// SPDX-License-Identifier: MIT
// The client of the extension's manual: has words turned round.
//
// Usage: php reverse_client.php SERVERS WORD...

$client = new GearmanClient();
$client->addServers($argv[1]);

foreach (array_slice($argv, 2) as $word) {
    $result = $client->doNormal('reverse', $word);
    if ($client->returnCode() != GEARMAN_SUCCESS) {
        echo "Failure {$client->returnCode()}: {$client->error()}\n";
        exit(1);
    }
    echo "Success: $result\n";
}
