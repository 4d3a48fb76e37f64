/* SPDX-License-Identifier: MIT
 *
 * Gives a Gearman server work, checks every answer, and says how long it took.
 *
 *     load function=NAME port=N clients=N workers=N depth=N jobs=N bytes=N [background=1] [unique=1]
 *          [functions=N] [chunks=N] [hold=1]
 *
 * Clients submit `jobs` jobs in all, each keeping `depth` of them in flight: until its result has come, or with
 * `background` until it is created. Workers complete what they are assigned. Without clients, the workers take jobs from
 * a queue that an earlier run has filled. Workloads and results have `bytes` bytes; `unique` gives each job its own
 * unique. With `functions` the jobs go to so many, one after the other, which the workers share out among them. With
 * `chunks` that many packets of data, as long as the result, come before it. With `hold` the workers only sleep.
 *
 * One thread and one epoll, so that the server is what is measured, not this. When all is connected and the workers are
 * asleep it prints "ready" and waits for a line; then it works, prints a line of JSON, and stays until its input ends.
 * An answer that is wrong, or one too many, or none for a long time, ends it with a sentence on stderr and status 1.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE 20           /* seconds without progress */
#define LONGEST 3600          /* seconds in all */
#define HEADER 12             /* bytes: magic, type, length */
#define REQUEST 0x00524551    /* the magic \0REQ */
#define RESPONSE 0x00524553   /* the magic \0RES */
#define OVERHEAD 1024         /* at least the size of a packet without its workload */
#define READ_AT_ONCE 65536    /* bytes */

enum {
    CAN_DO = 1,
    PRE_SLEEP = 4,
    NOOP = 6,
    SUBMIT_JOB = 7,
    JOB_CREATED = 8,
    NO_JOB = 10,
    WORK_COMPLETE = 13,
    ECHO_REQ = 16,
    ECHO_RES = 17,
    SUBMIT_JOB_BG = 18,
    ERROR = 19,
    WORK_DATA = 28,
    GRAB_JOB_UNIQ = 30,
    JOB_ASSIGN_UNIQ = 31,
};

typedef struct {
    const char *start;
    size_t length;
} Bytes;

/* What stands between start and end is still to be taken. */
typedef struct {
    char *bytes;
    size_t start, end;
} Buffer;

typedef struct {
    int fd;
    bool is_worker;
    bool is_asleep;   /* a worker that waits for NOOP */
    bool is_blocked;  /* the kernel takes no more for now */
    Buffer in, out;
    double submitted; /* when, if one job is in flight at a time */
} Connection;

/* What has been heard of a job. A 64-bit hash stands for its handle: two of a million share one in 1 of 10^7 runs. */
typedef struct {
    uint64_t hash;
    const Connection *client;
    enum { CREATED = 1, ASSIGNED = 2, COMPLETED = 4 } heard;
    int chunks;
} Job;

static struct {
    Bytes function;
    long port, clients, workers, depth, jobs, bytes, background, unique, functions, chunks, hold;
} plan = {.functions = 1};

static const struct {
    const char *name;
    long *value, least, most;
} OPTIONS[] = {
    {"port", &plan.port, 1, 65535},        {"clients", &plan.clients, 0, 10000}, {"workers", &plan.workers, 0, 10000},
    {"depth", &plan.depth, 1, 10000},      {"jobs", &plan.jobs, 1, 10000000},    {"bytes", &plan.bytes, 0, 1 << 24},
    {"background", &plan.background, 0, 1}, {"unique", &plan.unique, 0, 1},     {"functions", &plan.functions, 1, 100000},
    {"chunks", &plan.chunks, 0, 10000},     {"hold", &plan.hold, 0, 1},
};

static struct {
    long submitted, created, asked, assigned, chunks, completed, echoed; /* asked for: assigned, or about to be */
} count;

static int poller;
static Connection *connections; /* workers first */
static long connected;
static size_t capacity; /* of each buffer */
static Bytes payload;
static Job *jobs; /* a hash table with open addressing */
static size_t slots;
static double *latencies; /* in seconds, in the order of completion */

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(1);
}

__attribute__((noreturn)) static void fail_for(Bytes handle, const char *what) {
    fail("%s: %.*s", what, (int)handle.length, handle.start);
}

static void *allocate(size_t number, size_t size) {
    void *memory = calloc(number, size);
    if (memory == NULL) fail("out of memory");
    return memory;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static Bytes text(const char *start) {
    return (Bytes){start, strlen(start)};
}

static bool equal(Bytes one, Bytes other) {
    return one.length == other.length && memcmp(one.start, other.start, one.length) == 0;
}

/* ---- What is known of each job ---- */

static Job *find(Bytes handle) {
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < handle.length; i++) hash = (hash ^ (unsigned char)handle.start[i]) * 1099511628211u;
    hash |= 1; /* 0 marks a free slot */
    size_t slot = hash % slots;
    while (jobs[slot].hash != 0 && jobs[slot].hash != hash) slot = (slot + 1) % slots;
    jobs[slot].hash = hash;
    return &jobs[slot];
}

/* Each of the three is heard once of each job. */
static Job *hear(int what, Bytes handle, long *counter) {
    if (++*counter > plan.jobs) fail_for(handle, "more jobs than were submitted");
    Job *job = find(handle);
    if (job->heard & what) fail_for(handle, "the same answer twice");
    job->heard |= what;
    return job;
}

/* ---- Sending ---- */

static void watch(Connection *c, int how) {
    struct epoll_event event = {.events = c->is_blocked ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = c};
    if (epoll_ctl(poller, how, c->fd, &event) < 0) fail("epoll_ctl: %s", strerror(errno));
}

static void move_to_front(Buffer *buffer) {
    memmove(buffer->bytes, buffer->bytes + buffer->start, buffer->end - buffer->start);
    buffer->end -= buffer->start;
    buffer->start = 0;
}

static void put(Buffer *buffer, const void *bytes, size_t length) {
    memcpy(buffer->bytes + buffer->end, bytes, length);
    buffer->end += length;
}

/* Append a packet to what leaves with the next flush. */
static void say(Connection *c, uint32_t type, int fields, const Bytes *field) {
    size_t length = fields ? fields - 1 : 0;
    for (int i = 0; i < fields; i++) length += field[i].length;
    if (c->out.end + HEADER + length > capacity) move_to_front(&c->out);
    if (c->out.end + HEADER + length > capacity) fail("the server does not read what it is sent");
    uint32_t header[] = {htonl(REQUEST), htonl(type), htonl(length)};
    put(&c->out, header, HEADER);
    for (int i = 0; i < fields; i++) {
        if (i > 0) put(&c->out, "", 1);
        put(&c->out, field[i].start, field[i].length);
    }
}

static void flush(Connection *c) {
    Buffer *out = &c->out;
    bool is_blocked = false;
    while (out->start < out->end && !is_blocked) {
        ssize_t sent = write(c->fd, out->bytes + out->start, out->end - out->start);
        if (sent >= 0) out->start += sent;
        else if (errno == EAGAIN) is_blocked = true;
        else fail("write: %s", strerror(errno));
    }
    if (out->start == out->end) out->start = out->end = 0;
    if (is_blocked != c->is_blocked) {
        c->is_blocked = is_blocked;
        watch(c, EPOLL_CTL_MOD);
    }
}

/* ---- Functions ---- */

enum { LONGEST_NAME = 80 };

static Bytes name_of(long number, char *name) {
    if (plan.functions == 1) return plan.function;
    snprintf(name, LONGEST_NAME, "%.*s-%ld", (int)plan.function.length, plan.function.start, number);
    return text(name);
}

/* Each worker has its share of the functions, or each function its share of the workers. */
static bool can_do(const Connection *c, long number) {
    return number % plan.workers == (c - connections) % plan.functions;
}

static bool is_ours(const Connection *c, Bytes function) {
    if (plan.functions == 1) return equal(function, plan.function);
    char name[LONGEST_NAME];
    long number = function.length > plan.function.length + 1 ? atol(function.start + plan.function.length + 1) : -1;
    return number >= 0 && number < plan.functions && can_do(c, number) && equal(function, name_of(number, name));
}

/* ---- Clients ---- */

static void submit(Connection *c) {
    char unique[24] = "", name[LONGEST_NAME];
    if (plan.unique) snprintf(unique, sizeof unique, "u%ld", count.submitted);
    Bytes fields[] = {name_of(count.submitted % plan.functions, name), text(unique), payload};
    say(c, plan.background ? SUBMIT_JOB_BG : SUBMIT_JOB, 3, fields);
    count.submitted++;
    if (plan.depth == 1) c->submitted = now();
}

/* A job has left the flight: note its latency, and let the next one take its place. */
static void land(Connection *c, long landed) {
    if (plan.depth == 1) latencies[landed - 1] = now() - c->submitted;
    if (count.submitted < plan.jobs) submit(c);
}

/* Take the field before the next NUL. */
static Bytes cut(Bytes *body) {
    const char *end = memchr(body->start, 0, body->length);
    if (end == NULL) fail("a packet with too few fields");
    Bytes field = {body->start, end - body->start};
    body->start += field.length + 1;
    body->length -= field.length + 1;
    return field;
}

static void client_hears(Connection *c, uint32_t type, Bytes body) {
    if (type == JOB_CREATED) {
        hear(CREATED, body, &count.created)->client = c;
        if (plan.background) land(c, count.created);
    } else if (type == WORK_COMPLETE || type == WORK_DATA) {
        Bytes handle = cut(&body);
        Job *job = type == WORK_DATA ? find(handle) : hear(COMPLETED, handle, &count.completed);
        if (job->client != c) fail_for(handle, "a result for another client's job");
        if (!(job->heard & ASSIGNED)) fail_for(handle, "a result for a job that no worker did");
        if (!equal(body, payload)) fail_for(handle, "a result that is not what the worker sent");
        if (type == WORK_DATA) {
            count.chunks++;
            if (++job->chunks > plan.chunks) fail_for(handle, "more data than the worker sent");
            return;
        }
        if (job->chunks != plan.chunks) fail_for(handle, "less data than the worker sent");
        land(c, count.completed);
    } else {
        fail("a packet of type %u to a client", type);
    }
}

/* ---- Workers ---- */

static void open_worker(Connection *c) {
    for (long i = 0; i < plan.functions; i++) {
        char name[LONGEST_NAME];
        Bytes function = name_of(i, name);
        if (can_do(c, i)) say(c, CAN_DO, 1, &function);
    }
    say(c, PRE_SLEEP, 0, NULL); /* a server that has a job says so at once */
    c->is_asleep = true;
    flush(c);
}

static void ask(Connection *c) {
    say(c, GRAB_JOB_UNIQ, 0, NULL);
    count.asked++;
}

static void worker_hears(Connection *c, uint32_t type, Bytes body) {
    if (type == JOB_ASSIGN_UNIQ) {
        Bytes handle = cut(&body);
        hear(ASSIGNED, handle, &count.assigned);
        if (!is_ours(c, cut(&body))) fail_for(handle, "a job of another function");
        if ((cut(&body).length > 0) != plan.unique) fail_for(handle, "a job with another unique");
        if (!equal(body, payload)) fail_for(handle, "a workload that is not what the client sent");
        Bytes fields[] = {handle, payload};
        for (long i = 0; i < plan.chunks; i++) say(c, WORK_DATA, 2, fields);
        say(c, WORK_COMPLETE, 2, fields);
        if (plan.functions > 1 || count.asked < plan.jobs) ask(c); /* a queue may have more than is to be taken now */
    } else if (type == NO_JOB) {
        count.asked--;
        say(c, PRE_SLEEP, 0, NULL);
        c->is_asleep = true;
    } else if (type != NOOP) {
        fail("a packet of type %u to a worker", type);
    } else if (c->is_asleep) { /* a NOOP to one that is awake means nothing */
        ask(c);
        c->is_asleep = false;
    }
}

/* ---- Receiving ---- */

static void refused(Bytes body) {
    Bytes code = cut(&body);
    fail("ERROR %s: %.*s", code.start, (int)body.length, body.start);
}

static void take_packet(Connection *c, uint32_t type, Bytes body) {
    if (type == ERROR) refused(body);
    if (type == ECHO_RES) count.echoed++;
    else if (c->is_worker) worker_hears(c, type, body);
    else client_hears(c, type, body);
}

static void take_packets(Connection *c) {
    Buffer *in = &c->in;
    while (in->end - in->start >= HEADER) {
        uint32_t header[3];
        memcpy(header, in->bytes + in->start, HEADER);
        size_t length = ntohl(header[2]);
        if (ntohl(header[0]) != RESPONSE) fail("a packet with a wrong magic");
        if (HEADER + length > capacity) fail("a packet of %zu bytes", length);
        if (in->end - in->start < HEADER + length) break;
        take_packet(c, ntohl(header[1]), (Bytes){in->bytes + in->start + HEADER, length});
        in->start += HEADER + length;
    }
    move_to_front(in);
}

static void receive(Connection *c) {
    ssize_t received = read(c->fd, c->in.bytes + c->in.end, capacity - c->in.end);
    if (received == 0) fail("the server closed a connection");
    if (received < 0 && errno != EAGAIN) fail("read: %s", strerror(errno));
    if (received < 0) return;
    c->in.end += received;
    take_packets(c);
    flush(c);
}

static void converse_until(bool (*is_done)(void)) {
    struct epoll_event events[256];
    long last_sum = -1;
    double last_progress = 0;
    while (!is_done()) {
        int ready = epoll_wait(poller, events, 256, 1000);
        for (int i = 0; i < ready; i++) {
            Connection *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT) flush(c);
            if (events[i].events & ~EPOLLOUT) receive(c);
        }
        long sum = count.submitted + count.created + count.assigned + count.chunks + count.completed + count.echoed;
        if (sum != last_sum) {
            last_sum = sum;
            last_progress = now();
        } else if (now() - last_progress > PATIENCE) {
            fail("nothing for %d s: %ld jobs, %ld submitted, %ld created, %ld assigned, %ld completed", PATIENCE,
                 plan.jobs, count.submitted, count.created, count.assigned, count.completed);
        }
    }
}

static bool all_echoed(void) {
    return count.echoed == connected;
}

static bool all_done(void) {
    bool are_created = plan.clients == 0 || count.created == plan.jobs;
    bool are_assigned = plan.workers == 0 || count.assigned == plan.jobs;
    bool are_completed = plan.clients == 0 || plan.background || count.completed == plan.jobs;
    return are_created && are_assigned && are_completed;
}

/* Wait until the server has handled all input; then all of its other output has arrived too. */
static void synchronise(void) {
    Bytes word = text("synchronise");
    count.echoed = 0;
    for (long i = 0; i < connected; i++) {
        say(&connections[i], ECHO_REQ, 1, &word);
        flush(&connections[i]);
    }
    converse_until(all_echoed);
}

/* ---- From the beginning to the end ---- */

static void read_option(char *word) {
    char *value = strchr(word, '=');
    if (value == NULL) fail("an option is name=value, not %s", word);
    *value++ = 0;
    if (strcmp(word, "function") == 0) {
        plan.function = text(value);
        return;
    }
    for (size_t i = 0; i < sizeof OPTIONS / sizeof *OPTIONS; i++) {
        if (strcmp(word, OPTIONS[i].name) != 0) continue;
        char *end;
        long number = strtol(value, &end, 10);
        if (*end != 0 || number < OPTIONS[i].least || number > OPTIONS[i].most)
            fail("%s is a number from %ld to %ld, not %s", word, OPTIONS[i].least, OPTIONS[i].most, value);
        *OPTIONS[i].value = number;
        return;
    }
    fail("there is no option %s", word);
}

static void read_plan(int argc, char **argv) {
    for (int i = 1; i < argc; i++) read_option(argv[i]);
    if (!plan.port || !plan.jobs || !plan.depth) fail("port, jobs and depth are needed");
    if (plan.hold) plan.clients = 0;
    if (!plan.function.length || plan.function.length > 64) fail("a function is needed, of at most 64 bytes");
    if (!plan.workers && (!plan.clients || !plan.background)) fail("without workers nothing happens");
}

static void prepare(void) {
    char *bytes = allocate(plan.bytes + 1, 1);
    memset(bytes, 'x', plan.bytes);
    payload = (Bytes){bytes, plan.bytes};
    /* All that a client has in flight fits, and the longest packet that can come behind the beginning of another. */
    long most = plan.depth > plan.chunks ? plan.depth : plan.chunks + 1;
    capacity = READ_AT_ONCE + (most + 1) * (plan.bytes + OVERHEAD) + plan.functions / (plan.workers + 1) * LONGEST_NAME;
    slots = 3 * plan.jobs + 1;
    jobs = allocate(slots, sizeof *jobs);
    latencies = allocate(plan.jobs, sizeof *latencies);
    connections = allocate(plan.workers + plan.clients, sizeof *connections);
    poller = epoll_create1(EPOLL_CLOEXEC);
}

static void add_connection(bool is_worker) {
    Connection *c = &connections[connected++];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(plan.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int yes = 1;
    c->is_worker = is_worker;
    c->in.bytes = allocate(capacity, 1);
    c->out.bytes = allocate(capacity, 1);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0) fail("connect: %s", strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    watch(c, EPOLL_CTL_ADD);
}

static void open_workers(void) {
    for (long i = 0; i < plan.workers; i++) open_worker(&connections[i]);
}

static void start_clients(void) {
    for (long i = plan.workers; i < connected; i++) {
        for (long j = 0; j < plan.depth && count.submitted < plan.jobs; j++) submit(&connections[i]);
        flush(&connections[i]);
    }
}

static int by_size(const void *one, const void *other) {
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static void report(double seconds) {
    printf("{\"jobs\": %ld, \"seconds\": %.6f", plan.jobs, seconds);
    if (plan.depth == 1 && plan.clients) {
        qsort(latencies, plan.jobs, sizeof *latencies, by_size);
        static const int PER_MILLE[] = {500, 900, 990, 999};
        static const char *NAMES[] = {"p50", "p90", "p99", "p999"};
        for (int i = 0; i < 4; i++) printf(", \"%s_us\": %.1f", NAMES[i], latencies[plan.jobs * PER_MILLE[i] / 1000] * 1e6);
    }
    printf("}\n");
    fflush(stdout);
}

static void allow_descriptors(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv) {
    alarm(LONGEST);
    allow_descriptors();
    read_plan(argc, argv);
    prepare();
    for (long i = 0; i < plan.workers; i++) add_connection(true);
    for (long i = 0; i < plan.clients; i++) add_connection(false);
    bool sleeps_first = plan.hold || !plan.background; /* where there is work already, opening workers is the start */
    if (sleeps_first && (plan.clients || plan.hold)) open_workers();
    synchronise();
    printf("ready\n");
    fflush(stdout);
    if (getchar() == EOF) return 0;

    double start = now();
    if (!sleeps_first || !plan.clients) open_workers();
    start_clients();
    converse_until(all_done);
    double seconds = now() - start;

    synchronise();
    report(seconds);
    while (getchar() != EOF) continue; /* the disconnects must not be measured */
    return 0;
}
