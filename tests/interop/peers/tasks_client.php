<?php
// SPDX-License-Identifier: MIT
// Adds tasks of all priorities, runs them at once, and prints the outcome of each.
//
// Usage: php tasks_client.php SERVERS FUNCTION TASKS

[, $servers, $function, $tasks] = $argv;
$client = new GearmanClient();
$client->addServers($servers);
$client->setCreatedCallback(function (GearmanTask $task) use (&$created) {
    $created[$task->jobHandle()] = true;
});
$client->setCompleteCallback(function (GearmanTask $task, $context) use (&$results) {
    $results[$context] = $task->data();
});
$client->setFailCallback(function (GearmanTask $task, $context) use (&$failed) {
    $failed[] = $context;
});
$add = ['addTask', 'addTaskHigh', 'addTaskLow'];
for ($number = 0; $number < $tasks; $number++) {
    $client->{$add[$number % 3]}($function, "workload $number", $number, "unique $number");
}
if (!$client->runTasks()) {
    echo 'ERROR ', $client->error(), "\n";
    exit(1);
}
ksort($results);
echo count($created), ' created, ', count($failed ?? []), " failed\n";
foreach ($results as $number => $result) {
    echo "$number: $result\n";
}
