// SPDX-License-Identifier: MIT
/* A Gearman server that knows only what load.c asks of it: the least that any server with one thread has to do.
 *
 *   cc -O2 -o floor floor.c && ./floor PORT     or: make bench ARGS='--only table --floor'
 *
 * One priority, one function for each worker, nothing ever coalesced, limited, timed, logged or checked, and a dead worker's
 * job is lost. In each turn it reads once from each connection that has something, and writes once to each that is to hear
 * something, as our server does. What it costs is what these system calls cost; so as much faster than another server as
 * this is, a real server of this design can become and no more.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CAN_DO = 1, PRE_SLEEP = 4, NOOP = 6, SUBMIT_JOB = 7, JOB_CREATED = 8, GRAB_JOB = 9, NO_JOB = 10, JOB_ASSIGN = 11,
       WORK_COMPLETE = 13, ECHO_REQ = 16, ECHO_RES = 17, SUBMIT_JOB_BG = 18, GRAB_JOB_UNIQ = 30, JOB_ASSIGN_UNIQ = 31 };

#define RESPONSE 0x00524553
#define PREFIX "H:floor:"

typedef struct queue queue;

typedef struct conn {
    int fd, is_dirty, is_asleep;
    char *in, *out;
    size_t in_len, in_cap, out_len, out_cap;
    struct conn *next_dirty, *next_asleep;
    queue *does;
} conn;

typedef struct job {
    struct job *next;
    conn *client;  // NULL in the background
    size_t number, unique_len, workload_len;
    char *unique, *workload;
} job;

struct queue {
    queue *next;
    char name[64];  // with its NUL
    size_t name_len;
    job *first, *last;
    conn *asleep;
};

static int ep;
static conn *dirty;
static queue *queues;
static job **jobs;  // by number
static size_t created, room;

static void *have(void *memory) {
    if (!memory) { perror("memory"); exit(1); }
    return memory;
}

static queue *queue_of(const char *name, size_t len) {  // len without the NUL
    for (queue *q = queues; q; q = q->next)
        if (q->name_len == len + 1 && !memcmp(q->name, name, len)) return q;
    queue *q = have(calloc(1, sizeof *q));
    if (len >= sizeof q->name) { fprintf(stderr, "the name of the function is too long\n"); exit(1); }
    memcpy(q->name, name, len);
    q->name_len = len + 1;
    q->next = queues;
    return queues = q;
}

/* Begin a packet of n bytes after its header, and return where they go. */
static char *packet(conn *c, uint32_t type, size_t n) {
    uint32_t header[3] = { htonl(RESPONSE), htonl(type), htonl((uint32_t)n) };
    if (c->out_len + n + sizeof header > c->out_cap) c->out = have(realloc(c->out, c->out_cap = (c->out_len + n + sizeof header) * 2));
    if (!c->is_dirty) { c->is_dirty = 1; c->next_dirty = dirty; dirty = c; }
    char *at = c->out + c->out_len;
    memcpy(at, header, sizeof header);
    c->out_len += sizeof header + n;
    return at + sizeof header;
}

static void submit(conn *c, char *body, size_t len, int is_background) {
    char *unique = (char *)memchr(body, 0, len) + 1, *workload = (char *)memchr(unique, 0, len - (unique - body)) + 1;
    queue *q = queue_of(body, unique - body - 1);
    job *j = have(malloc(sizeof *j + len));
    char *copy = memcpy(j + 1, body, len);
    if (created == room) jobs = have(realloc(jobs, (room = room * 2 + 1024) * sizeof *jobs));
    jobs[created++] = j;
    *j = (job){ .client = is_background ? NULL : c, .number = created, .unique = copy + (unique - body), .unique_len = workload - unique,
                .workload = copy + (workload - body), .workload_len = len - (workload - body) };
    if (q->first) q->last->next = j; else q->first = j;
    q->last = j;
    char handle[32];
    int n = sprintf(handle, PREFIX "%zu", created);
    memcpy(packet(c, JOB_CREATED, n), handle, n);
    if (q->asleep) {
        q->asleep->is_asleep = 0;
        packet(q->asleep, NOOP, 0);
        q->asleep = q->asleep->next_asleep;
    }
}

static void grab(conn *c, int with_unique) {
    queue *q = c->does;
    job *j = q ? q->first : NULL;
    if (!j) { packet(c, NO_JOB, 0); return; }
    q->first = j->next;
    char handle[32];
    size_t n = sprintf(handle, PREFIX "%zu", j->number) + 1, unique = with_unique ? j->unique_len : 0;
    char *at = packet(c, with_unique ? JOB_ASSIGN_UNIQ : JOB_ASSIGN, n + q->name_len + unique + j->workload_len);
    memcpy(at, handle, n);
    memcpy(at + n, q->name, q->name_len);
    memcpy(at + n + q->name_len, j->unique, unique);
    memcpy(at + n + q->name_len + unique, j->workload, j->workload_len);
}

static void complete(char *body, size_t len) {
    job *j = jobs[strtoul(body + strlen(PREFIX), NULL, 10) - 1];
    if (j->client) memcpy(packet(j->client, WORK_COMPLETE, len), body, len);
    free(j);
}

static void fall_asleep(conn *c) {
    queue *q = c->does;
    if (!q || c->is_asleep) return;
    if (q->first) { packet(c, NOOP, 0); return; }
    c->is_asleep = 1;
    c->next_asleep = q->asleep;
    q->asleep = c;
}

static void on_packet(conn *c, uint32_t type, char *body, size_t len) {
    switch (type) {
    case CAN_DO: c->does = queue_of(body, len); break;
    case SUBMIT_JOB: submit(c, body, len, 0); break;
    case SUBMIT_JOB_BG: submit(c, body, len, 1); break;
    case GRAB_JOB: grab(c, 0); break;
    case GRAB_JOB_UNIQ: grab(c, 1); break;
    case WORK_COMPLETE: complete(body, len); break;
    case PRE_SLEEP: fall_asleep(c); break;
    case ECHO_REQ: memcpy(packet(c, ECHO_RES, len), body, len); break;
    }
}

static void end(conn *c) {
    if (c->is_asleep) {
        conn **at = &c->does->asleep;
        while (*at != c) at = &(*at)->next_asleep;
        *at = c->next_asleep;
    }
    close(c->fd);
    c->fd = -1;  // the rest is kept: jobs may point to it
}

static void on_readable(conn *c) {
    if (c->in_cap - c->in_len < 65536) c->in = have(realloc(c->in, c->in_cap = c->in_cap * 2 + 65536));
    ssize_t got = read(c->fd, c->in + c->in_len, c->in_cap - c->in_len);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) { end(c); return; }
    c->in_len += got;
    size_t at = 0;
    while (c->in_len - at >= 12) {
        uint32_t header[3];
        memcpy(header, c->in + at, sizeof header);
        size_t len = ntohl(header[2]);
        if (c->in_len - at - 12 < len) break;
        on_packet(c, ntohl(header[1]), c->in + at + 12, len);
        at += 12 + len;
    }
    memmove(c->in, c->in + at, c->in_len - at);
    c->in_len -= at;
}

static void flush(void) {
    conn *c = dirty;
    dirty = NULL;
    for (conn *next; c; c = next) {
        next = c->next_dirty;
        c->is_dirty = 0;
        ssize_t sent = c->fd < 0 ? (ssize_t)c->out_len : write(c->fd, c->out, c->out_len);
        if (sent < 0) sent = 0;
        memmove(c->out, c->out + sent, c->out_len - sent);
        c->out_len -= sent;
        if (c->out_len) { c->is_dirty = 1; c->next_dirty = dirty; dirty = c; }  // once more in the next turn
    }
}

int main(int argc, char **argv) {
    int port = argc == 2 ? atoi(argv[1]) : 0;
    if (port <= 0) { fprintf(stderr, "usage: floor PORT\n"); return 64; }
    int one = 1, listening = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    signal(SIGPIPE, SIG_IGN);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listening, (void *)&at, sizeof at) || listen(listening, 4096)) { perror("bind"); return 1; }
    ep = epoll_create1(0);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL }, ready[1024];
    epoll_ctl(ep, EPOLL_CTL_ADD, listening, &event);
    for (;;) {
        int n = epoll_wait(ep, ready, 1024, dirty ? 1 : -1);
        for (int i = 0; i < n; i++) {
            if (ready[i].data.ptr) { on_readable(ready[i].data.ptr); continue; }
            int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK);
            if (fd < 0) continue;
            conn *c = have(calloc(1, sizeof *c));
            c->fd = fd;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            event.data.ptr = c;
            epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event);
        }
        flush();
    }
}
