/* SPDX-License-Identifier: MIT */
/*
 * What is known of sysctls, in tables: which are not looked at and why, which are facts of the machine, and
 * how the kernel makes an interface's effective value out of several keys. Pure; a key that moves by itself
 * or a rule of the kernel is one row here. Which keys move was measured by looking for hours on machines
 * under load; what a kernel of another version or with other modules moves as well is taken from its sources.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/buf.h"
#include "core/digest.h"
#include "core/item.h"
#include "core/probe_sysctl.h"

static bool
any_matches(const char *const *globs, size_t n_globs, const char *text)
{
        for (size_t i = 0; i < n_globs; i++)
                if (glob_match(globs[i], text))
                        return true;
        return false;
}

/* ---- keys that are not looked at ---- */

static const char *const left_out[] = {
        /* Counters and states: they move all the time. */
        "fs/dentry-state",
        "fs/file-nr",
        "fs/inode-nr",
        "fs/inode-state",
        "fs/aio-nr",
        "fs/quota/**",
        "fs/epoll/**",
        "kernel/ns_last_pid",
        "kernel/pty/nr",
        "net/netfilter/nf_conntrack_count",
        "kernel/random/uuid",          /* another at each read */
        "kernel/random/boot_id",       /* another at each boot */
        "kernel/random/entropy_avail", /* */
        "kernel/sched_domain/**",      /* made anew whenever a CPU comes or goes */
        "fs/binfmt_misc/register",     /* write-only; its folder's entries are looked at */
        "fs/binfmt_misc/status",       /* there only once something mounted it */
        "dev/cdrom/info",              /* tells of the drives that are plugged in */
        /* The kernel lowers it by itself when a sample takes too long (perf_duration_warn). */
        "kernel/perf_event_max_sample_rate",
        /* Reading acts, or makes the kernel warn. */
        "vm/stat_refresh",
        "net/*/neigh/*/base_reachable_time",
        "net/*/neigh/*/retrans_time",
        /* Write-only; the mode says so too, but not in every kernel. */
        "net/ipv4/route/flush",
        "net/ipv6/route/flush",
        "vm/compact_memory",
        "vm/drop_caches",
};

static const char *const ephemeral[] = {
        "veth*", "docker*", "br-*", "cali*", "cni*", "flannel*", "tap*", "lxc*", "vnet*"};

/* Whether it is net/FAMILY/{conf,neigh}/INTERFACE or below it, with an interface that comes and goes. */
static bool
is_ephemeral(const char *key)
{
        if (strncmp(key, "net/", 4) != 0)
                return false;
        const char *kind = strchr(key + 4, '/');
        if (!kind)
                return false;
        kind++;
        const char *interface = NULL;
        if (strncmp(kind, "conf/", 5) == 0)
                interface = kind + 5;
        else if (strncmp(kind, "neigh/", 6) == 0)
                interface = kind + 6;
        char name[256];
        size_t size = interface ? strcspn(interface, "/") : 0;
        if (!size || size >= sizeof name)
                return false;
        memcpy(name, interface, size);
        name[size] = '\0';
        return any_matches(ephemeral, ARRAY_SIZE(ephemeral), name);
}

bool
sysctl_is_left_out(const char *key)
{
        return is_ephemeral(key) || any_matches(left_out, ARRAY_SIZE(left_out), key);
}

/* ---- secrets and facts ---- */

bool
sysctl_is_secret(const char *key)
{
        static const char *const names[] = {"stable_secret", "tcp_fastopen_key", "netdev_rss_key"};
        const char *slash = strrchr(key, '/');
        const char *name = slash ? slash + 1 : key;
        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if (strcmp(name, names[i]) == 0)
                        return true;
        return false;
}

static const char *const facts[] = {
        /* Its names and its kernel. */
        "kernel/hostname",
        "kernel/domainname",
        "kernel/version",
        "kernel/osrelease",
        /* Follow the memory, and its free part at boot. */
        "**/*_mem",
        "fs/file-max",
        "fs/inotify/max_user_watches",
        "fs/inotify/max_user_instances",
        "fs/fanotify/max_user_marks",
        "fs/fuse/max_user_*",
        "kernel/threads-max",
        "user/max_*",
        "vm/min_free_kbytes",
        "vm/user_reserve_kbytes",
        "vm/admin_reserve_kbytes",
        "net/nf_conntrack_max",
        "net/netfilter/nf_conntrack_max",
        "net/netfilter/nf_conntrack_buckets",
        "net/netfilter/nf_conntrack_expect_max",
        "net/ipv4/tcp_max_orphans",
        "net/ipv4/tcp_max_tw_buckets",
        "net/ipv4/tcp_max_syn_backlog",
        "net/ipv4/tcp_ehash_entries",
        "net/ipv4/udp_hash_entries",
        "net/ipv4/inet_peer_threshold",
        "net/core/bpf_jit_limit",
        /* Follow the number of CPUs. */
        "kernel/pid_max",
        "kernel/sched_*_granularity_ns",
        "kernel/sched_*latency_ns",
        /* Drawn when the machine boots, or when first needed. */
        "net/core/netdev_rss_key",
        "net/ipv4/tcp_fastopen_key",
};

bool
sysctl_is_host_fact(const char *key)
{
        return any_matches(facts, ARRAY_SIZE(facts), key);
}

/* ---- the effective value on an interface ---- */

#define IPV4 "net/ipv4/conf/"
#define IPV6 "net/ipv6/conf/"

static const struct sysctl_rule rules[] = {
        {IPV4, "rp_filter", SYSCTL_MAX, true, false},
        {IPV4, "arp_ignore", SYSCTL_MAX, true, false},
        {IPV4, "arp_announce", SYSCTL_MAX, true, false},
        {IPV4, "log_martians", SYSCTL_OR, true, false},
        {IPV4, "send_redirects", SYSCTL_OR, true, false},
        {IPV4, "secure_redirects", SYSCTL_OR, true, false},
        {IPV4, "proxy_arp", SYSCTL_OR, true, false},
        {IPV4, "accept_local", SYSCTL_OR, true, false},
        {IPV4, "arp_filter", SYSCTL_OR, true, false},
        {IPV4, "route_localnet", SYSCTL_OR, true, false},
        {IPV4, "shared_media", SYSCTL_OR, true, false},
        {IPV4, "accept_source_route", SYSCTL_AND, true, false},
        {IPV4, "bootp_relay", SYSCTL_AND, true, false},
        {IPV4, "mc_forwarding", SYSCTL_AND, true, false},
        {IPV4, "accept_redirects", SYSCTL_REDIRECTS, true, true},
        {IPV6, "accept_source_route", SYSCTL_MIN, true, false},
        {IPV6, "accept_redirects", SYSCTL_OWN_REDIRECTS, false, true},
        {IPV6, "accept_ra", SYSCTL_OWN_ADVERTS, false, true},
};

const struct sysctl_rule *
sysctl_rule_of(const char *key)
{
        if (strncmp(key, IPV4, strlen(IPV4)) != 0 && strncmp(key, IPV6, strlen(IPV6)) != 0)
                return NULL;
        const char *interface = key + strlen(IPV4);
        const char *name = strchr(interface, '/');
        if (!name || strncmp(interface, "all/", 4) == 0 || strncmp(interface, "default/", 8) == 0)
                return NULL;
        for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
                if (strncmp(key, rules[i].family, strlen(rules[i].family)) == 0 &&
                        strcmp(name + 1, rules[i].name) == 0)
                        return &rules[i];
        return NULL;
}

int64_t
sysctl_effective(enum sysctl_effect effect, int64_t all, int64_t own, bool forwarding)
{
        switch (effect) {
        case SYSCTL_MAX:
                return all > own ? all : own;
        case SYSCTL_MIN:
                return all < own ? all : own;
        case SYSCTL_OR:
                return all || own;
        case SYSCTL_AND:
                return all && own;
        case SYSCTL_REDIRECTS:
                return forwarding ? all && own : all || own;
        case SYSCTL_OWN_REDIRECTS:
                return forwarding ? 0 : own;
        case SYSCTL_OWN_ADVERTS:
                return forwarding && own != 2 ? 0 : own;
        }
        return own;
}

/* ---- values ---- */

static bool
is_blank(char c)
{
        return c == ' ' || c == '\t';
}

char *
sysctl_value_new(const char *data, size_t size)
{
        char *value = malloc(size + 1);
        if (!value)
                return NULL;
        if (size && data[size - 1] == '\n')
                size--;
        size_t used = 0;
        for (size_t i = 0; i < size; i++) {
                if (!is_blank(data[i]))
                        value[used++] = data[i];
                else if (!i || !is_blank(data[i - 1]))
                        value[used++] = ' ';
        }
        value[used] = '\0';
        return value;
}

char *
sysctl_digest_new(const char *value)
{
        struct digest digest;
        char hex[DIGEST_HEX_SIZE];
        char *text = NULL;
        digest_bytes(value, strlen(value), &digest);
        digest_hex(&digest, hex);
        return asprintf(&text, "sha256:%s", hex) < 0 ? NULL : text;
}

/* One number as the kernel takes it (base 0), ended by a blank or the end. Sets *p after it. */
static bool
take_number(const char **p, bool *ret_negative, unsigned long long *ret)
{
        const char *start = *p;
        char *end;
        *ret_negative = *start == '-';
        start += *ret_negative;
        if (*start < '0' || *start > '9')
                return false;
        errno = 0;
        *ret = strtoull(start, &end, 0);
        if (errno || (*end && *end != ' '))
                return false;
        *p = end;
        return true;
}

static bool
is_numbers(const char *text)
{
        bool negative;
        unsigned long long number;
        while (take_number(&text, &negative, &number)) {
                if (!*text)
                        return true;
                text++;
        }
        return false;
}

char *
sysctl_after_writing_new(const char *running, const char *written)
{
        _cleanup_buf_ struct buf buf = {0};
        bool negative = false;
        unsigned long long number = 0;
        if (!running || !is_numbers(running) || !is_numbers(written))
                return strdup(written);
        for (;; written++, running++) {
                take_number(&written, &negative, &number);
                if (buf_printf(&buf, "%s%llu", negative && number ? "-" : "", number) < 0)
                        return NULL;
                running += strcspn(running, " ");
                if (!*written || !*running)
                        break;
                if (buf_text(&buf, " ") < 0)
                        return NULL;
        }
        /* Fields that are not written stay; more than the key has are refused by the kernel. */
        if (buf_text(&buf, *written ? written : running) < 0)
                return NULL;
        return buf_steal(&buf);
}
