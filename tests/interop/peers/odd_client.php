<?php
// SPDX-License-Identifier: MIT
// Submits one job, and prints all of its events: text as JSON, and other bytes as hexadecimal digits.
//
// Usage: php odd_client.php SERVERS FUNCTION [WORKLOAD]

function show(string $what, mixed $value): void
{
    if (is_string($value) && preg_match('//u', $value) !== 1) {
        $value = ['hex' => bin2hex($value)];
    }
    echo json_encode([$what, $value], JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES), "\n";
}

[, $servers, $function] = $argv;
$client = new GearmanClient();
$client->addServers($servers);
$client->setDataCallback(fn (GearmanTask $task) => show('data', $task->data()));
$client->setWarningCallback(fn (GearmanTask $task) => show('warning', $task->data()));
$client->setStatusCallback(fn ($task) => show('status', [$task->taskNumerator(), $task->taskDenominator()]));
$client->setCompleteCallback(fn (GearmanTask $task) => show('complete', $task->data()));
$client->setFailCallback(fn (GearmanTask $task) => show('fail', null));
$client->setExceptionCallback(fn (GearmanTask $task) => show('exception', $task->data()));
$client->addTask($function, $argv[3] ?? '');
show('runTasks', @$client->runTasks());
