<?php
// SPDX-License-Identifier: MIT
// Puts background jobs of all priorities into the queue of the function "print", the least urgent first.
//
// Usage: php priorities_client.php SERVERS

$client = new GearmanClient();
$client->addServers($argv[1]);
foreach (['Low', '', 'High'] as $priority) {
    foreach ([1, 2] as $number) {
        $client->{"do{$priority}Background"}('print', ($priority ?: 'Normal') . $number);
    }
}
