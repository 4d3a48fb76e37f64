<?php
// SPDX-License-Identifier: MIT
// A client in PHP: submits background and foreground jobs, and writes their outcomes to the ledger.
//
// Usage: php client.php SERVER LEDGER NAME

[, $server, $ledger, $name] = $argv;
$file = fopen($ledger, 'a');
$number = 0;

$enter = function (string ...$words) use ($file) {
    fwrite($file, sprintf("%.3f %s\n", microtime(true), implode(' ', $words)));
};
$ask = function () use (&$number, $name, $enter) {
    $job = "$name-" . ++$number;
    $enter('asked', $job);
    return [$job, "$job " . str_repeat('x', random_int(0, 1000))];
};
$connect = function () use ($server) {
    $client = new GearmanClient();
    $client->setTimeout(20_000);
    [$host, $port] = explode(':', $server);
    try {
        $client->addServer($host, (int) $port);
    } catch (GearmanException $error) {
        usleep(200_000); // the server is down, and the client tries again
    }
    return $client;
};

$client = $connect();
while (true) {
    for ($each = 0; $each < 10; $each++) {
        [$job, $workload] = $ask();
        @$client->doBackground('soak', $workload);
        $enter($client->returnCode() == GEARMAN_SUCCESS ? 'accepted' : 'failed', $job);
    }
    [$job, $workload] = $ask();
    $result = @$client->doNormal('soak', $workload);
    if ($client->returnCode() != GEARMAN_SUCCESS) {
        $enter('failed', $job);
        $client = $connect();
    } elseif ($result === "done $job " . strlen($workload)) {
        $enter('result', $job);
    } else {
        $enter('wrong', $job, substr((string) $result, 0, 100));
    }
    usleep(100_000);
}
