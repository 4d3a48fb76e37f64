/* SPDX-License-Identifier: MIT
 * Runs jobs until it is killed: reduce_worker PORT (split | shout)
 *
 * split   partitions a text into words, and joins their results by commas
 * shout   turns a word into capitals, fails for "fail" and has an empty result for "nothing" */
#include <ctype.h>
#include <libgearman/gearman.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static gearman_return_t split(gearman_job_st *job, void *context)
{
    const char *text = gearman_job_workload(job);
    const char *end = text + gearman_job_workload_size(job);
    (void)context;
    while (text < end) {
        const char *space = memchr(text, ' ', (size_t)(end - text));
        const char *stop = space != NULL ? space : end;
        if (gearman_failed(gearman_job_send_data(job, text, (size_t)(stop - text))))
            return GEARMAN_FATAL;
        text = stop + 1;
    }
    return GEARMAN_SUCCESS;
}

static gearman_return_t join(gearman_aggregator_st *aggregator, gearman_task_st *task, gearman_result_st *result)
{
    char joined[4096] = "";
    (void)aggregator;
    for (; task != NULL; task = gearman_next(task)) {
        gearman_result_st *part = gearman_task_result(task);
        if (joined[0] != '\0')
            strcat(joined, ",");
        if (part != NULL)
            strncat(joined, gearman_result_value(part), gearman_result_size(part));
    }
    gearman_result_store_value(result, joined, strlen(joined));
    return GEARMAN_SUCCESS;
}

static gearman_return_t shout(gearman_job_st *job, void *context)
{
    char word[256];
    size_t size = gearman_job_workload_size(job);
    const char *workload = gearman_job_workload(job);
    (void)context;
    if (size == 4 && memcmp(workload, "fail", 4) == 0)
        return GEARMAN_FATAL;
    if (size == 7 && memcmp(workload, "nothing", 7) == 0)
        return GEARMAN_SUCCESS;
    for (size_t i = 0; i < size && i < sizeof word; i++)
        word[i] = (char)toupper((unsigned char)workload[i]);
    return gearman_job_send_complete(job, word, size);
}

int main(int argc, char **argv)
{
    gearman_worker_st *worker = gearman_worker_create(NULL);
    if (argc != 3)
        return EXIT_FAILURE;
    int splits = strcmp(argv[2], "split") == 0;
    gearman_function_t function = splits ? gearman_function_create_partition(split, join) : gearman_function_create(shout);
    gearman_worker_add_server(worker, "127.0.0.1", (in_port_t)atoi(argv[1]));
    gearman_worker_add_options(worker, GEARMAN_WORKER_GRAB_ALL);
    if (gearman_failed(gearman_worker_define_function(worker, argv[2], strlen(argv[2]), function, 0, NULL)))
        return EXIT_FAILURE;
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        gearman_return_t end = gearman_worker_work(worker); /* that of a job that failed, too */
        if (end == GEARMAN_LOST_CONNECTION || end == GEARMAN_COULD_NOT_CONNECT)
            return EXIT_FAILURE;
    }
}
