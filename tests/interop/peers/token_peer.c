/* SPDX-License-Identifier: MIT
 * Shows a token, then submits a job and prints its result, or runs one job:
 * token_peer PORT TOKEN FUNCTION [WORKLOAD] */
#include <libgearman/gearman.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *echo(gearman_job_st *job, void *context, size_t *size, gearman_return_t *end)
{
    (void)context;
    *size = gearman_job_workload_size(job);
    *end = GEARMAN_SUCCESS;
    char *result = malloc(*size);
    memcpy(result, gearman_job_workload(job), *size);
    return result;
}

static int work(in_port_t port, const char *option, const char *function)
{
    gearman_worker_st *worker = gearman_worker_create(NULL);
    gearman_worker_add_server(worker, "127.0.0.1", port);
    gearman_worker_set_timeout(worker, 30000);
    bool taken = gearman_worker_set_server_option(worker, option, strlen(option));
    gearman_worker_add_function(worker, function, 0, echo, NULL);
    gearman_return_t end = gearman_worker_work(worker);
    printf("%s %s\n", taken ? "taken:" : "not taken:", gearman_strerror(end));
    gearman_worker_free(worker);
    return gearman_success(end) ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int submit(in_port_t port, const char *option, const char *function, const char *workload)
{
    size_t size = 0;
    gearman_return_t end;
    gearman_client_st *client = gearman_client_create(NULL);
    gearman_client_add_server(client, "127.0.0.1", port);
    gearman_client_set_timeout(client, 30000);
    bool taken = gearman_client_set_server_option(client, option, strlen(option));
    char *result = gearman_client_do(client, function, NULL, workload, strlen(workload), &size, &end);
    printf("%s %.*s\n", taken ? "taken:" : "not taken:", (int)size, result != NULL ? result : "");
    free(result);
    gearman_client_free(client);
    return gearman_success(end) ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    in_port_t port = (in_port_t)atoi(argv[1]);
    char option[600];
    snprintf(option, sizeof option, "token=%s", argv[2]);
    return argc > 4 ? submit(port, option, argv[3], argv[4]) : work(port, option, argv[3]);
}
