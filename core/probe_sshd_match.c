/* SPDX-License-Identifier: MIT */
/*
 * Whom a Match block means: whether its criteria hold for a connection, as sshd_config(5) and PATTERNS of
 * ssh_config(5) say, and a connection for which they all do. The second is only believed where the first
 * agrees: a block of which nobody is found is unknown, never one that changes nothing.
 *
 * What a block does not ask is left out of the connection. Then no other block that asks it holds, so that
 * none of them hides what this one does.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "core/probe_sshd_internal.h"

/* ---- patterns ---- */

static char
lower(char byte)
{
        return byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
}

/* `*` and `?`, of a pattern of that many bytes. Goes back to the last star only, so time cannot explode. */
static bool
pattern_matches(const char *pattern, size_t size, const char *text, bool fold)
{
        const char *star = NULL, *from = NULL, *end = pattern + size;
        while (*text) {
                if (pattern < end && *pattern == '*') {
                        star = ++pattern;
                        from = text;
                } else if (pattern < end && (*pattern == '?' || (fold ? lower(*pattern) == lower(*text)
                                                                      : *pattern == *text))) {
                        pattern++;
                        text++;
                } else if (star) {
                        pattern = star;
                        text = ++from;
                } else {
                        return false;
                }
        }
        while (pattern < end && *pattern == '*')
                pattern++;
        return pattern == end;
}

struct piece {
        const char *text; /* in a list, not terminated */
        size_t size;
        bool negated;
};

/* The pieces of a comma-separated list; false at its end. */
static bool
next_piece(const char **list, struct piece *ret)
{
        if (!**list)
                return false;
        bool negated = **list == '!';
        const char *text = *list + negated;
        size_t size = strcspn(text, ",");
        *ret = (struct piece){text, size, negated};
        *list = text + size + (text[size] == ',');
        return true;
}

typedef bool piece_matcher(const struct piece *piece, const char *text);

/* One that is not negated does, and no negated one. */
static int
list_matches(const char *list, const char *text, piece_matcher *matches)
{
        struct piece piece;
        int found = 0;
        while (next_piece(&list, &piece)) {
                if (!matches(&piece, text))
                        continue;
                if (piece.negated)
                        return -1;
                found = 1;
        }
        return found;
}

static bool
matches_exactly(const struct piece *piece, const char *text)
{
        return pattern_matches(piece->text, piece->size, text, false);
}

static bool
matches_in_any_case(const struct piece *piece, const char *text)
{
        return pattern_matches(piece->text, piece->size, text, true);
}

/* ---- addresses ---- */

struct address {
        int family;
        unsigned char bytes[16];
        unsigned bits; /* of the mask */
};

static bool
address_read(const char *text, struct address *ret)
{
        *ret = (struct address){.family = AF_INET, .bits = 32};
        if (inet_pton(AF_INET, text, ret->bytes) == 1)
                return true;
        *ret = (struct address){.family = AF_INET6, .bits = 128};
        return inet_pton(AF_INET6, text, ret->bytes) == 1;
}

/* ADDRESS or ADDRESS/BITS */
static bool
network_read(const struct piece *piece, struct address *ret)
{
        char text[64], *end;
        if (piece->size >= sizeof text)
                return false;
        memcpy(text, piece->text, piece->size);
        text[piece->size] = '\0';
        char *slash = strchr(text, '/');
        if (slash)
                *slash = '\0';
        if (!address_read(text, ret))
                return false;
        if (!slash)
                return true;
        unsigned long bits = strtoul(slash + 1, &end, 10);
        if (end == slash + 1 || *end || bits > ret->bits)
                return false;
        ret->bits = (unsigned)bits;
        return true;
}

static bool
network_holds(const struct address *network, const struct address *address)
{
        if (network->family != address->family)
                return false;
        for (unsigned bit = 0; bit < network->bits; bit++) {
                unsigned mask = 0x80u >> (bit & 7);
                if ((network->bytes[bit / 8] & mask) != (address->bytes[bit / 8] & mask))
                        return false;
        }
        return true;
}

static bool
matches_address(const struct piece *piece, const char *text)
{
        struct address network, address;
        if (!address_read(text, &address))
                return false;
        if (network_read(piece, &network))
                return network_holds(&network, &address);
        return pattern_matches(piece->text, piece->size, text, false);
}

/* ---- whether a block holds ---- */

static bool
group_holds(const char *list, const char *name, const struct sshd_accounts *accounts)
{
        const struct sshd_user *user = accounts && name ? sshd_user_find(accounts, name) : NULL;
        bool found = false;
        for (size_t i = 0; user && i < accounts->n_groups; i++) {
                if (!sshd_user_in_group(user, &accounts->groups[i]))
                        continue;
                int r = list_matches(list, accounts->groups[i].name, matches_exactly);
                if (r < 0)
                        return false;
                found = found || r > 0;
        }
        return found;
}

static bool
port_holds(const char *pattern, unsigned port)
{
        char *end;
        unsigned long number = strtoul(pattern, &end, 10);
        return port && *pattern && !*end && number == port;
}

static bool
text_holds(const char *list, const char *text, piece_matcher *matches)
{
        return text && list_matches(list, text, matches) > 0;
}

static bool
match_holds(const struct sshd_match *match, const struct sshd_connection *connection,
        const struct sshd_accounts *accounts)
{
        switch (match->criterion) {
        case SSHD_ALL:
                return true;
        case SSHD_ADDRESS:
                return text_holds(match->pattern, connection->address, matches_address);
        case SSHD_LOCALADDRESS:
                return text_holds(match->pattern, connection->localaddress, matches_address);
        case SSHD_USER:
                return text_holds(match->pattern, connection->user, matches_exactly);
        case SSHD_RDOMAIN:
                return text_holds(match->pattern, connection->rdomain, matches_exactly);
        case SSHD_HOST:
                return text_holds(match->pattern, connection->host, matches_in_any_case);
        case SSHD_GROUP:
                return group_holds(match->pattern, connection->user, accounts);
        case SSHD_LOCALPORT:
                return port_holds(match->pattern, connection->localport);
        case SSHD_INVALID_USER:
                return connection->invalid_user;
        case SSHD_CRITERION_COUNT:
        default:
                return false;
        }
}

bool
sshd_block_holds(const struct sshd_block *block, const struct sshd_connection *connection,
        const struct sshd_accounts *accounts)
{
        for (size_t i = 0; i < block->count; i++)
                if (!match_holds(&block->list[i], connection, accounts))
                        return false;
        return block->count > 0;
}

const struct sshd_line *
sshd_config_find(const struct sshd_config *config, const char *keyword,
        const struct sshd_connection *connection, const struct sshd_accounts *accounts)
{
        const struct sshd_line *outside = NULL;
        for (size_t i = 0; i < config->n_lines; i++) {
                const struct sshd_line *line = &config->lines[i];
                if (strcmp(line->keyword, keyword) != 0)
                        continue;
                if (line->block == SSHD_GLOBAL) {
                        outside = outside ? outside : line;
                        continue;
                }
                if (sshd_block_holds(&config->blocks[line->block], connection, accounts))
                        return line;
        }
        return outside;
}

/* ---- a connection for a block ---- */

/* The stars and question marks of a pattern filled. False: too long. */
static bool
fill(const struct piece *piece, const char *star, char *ret, size_t room)
{
        size_t size = 0;
        for (size_t i = 0; i < piece->size; i++) {
                char one[2] = {piece->text[i] == '?' ? '1' : piece->text[i], '\0'};
                const char *part = piece->text[i] == '*' ? star : one;
                if (size + strlen(part) >= room)
                        return false;
                memcpy(ret + size, part, strlen(part));
                size += strlen(part);
        }
        ret[size] = '\0';
        return size > 0;
}

/* What a star may stand for; an address must be whole in the end. */
static const char *const stars[] = {"", "x", "1", "1.1", "1.1.1", "192.0.2.1", "2001:db8::1", ":1", "y0"};

/* The first address of a network, without the length of its mask. */
static bool
network_first(const struct piece *piece, char *ret, size_t room)
{
        struct address network;
        if (!network_read(piece, &network))
                return false;
        for (unsigned bit = network.bits; bit < 8 * sizeof network.bytes; bit++)
                network.bytes[bit / 8] &= (unsigned char)~(0x80u >> (bit & 7));
        return inet_ntop(network.family, network.bytes, ret, (socklen_t)room) != NULL;
}

/* -C is parted by commas, so no value with one can be said. */
static bool
can_be_said(const char *text)
{
        return *text && !strchr(text, ',');
}

struct search {
        const struct sshd_block *block;
        const struct sshd_accounts *accounts;
        struct sshd_choice *choice;
};

/* Whether all criteria of that kind hold by now. */
static bool
kind_holds(const struct search *search, enum sshd_criterion criterion)
{
        const struct sshd_block *block = search->block;
        for (size_t i = 0; i < block->count; i++)
                if (block->list[i].criterion == criterion &&
                        !match_holds(&block->list[i], &search->choice->connection, search->accounts))
                        return false;
        return true;
}

static bool
user_holds(const struct search *search)
{
        return kind_holds(search, SSHD_USER) && kind_holds(search, SSHD_GROUP);
}

static bool
try_text(const struct search *search, const struct sshd_match *match, const char **where, char *room,
        size_t size)
{
        const char *list = match->pattern;
        struct piece piece;
        bool is_address = match->criterion == SSHD_ADDRESS || match->criterion == SSHD_LOCALADDRESS;
        *where = room;
        while (next_piece(&list, &piece)) {
                if (piece.negated)
                        continue;
                if (is_address && network_first(&piece, room, size) && kind_holds(search, match->criterion))
                        return true;
                for (size_t i = 0; i < ARRAY_SIZE(stars); i++)
                        if (fill(&piece, stars[i], room, size) && can_be_said(room) &&
                                (match->criterion == SSHD_USER ? user_holds(search)
                                                               : kind_holds(search, match->criterion)))
                                return true;
        }
        *where = NULL;
        return false;
}

/* Somebody of the host, for criteria on groups. */
static bool
try_accounts(const struct search *search)
{
        for (size_t i = 0; search->accounts && i < search->accounts->n_users; i++) {
                search->choice->connection.user = search->accounts->users[i].name;
                if (can_be_said(search->choice->connection.user) && user_holds(search))
                        return true;
        }
        search->choice->connection.user = NULL;
        return false;
}

static bool
has(const struct sshd_block *block, enum sshd_criterion criterion)
{
        for (size_t i = 0; i < block->count; i++)
                if (block->list[i].criterion == criterion)
                        return true;
        return false;
}

static bool
choose_one(const struct search *search, const struct sshd_match *match)
{
        struct sshd_choice *choice = search->choice;
        struct sshd_connection *connection = &choice->connection;
        switch (match->criterion) {
        case SSHD_ADDRESS:
                return try_text(search, match, &connection->address, choice->address, sizeof choice->address);
        case SSHD_LOCALADDRESS:
                return try_text(search, match, &connection->localaddress, choice->localaddress,
                        sizeof choice->localaddress);
        case SSHD_HOST:
                return try_text(search, match, &connection->host, choice->host, sizeof choice->host);
        case SSHD_RDOMAIN:
                return try_text(search, match, &connection->rdomain, choice->rdomain, sizeof choice->rdomain);
        case SSHD_USER: /* where a group is asked for as well, the user must exist */
                return (!has(search->block, SSHD_GROUP) && try_text(search, match, &connection->user,
                                                                   choice->user, sizeof choice->user)) ||
                       try_accounts(search);
        case SSHD_GROUP:
                return try_accounts(search);
        case SSHD_LOCALPORT:
                connection->localport = (unsigned)strtoul(match->pattern, NULL, 10);
                return kind_holds(search, match->criterion);
        case SSHD_INVALID_USER:
                return connection->invalid_user = true;
        case SSHD_ALL:
                return true;
        case SSHD_CRITERION_COUNT:
        default:
                return false;
        }
}

static const char *
why_nobody(const struct sshd_match *match)
{
        switch (match->criterion) {
        case SSHD_GROUP:
                return "no user of /etc/passwd is such a member of";
        case SSHD_CRITERION_COUNT:
                return "this version does not know the criterion";
        default:
                return "no connection was found that meets";
        }
}

bool
sshd_block_choose(
        const struct sshd_block *block, const struct sshd_accounts *accounts, struct sshd_choice *ret)
{
        *ret = (struct sshd_choice){0};
        struct search search = {block, accounts, ret};
        for (size_t i = 0; i < block->count; i++) {
                const struct sshd_match *match = &block->list[i];
                if (match_holds(match, &ret->connection, accounts) || choose_one(&search, match))
                        continue;
                snprintf(ret->reason, sizeof ret->reason, "%s %s=%.128s", why_nobody(match), match->name,
                        match->pattern);
                return false;
        }
        if (sshd_block_holds(block, &ret->connection, accounts))
                return true;
        snprintf(ret->reason, sizeof ret->reason, "no connection was found that meets all of its criteria");
        return false;
}
