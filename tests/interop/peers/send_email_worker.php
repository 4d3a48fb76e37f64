<?php
// SPDX-License-Identifier: MIT
// Sends a mail to each of its recipients: appends it to a mailbox, one copy for each line on stdin, as slowly as a mail
// server may be.
//
// Usage: php send_email_worker.php SERVERS MAILBOX

$mailbox = $argv[2];
$worker = new GearmanWorker();
$worker->addServers($argv[1]);

$worker->addFunction('sendEmail', function (GearmanJob $job) use ($mailbox) {
    $mail = json_decode($job->workload(), true, 8, JSON_THROW_ON_ERROR);
    $all = count($mail['to']);
    foreach ($mail['to'] as $done => $address) {
        $job->sendStatus($done, $all);
        fgets(STDIN);
        $text = "From {$mail['from']}\nTo: $address\nSubject: {$mail['subject']}\n\n{$mail['body']}\n\n";
        file_put_contents($mailbox, $text, FILE_APPEND | LOCK_EX);
    }
    $job->sendStatus($all, $all);
    fgets(STDIN);
    return (string) $all;
});

while ($worker->work()) {
    fwrite(STDOUT, "Mail sent\n");
}
