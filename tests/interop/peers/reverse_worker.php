<?php
// SPDX-License-Identifier: MIT
// The first worker of the extension's manual: reports progress after each letter, and returns the word reversed.
//
// Usage: php reverse_worker.php SERVERS

$worker = new GearmanWorker();
$worker->addServers($argv[1]);
$worker->setId('reverse-worker');

$worker->addFunction('reverse', function (GearmanJob $job) {
    fwrite(STDOUT, 'Received job: ' . $job->handle() . "\n");
    $workload = $job->workload();
    if ($job->workloadSize() != strlen($workload)) {
        $job->sendFail();
        return;
    }
    $result = '';
    // A huge word is turned at once.
    if ($job->workloadSize() > 1000) {
        return strrev($workload);
    }
    for ($at = 0; $at < $job->workloadSize(); $at++) {
        $result = $workload[$at] . $result;
        $job->sendStatus($at + 1, $job->workloadSize());
    }
    return $result;
});

fwrite(STDOUT, "Waiting for job...\n");
while (@$worker->work() || $worker->returnCode() == GEARMAN_LOST_CONNECTION
        || $worker->returnCode() == GEARMAN_COULD_NOT_CONNECT) {
    fwrite(STDOUT, 'worker: ' . $worker->returnCode() . "\n");
}
fwrite(STDOUT, 'worker left: ' . $worker->error() . "\n");
