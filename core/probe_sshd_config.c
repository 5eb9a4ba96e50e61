/* SPDX-License-Identifier: MIT */
/*
 * The text of sshd's configuration: which line sets what, under which Match block. sshd alone says what a
 * setting is; this file says where it comes from and which connections are worth asking about.
 *
 * Lines are kept in the order in which sshd meets them, includes in place. A block is named by all that its
 * connection must be: a Match in a file that was included inside of a block asks what that block asks as
 * well. At the end of an included file the block around its Include goes on.
 */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "core/probe_sshd_internal.h"

#define BLANKS " \t\r\n"
#define PATTERN_MAX 1024 /* bytes of one of Include: looking for it goes down name by name */

static int parse_text(struct sshd_config *config, const char *file, char *text, int base, int depth);
static int read_one(struct sshd_config *config, const char *path, int base, int depth);

/* Where a text is and what it is in. */
struct place {
        const char *file;
        unsigned line;
        int base;  /* the block around the Include of this file */
        int block; /* the one that is open */
        int depth;
};

/* ---- words ---- */

static void
skip_blanks(char **rest)
{
        *rest += strspn(*rest, BLANKS);
}

/*
 * The keyword, and the words of a Match line: they end at a blank or at one `=` with blanks around it, and a
 * part in quotes goes on to its closing one. NULL: there is none, or a quote is left open.
 */
static char *
cut_word(char **rest)
{
        if (!*rest)
                return NULL;
        char *word = *rest, *end = strpbrk(word, BLANKS "\"=");
        if (!end) {
                *rest = NULL;
                return word;
        }
        if (*end == '"') {
                memmove(end, end + 1, strlen(end));
                end = strchr(end, '"');
                if (!end)
                        return NULL;
                *end++ = '\0';
                *rest = end;
                skip_blanks(rest);
                return word;
        }
        bool equals = *end == '=';
        *end++ = '\0';
        *rest = end;
        skip_blanks(rest);
        if (!equals && **rest == '=') {
                (*rest)++;
                skip_blanks(rest);
        }
        return word;
}

/*
 * Undoes one argument in place, from *text on: quotes of both kinds, and a backslash before a quote, a
 * backslash, or a blank outside of quotes. *text is moved behind it. False: a quote is left open.
 */
static bool
cut_argument(char **text, char **ret)
{
        char *in = *text, *out = *text, quote = '\0';
        *ret = in;
        for (; *in; in++) {
                if (*in == '\\' && in[1] && (strchr("'\"\\", in[1]) || (!quote && in[1] == ' ')))
                        *out++ = *++in;
                else if (!quote && (*in == ' ' || *in == '\t'))
                        break;
                else if (!quote && (*in == '"' || *in == '\''))
                        quote = *in;
                else if (quote && *in == quote)
                        quote = '\0';
                else
                        *out++ = *in;
        }
        *text = *in ? in + 1 : in;
        *out = '\0';
        return !quote;
}

/* The next one; NULL at the end of the line or at a comment. *ret_whole: no quote was left open. */
static char *
next_argument(char **text, bool *ret_whole)
{
        char *argument;
        *ret_whole = true;
        *text += strspn(*text, " \t");
        if (!**text || **text == '#')
                return NULL;
        *ret_whole = cut_argument(text, &argument);
        return *ret_whole ? argument : NULL;
}

static void
lower(char *text)
{
        for (; *text; text++)
                if (*text >= 'A' && *text <= 'Z')
                        *text = (char)(*text - 'A' + 'a');
}

const char *
sshd_keyword(const char *keyword)
{
        static const char *const aliases[][2] = {
                {"challengeresponseauthentication", "kbdinteractiveauthentication"},
                {"dsaauthentication", "pubkeyauthentication"},
                {"hostbasedacceptedkeytypes", "hostbasedacceptedalgorithms"},
                {"hostdsakey", "hostkey"},
                {"keepalive", "tcpkeepalive"},
                {"pubkeyacceptedkeytypes", "pubkeyacceptedalgorithms"},
                {"skeyauthentication", "kbdinteractiveauthentication"},
        };
        for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
                if (strcmp(aliases[i][0], keyword) == 0)
                        return aliases[i][1];
        return keyword;
}

static int
add_text(char ***list, size_t *count, const char *text)
{
        if (array_grow(list, *count) < 0)
                return -ENOMEM;
        char *copy = strdup(text);
        if (!copy)
                return -ENOMEM;
        (*list)[(*count)++] = copy;
        return 0;
}

static int
note_error(struct sshd_config *config, const char *path, int error)
{
        if (config->error)
                return 0;
        config->error_path = strdup(path);
        if (!config->error_path)
                return -ENOMEM;
        config->error = error;
        return 0;
}

/* ---- Match ---- */

static const char *const criterion_names[SSHD_CRITERION_COUNT] = {
        [SSHD_ADDRESS] = "address",
        [SSHD_ALL] = "all",
        [SSHD_GROUP] = "group",
        [SSHD_HOST] = "host",
        [SSHD_INVALID_USER] = "invalid-user",
        [SSHD_LOCALADDRESS] = "localaddress",
        [SSHD_LOCALPORT] = "localport",
        [SSHD_RDOMAIN] = "rdomain",
        [SSHD_USER] = "user",
};

static enum sshd_criterion
criterion_find(const char *name)
{
        for (size_t i = 0; i < SSHD_CRITERION_COUNT; i++)
                if (strcmp(criterion_names[i], name) == 0)
                        return (enum sshd_criterion)i;
        return SSHD_CRITERION_COUNT;
}

static int
block_add(struct sshd_block *block, const char *name, const char *pattern)
{
        struct sshd_match *match = &block->list[block->count];
        match->name = strdup(name);
        match->pattern = strdup(pattern);
        block->count++;
        if (!match->name || !match->pattern)
                return -ENOMEM;
        lower(match->name);
        match->criterion = criterion_find(match->name);
        return 0;
}

static int
compare_matches(const void *a, const void *b)
{
        const struct sshd_match *x = a, *y = b;
        int order = strcmp(x->name, y->name);
        return order ? order : strcmp(x->pattern, y->pattern);
}

static int
block_name(struct sshd_block *block)
{
        _cleanup_buf_ struct buf text = {0};
        qsort(block->list, block->count, sizeof *block->list, compare_matches);
        for (size_t i = 0; i < block->count; i++) {
                const struct sshd_match *match = &block->list[i];
                if (i && compare_matches(match, match - 1) == 0)
                        continue;
                if (match->criterion == SSHD_ALL && block->count > 1)
                        continue; /* asks nothing beside the others */
                int r = buf_printf(&text, "%s%s%s%s", text.size ? "," : "", match->name,
                        *match->pattern ? "=" : "", match->pattern);
                if (r < 0)
                        return -ENOMEM;
        }
        if (!text.size && buf_text(&text, "all") < 0)
                return -ENOMEM;
        block->context = buf_steal(&text);
        return block->context ? 0 : -ENOMEM;
}

static void
block_done(struct sshd_block *block)
{
        for (size_t i = 0; i < block->count; i++) {
                free(block->list[i].name);
                free(block->list[i].pattern);
        }
        free(block->context);
        *block = (struct sshd_block){0};
}

static bool
criterion_is_bare(const char *name)
{
        return strcasecmp(name, "all") == 0 || strcasecmp(name, "invalid-user") == 0;
}

/* False: past a bound. */
static int
block_fill(struct sshd_block *block, const struct sshd_block *around, char *text, bool *ret_fits)
{
        char *word;
        int r = 0;
        *ret_fits = true;
        for (size_t i = 0; r == 0 && around && i < around->count; i++)
                r = block_add(block, around->list[i].name, around->list[i].pattern);
        while (r == 0 && (word = cut_word(&text)) && *word && *word != '#') {
                const char *pattern = criterion_is_bare(word) ? "" : cut_word(&text);
                if (!pattern || *pattern == '#')
                        break; /* sshd refuses it */
                if (block->count == SSHD_CRITERIA_MAX) {
                        *ret_fits = false;
                        break;
                }
                r = block_add(block, word, pattern);
        }
        return r;
}

static int
read_match(struct sshd_config *config, struct place *place, char *text)
{
        if (config->n_blocks == SSHD_BLOCKS_MAX) {
                config->truncated = true;
                place->block = (int)SSHD_BLOCKS_MAX; /* its lines are nobody's */
                return 0;
        }
        if (array_grow(&config->blocks, config->n_blocks) < 0)
                return -ENOMEM;
        struct sshd_block *block = &config->blocks[config->n_blocks];
        *block = (struct sshd_block){0};
        place->block = (int)config->n_blocks++;
        bool fits;
        const struct sshd_block *around =
                place->base >= 0 && place->base < (int)SSHD_BLOCKS_MAX ? &config->blocks[place->base] : NULL;
        int r = block_fill(block, around, text, &fits);
        config->truncated = config->truncated || !fits;
        return r < 0 ? r : block_name(block);
}

/* ---- Include ---- */

static int
note_folder(struct sshd_config *config, const char *path)
{
        for (size_t i = 0; i < config->n_folders; i++)
                if (strcmp(config->folders[i], path) == 0)
                        return 0;
        if (config->n_folders == SSHD_FILES_MAX) {
                config->truncated = true;
                return 0;
        }
        return add_text(&config->folders, &config->n_folders, path);
}

/* The folders whose entries decide what a pattern finds. */
static int
note_folders(struct sshd_config *config, const char *pattern)
{
        glob_t found;
        _cleanup_free_ char *folder = strdup(pattern);
        if (!folder)
                return -ENOMEM;
        char *slash = strrchr(folder, '/');
        if (!slash || slash == folder)
                return 0;
        *slash = '\0';
        if (!strpbrk(folder, "*?["))
                return note_folder(config, folder);
        int r = note_folders(config, folder);
        if (r < 0 || glob(folder, GLOB_ONLYDIR, NULL, &found) != 0)
                return r;
        for (size_t i = 0; r == 0 && i < found.gl_pathc; i++)
                r = note_folder(config, found.gl_pathv[i]);
        globfree(&found);
        return r;
}

static int
include_pattern(struct sshd_config *config, const struct place *place, const char *pattern)
{
        glob_t found;
        int r = glob(pattern, 0, NULL, &found);
        if (r == GLOB_NOSPACE)
                return -ENOMEM;
        if (r != 0 && r != GLOB_NOMATCH)
                return note_error(config, pattern, -EIO);
        size_t count = r == 0 ? found.gl_pathc : 0;
        r = 0;
        if (strpbrk(pattern, "*?[") || !count)
                r = note_folders(config, pattern);
        for (size_t i = 0; r == 0 && i < count; i++)
                r = read_one(config, found.gl_pathv[i], place->block, place->depth + 1);
        if (count)
                globfree(&found);
        return r;
}

static int
read_include(struct sshd_config *config, const struct place *place, char *text)
{
        char *argument;
        bool whole;
        if (config->text_only)
                return 0;
        if (place->depth >= SSHD_DEPTH_MAX) {
                config->truncated = true;
                return 0;
        }
        while ((argument = next_argument(&text, &whole))) {
                _cleanup_free_ char *pattern = NULL;
                if (strlen(argument) > PATTERN_MAX) {
                        config->truncated = true;
                        continue;
                }
                bool relative = *argument != '/' && *argument != '~';
                if (asprintf(&pattern, "%s%s", relative ? SSHD_FOLDER "/" : "", argument) < 0)
                        return -ENOMEM;
                int r = include_pattern(config, place, pattern);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- settings ---- */

static int
read_setting(struct sshd_config *config, const struct place *place, const char *keyword, char *text)
{
        _cleanup_buf_ struct buf value = {0};
        char *argument;
        bool whole;
        if (config->n_lines == SSHD_LINES_MAX || place->block >= (int)SSHD_BLOCKS_MAX) {
                config->truncated = true;
                return 0;
        }
        while ((argument = next_argument(&text, &whole)))
                if (buf_printf(&value, "%s%s", value.size ? " " : "", argument) < 0)
                        return -ENOMEM;
        if (!whole)
                return 0; /* sshd refuses it */
        if (array_grow(&config->lines, config->n_lines) < 0)
                return -ENOMEM;
        struct sshd_line line = {.file = place->file,
                .line = place->line,
                .block = place->block,
                .keyword = strdup(sshd_keyword(keyword)),
                .value = buf_steal(&value)};
        if (!line.keyword || !line.value) {
                free(line.keyword);
                free(line.value);
                return -ENOMEM;
        }
        config->lines[config->n_lines++] = line;
        return 0;
}

static int
parse_line(struct sshd_config *config, struct place *place, char *line)
{
        line += strspn(line, " \t\r");
        for (size_t size = strlen(line); size > 1 && strchr(BLANKS "\f", line[size - 1]); size--)
                line[size - 1] = '\0';
        if (!*line)
                return 0;
        char *keyword = cut_word(&line);
        if (keyword && !*keyword)
                keyword = cut_word(&line);
        if (!keyword || !*keyword || *keyword == '#' || !line || !*line)
                return 0;
        lower(keyword);
        if (strcmp(keyword, "match") == 0)
                return read_match(config, place, line);
        if (strcmp(keyword, "include") == 0)
                return read_include(config, place, line);
        return read_setting(config, place, keyword, line);
}

static int
parse_text(struct sshd_config *config, const char *file, char *text, int base, int depth)
{
        if (add_text(&config->files, &config->n_files, file) < 0)
                return -ENOMEM;
        struct place place = {
                .file = config->files[config->n_files - 1], .base = base, .block = base, .depth = depth};
        char *line;
        int r = 0;
        while (r == 0 && (line = strsep(&text, "\n"))) {
                place.line++;
                r = parse_line(config, &place, line);
        }
        return r;
}

/* sshd keeps nothing of a line from a NUL on, not even its end. */
static void
drop_from_nul(struct buf *text)
{
        size_t out = 0;
        bool dropping = false;
        for (size_t in = 0; in < text->size; in++) {
                dropping = dropping || !text->data[in];
                if (!dropping)
                        text->data[out++] = text->data[in];
                dropping = dropping && text->data[in] != '\n';
        }
        if (text->data)
                text->data[out] = '\0';
        text->size = out;
}

static int
read_one(struct sshd_config *config, const char *path, int base, int depth)
{
        _cleanup_buf_ struct buf text = {0};
        if (config->n_files >= SSHD_FILES_MAX || config->size >= SSHD_TEXT_MAX) {
                config->truncated = true;
                return 0;
        }
        int r = sshd_read_file(path, min_size(SSHD_FILE_MAX, SSHD_TEXT_MAX - config->size), &text, NULL);
        if (r == -ENOMEM)
                return r;
        if (r < 0) /* it is watched all the same */
                return add_text(&config->files, &config->n_files, path) < 0 ? -ENOMEM
                                                                            : note_error(config, path, r);
        config->size += text.size;
        drop_from_nul(&text);
        return parse_text(config, path, text.data, base, depth);
}

int
sshd_config_read(struct sshd_config *config, const char *path)
{
        return read_one(config, path, SSHD_GLOBAL, 0);
}

int
sshd_config_parse(struct sshd_config *config, const char *file, char *text)
{
        return parse_text(config, file, text, SSHD_GLOBAL, 0);
}

static void
texts_done(char **list, size_t count)
{
        for (size_t i = 0; i < count; i++)
                free(list[i]);
        free(list);
}

void
sshd_config_done(struct sshd_config *config)
{
        texts_done(config->files, config->n_files);
        texts_done(config->folders, config->n_folders);
        for (size_t i = 0; i < config->n_lines; i++) {
                free(config->lines[i].keyword);
                free(config->lines[i].value);
        }
        for (size_t i = 0; i < config->n_blocks; i++)
                block_done(&config->blocks[i]);
        free(config->lines);
        free(config->blocks);
        free(config->error_path);
        *config = (struct sshd_config){0};
}
