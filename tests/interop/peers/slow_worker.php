<?php
// SPDX-License-Identifier: MIT
// Does each job of `slow` until a line comes on stdin, which is longer than the timeout of its function.
//
// Usage: php slow_worker.php SERVERS

$worker = new GearmanWorker();
$worker->addServers($argv[1]);
$runs = 0;
$context = null;

$worker->addFunction('slow', function (GearmanJob $job) use (&$runs) {
    $runs++;
    fwrite(STDOUT, "run $runs of {$job->workload()}\n");
    fgets(STDIN);
    return "run $runs";
}, $context, 1);

while ($worker->work());
