<?php
// SPDX-License-Identifier: MIT
// The client of the extension's manual, which reverses words.
//
// Usage: php reverse_client.php SERVERS WORD...

$client = new GearmanClient();
foreach (explode(',', $argv[1]) as $server) {
    try {
        [$host, $port] = explode(':', $server);
        $client->addServer($host, (int) $port);
    } catch (GearmanException $error) {
        // The extension asks each server for exceptions at once. One that is away stays in the list.
        fwrite(STDERR, "$server: {$error->getMessage()}\n");
    }
}

foreach (array_slice($argv, 2) as $word) {
    $result = $client->doNormal('reverse', $word);
    if ($client->returnCode() != GEARMAN_SUCCESS) {
        echo "Failure {$client->returnCode()}: {$client->error()}\n";
        exit(1);
    }
    echo "Success: $result\n";
}
