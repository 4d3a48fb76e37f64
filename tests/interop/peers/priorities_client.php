<?php
// SPDX-License-Identifier: MIT
// Submits background jobs of all priorities for the function "print", the lowest priority first.
//
// Usage: php priorities_client.php SERVERS

$client = new GearmanClient();
$client->addServers($argv[1]);
foreach (['Low', '', 'High'] as $priority) {
    foreach ([1, 2] as $number) {
        $client->{"do{$priority}Background"}('print', ($priority ?: 'Normal') . $number);
    }
}
