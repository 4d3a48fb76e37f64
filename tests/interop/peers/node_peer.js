// SPDX-License-Identifier: MIT
// npm's gearmanode: a worker, and a client that runs one job of each kind.
//
// Usage: node node_peer.js worker|client HOST PORT
const gearmanode = require('gearmanode');

gearmanode.Client.logger.silent = true;
const [role, host, port] = process.argv.slice(2);
const servers = { servers: [{ host, port: Number(port) }] };

function work() {
    const worker = gearmanode.worker(servers);
    worker.addFunction('reverse', (job) => job.workComplete(job.payload.toString().split('').reverse().join('')));
    worker.addFunction('talk', (job) => {
        job.sendWorkData('data');
        job.reportStatus(1, 4);
        job.reportWarning('careful');
        job.workComplete('done');
    });
    worker.addFunction('fail', (job) => job.reportError());
    console.log('ready');
}

function ask() {
    const client = gearmanode.client(servers);
    const functions = ['reverse', 'talk', 'fail'];
    const next = () => {
        const name = functions.shift();
        if (name === undefined) {
            client.close();
            return;
        }
        const job = client.submitJob(name, 'work', { priority: name === 'talk' ? 'HIGH' : 'NORMAL' });
        job.on('workData', (data) => console.log(name, 'data', data.toString()));
        job.on('warning', (data) => console.log(name, 'warning', data.toString()));
        job.on('status', (status) => console.log(name, 'status', Number(status.percent_done_num), Number(status.percent_done_den)));
        job.on('complete', () => { console.log(name, 'complete', job.response.toString()); next(); });
        job.on('failed', () => { console.log(name, 'failed'); next(); });
        job.on('error', (error) => console.log(name, 'error', String(error)));
    };
    next();
}

({ worker: work, client: ask })[role]();
