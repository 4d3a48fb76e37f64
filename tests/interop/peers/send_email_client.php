<?php
// SPDX-License-Identifier: MIT
// Sends a mail in the background, and prints its progress until it is done.
//
// Usage: php send_email_client.php SERVERS ADDRESS...

$client = new GearmanClient();
$client->addServers($argv[1]);

$mail = ['from' => 'shop@example.org', 'to' => array_slice($argv, 2), 'subject' => 'Hello', 'body' => 'Grüße!'];
$handle = $client->doBackground('sendEmail', json_encode($mail, JSON_THROW_ON_ERROR));
if ($client->returnCode() != GEARMAN_SUCCESS) {
    echo 'bad return code: ', $client->error(), "\n";
    exit(1);
}
echo "Job: $handle\n";

$last = null;
do {
    [$known, $running, $numerator, $denominator] = $client->jobStatus($handle);
    // A job that waits, or has yet to say something, has the progress 0/0.
    $status = $known && $running && $denominator > 0 ? "Running: $numerator/$denominator\n" : null;
    if ($status !== null && $status !== $last) {
        echo $status;
        $last = $status;
    }
    usleep(1000);
} while ($known);
echo "Done\n";
