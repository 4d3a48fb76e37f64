<?php
// SPDX-License-Identifier: MIT
// A worker in PHP: writes each job to the ledger and completes it.
//
// Usage: php worker.php SERVER LEDGER NAME

[, $server, $ledger, $name] = $argv;
$file = fopen($ledger, 'a');

$worker = new GearmanWorker();
$worker->addServers($server);
$worker->setTimeout(1000);
$worker->addFunction('soak', function (GearmanJob $job) use ($file, $name) {
    [$number] = explode(' ', $job->workload(), 2);
    fwrite($file, sprintf("%.3f did %s %s\n", microtime(true), $number, $name));
    return "done $number " . $job->workloadSize();
});

while (true) {
    if (!@$worker->work() && $worker->returnCode() != GEARMAN_TIMEOUT) {
        usleep(200_000);
    }
}
