<?php
// SPDX-License-Identifier: MIT
// Functions with every kind of outcome.
//
// Usage: php odd_worker.php SERVERS [JOBS]

$worker = new GearmanWorker();
$worker->addServers($argv[1]);

$worker->addFunction('echo', fn (GearmanJob $job) => $job->workload());
$worker->addFunction('unique', fn (GearmanJob $job) => $job->unique());
$worker->addFunction('size', fn (GearmanJob $job) => $job->workloadSize() . ' ' . md5($job->workload()));
$worker->addFunction('zeros', fn (GearmanJob $job) => str_repeat("\0", (int) $job->workload()));
$worker->addFunction('nothing', fn (GearmanJob $job) => null);
$worker->addFunction('fail', function (GearmanJob $job) {
    $job->sendFail();
});
$worker->addFunction('raise', function (GearmanJob $job) {
    $job->sendException('out of ' . $job->workload());
});
$worker->addFunction('talk', function (GearmanJob $job) {
    $job->sendStatus(1, 4);
    $job->sendData("da\0ta");
    $job->sendWarning('careful');
    $job->sendData("\xff\0");
    return $job->workload();
});
$worker->addFunction('print', function (GearmanJob $job) {
    fwrite(STDOUT, "print: {$job->workload()}\n");
    return $job->workload();
});

for ($left = (int) ($argv[2] ?? PHP_INT_MAX); $left > 0; $left--) {
    if (!@$worker->work()) {
        fwrite(STDOUT, "error: {$worker->returnCode()} {$worker->error()}\n");
        if ($worker->returnCode() != GEARMAN_WORK_FAIL) {
            exit(1);
        }
    }
}
