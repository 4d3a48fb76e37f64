/* SPDX-License-Identifier: MIT
 * Submits one reduce job and prints its outcome: reduce_client PORT PARTITION REDUCER WORKLOAD [background] */
#include <libgearman/gearman.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    gearman_client_st *client = gearman_client_create(NULL);
    gearman_client_add_server(client, "127.0.0.1", (in_port_t)atoi(argv[1]));
    gearman_client_set_timeout(client, 30000);
    gearman_argument_t workload = gearman_argument_make(NULL, 0, argv[4], strlen(argv[4]));
    gearman_task_attr_t background = gearman_task_attr_init_background(GEARMAN_JOB_PRIORITY_NORMAL);

    gearman_task_st *task = gearman_execute_by_partition(
        client, argv[2], strlen(argv[2]), argv[3], strlen(argv[3]), NULL, 0, argc > 5 ? &background : NULL, &workload, NULL);
    if (task == NULL) {
        printf("none: %s\n", gearman_client_error(client));
        return EXIT_FAILURE;
    }
    gearman_return_t end = gearman_task_return(task);
    gearman_result_st *result = gearman_task_result(task);
    printf("%s: ", gearman_strerror(end));
    if (result != NULL)
        fwrite(gearman_result_value(result), 1, gearman_result_size(result), stdout);
    printf("\n");
    gearman_client_free(client);
    return gearman_success(end) ? EXIT_SUCCESS : EXIT_FAILURE;
}
