/* SPDX-License-Identifier: MIT */
/*
 * The relay as a whole: one lock file, one thread that listens to the daemon, one for each output. It owns
 * the folder of the cursors; what is in it belongs to the relay that holds the lock.
 */
#include "cli/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "cli/fail.h"
#include "cli/relay_internal.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/quote.h"

char *
relay_path(const struct config *config, const char *name, const char *suffix)
{
        _cleanup_free_ char *folder = config_output_dir(config);
        char *path = NULL;
        return folder && asprintf(&path, "%s/%s.%s", folder, name, suffix) >= 0 ? path : NULL;
}

/* Two would move the same cursors. */
static int
take_lock(struct relay *relay, struct err *err)
{
        _cleanup_free_ char *folder = config_output_dir(relay->config), *path = NULL;
        if (!folder || asprintf(&path, "%s/lock", folder) < 0) {
                path = NULL;
                return failed_oom(err);
        }
        if (folder_create(folder, 0700, err) < 0)
                return EXIT_FAILED;
        relay->lock_fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (relay->lock_fd < 0)
                return err_set(err, EXIT_FAILED, "%s: %s", quote(path), strerrordesc_np(errno));
        if (flock(relay->lock_fd, LOCK_EX | LOCK_NB) == 0)
                return 0;
        err_set(err, EXIT_FAILED, "another relay is running: it holds %s", quote(path));
        return err_hint(
                err, EXIT_FAILED, "systemctl status driftd-output; driftctl output list shows what it does");
}

int
relay_new(const struct config *config, struct relay **ret, struct err *err)
{
        _cleanup_(relay_freep) struct relay *relay = calloc(1, sizeof *relay);
        if (!relay)
                return failed_oom(err);
        relay->config = config;
        relay->lock_fd = -1;
        relay->stop.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        pthread_mutex_init(&relay->lock, NULL);
        output_host_fill(&relay->host, "");
        int r = take_lock(relay, err);
        if (r)
                return r;
        if (relay->stop.fd < 0 || !(relay->outlets = calloc(config->n_outputs + 1, sizeof *relay->outlets)))
                return failed_oom(err);
        for (size_t i = 0; i < config->n_outputs && r == 0; i++) {
                relay->n_outlets++;
                r = outlet_open(&relay->outlets[i], relay, &config->outputs[i], err);
        }
        if (r == 0)
                *ret = steal_pointer(&relay);
        return r;
}

int
relay_start(struct relay *relay, struct err *err)
{
        int r = pthread_create(&relay->listener, NULL, relay_listen, relay);
        relay->listening = r == 0;
        for (size_t i = 0; i < relay->n_outlets && r == 0; i++) {
                r = pthread_create(&relay->outlets[i].thread, NULL, outlet_main, &relay->outlets[i]);
                relay->outlets[i].started = r == 0;
        }
        return r ? err_set(err, EXIT_FAILED, "a thread cannot be started: %s", strerrordesc_np(r)) : 0;
}

void
relay_stop(struct relay *relay)
{
        atomic_store(&relay->stop.now, true);
        eventfd_write(relay->stop.fd, 1);
        pthread_mutex_lock(&relay->lock); /* at most as long as the daemon is waited for */
        if (relay->follower)
                client_interrupt(relay->follower);
        pthread_mutex_unlock(&relay->lock);
        for (size_t i = 0; i < relay->n_outlets; i++)
                if (relay->outlets[i].started)
                        pthread_join(relay->outlets[i].thread, NULL);
        if (relay->listening)
                pthread_join(relay->listener, NULL);
}

struct relay *
relay_free(struct relay *relay)
{
        if (!relay)
                return NULL;
        for (size_t i = 0; i < relay->n_outlets; i++)
                outlet_done(&relay->outlets[i]);
        free(relay->outlets);
        client_free(relay->client);
        fd_close(relay->stop.fd);
        fd_close(relay->lock_fd);
        pthread_mutex_destroy(&relay->lock);
        free(relay);
        return NULL;
}

/* ---- telling how it goes ---- */

/* Not durable: it is of now. In its place at once all the same. */
static void
write_status(const char *path, const struct output_counts *counts)
{
        _cleanup_free_ char *temporary = NULL;
        _cleanup_buf_ struct buf text = {0};
        _cleanup_json_ struct json *status = json_make("{s:s, s:I, s:I, s:I, s:o, s:o, s:s?}", "type",
                output_type_names[counts->type], "delivered", (json_int)counts->delivered, "folded",
                (json_int)counts->folded, "failures", (json_int)counts->failures, "last_delivery",
                clock_json(counts->last_delivery_ms), "last_error_at", clock_json(counts->last_error_ms),
                "last_error", counts->last_error[0] ? counts->last_error : NULL);
        if (!status || json_write(status, &text) < 0 || asprintf(&temporary, "%s.tmp", path) < 0)
                return;
        _cleanup_fd_ int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd >= 0 && write(fd, text.data, text.size) == (ssize_t)text.size)
                (void)rename(temporary, path);
}

void
relay_tell(struct relay *relay, char *ret_line, size_t size)
{
        size_t failing = 0;
        uint64_t pending = 0;
        for (size_t i = 0; i < relay->n_outlets; i++) {
                struct outlet *outlet = &relay->outlets[i];
                struct output_counts counts;
                outlet_copy_counts(outlet, &counts);
                pthread_mutex_lock(&outlet->lock);
                bool changed = outlet->changed;
                outlet->changed = false;
                pthread_mutex_unlock(&outlet->lock);
                if (changed)
                        write_status(outlet->status_path, &counts);
                failing += counts.last_error[0] != '\0';
                pending = counts.pending > pending ? counts.pending : pending;
        }
        snprintf(ret_line, size, "STATUS=%zu outputs, %zu failing; the slowest is %llu records behind%s",
                relay->n_outlets, failing, (unsigned long long)pending,
                atomic_load(&relay->up) ? "" : "; the daemon does not answer");
}
