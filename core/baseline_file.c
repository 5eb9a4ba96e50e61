/* SPDX-License-Identifier: MIT */
/*
 * File expectations by index: an entry is taken apart when somebody asks for it, and found by binary search
 * over the very bytes whose digest is the id.
 */
#include "core/baseline_internal.h"

#include <string.h>

/* ---- what an entry says ---- */

const char *
baseline_file_path(const struct baseline *baseline, size_t index, size_t *ret_size)
{
        const char *path = baseline_line(baseline, index) + strlen("file ");
        *ret_size = (size_t)((const char *)rawmemchr(path, ' ') - path);
        return path;
}

const char *
baseline_file_line(const struct baseline *baseline, size_t index, size_t *ret_size)
{
        const char *line = baseline_line(baseline, index) + strlen("file ");
        *ret_size = (size_t)((const char *)rawmemchr(line, '\n') - line);
        return line;
}

uint64_t
baseline_file_size(const struct baseline *baseline, size_t index)
{
        static const char key[] = " size=";
        size_t size;
        const char *line = baseline_file_line(baseline, index, &size);
        const char *fields = memchr(line, ' ', size);
        const char *found = memmem(fields, size - (size_t)(fields - line), key, sizeof key - 1);
        return found ? strtoull(found + sizeof key - 1, NULL, 10) : 0; /* valid: the text was parsed */
}

int
baseline_file_attributes(const struct baseline *baseline, size_t index, struct attributes *ret)
{
        size_t size;
        const char *line = baseline_file_line(baseline, index, &size);
        const char *fields = memchr(line, ' ', size);
        return attributes_parse(fields, size - (size_t)(fields - line), ret, NULL);
}

int
baseline_file_append(
        const char *escaped_path, uint32_t mask, const struct attributes *attributes, struct buf *buf)
{
        int r = buf_text(buf, "file ");
        r = r ? r : buf_text(buf, escaped_path);
        r = r ? r : attributes_append(mask, attributes, buf);
        return r ? r : buf_text(buf, "\n");
}

/* ---- finding ---- */

int
baseline_files_order(const struct baseline *a, size_t a_index, const struct baseline *b, size_t b_index)
{
        size_t a_size, b_size;
        const char *left = baseline_file_path(a, a_index, &a_size);
        const char *right = baseline_file_path(b, b_index, &b_size);
        int order = memcmp(left, right, min_size(a_size, b_size));
        return order ? order : (a_size > b_size) - (a_size < b_size);
}

/* Whether entry `index` stands before path + last ('\0': nothing after the path). */
static bool
entry_before(const struct baseline *baseline, size_t index, const struct span *path, char last)
{
        struct span found;
        found.data = baseline_file_path(baseline, index, &found.size);
        int order = memcmp(found.data, path->data, min_size(found.size, path->size));
        if (order || found.size < path->size)
                return order ? order < 0 : true;
        if (last == '\0')
                return false;
        return found.size == path->size || found.data[path->size] < last;
}

/* The first entry that does not stand before path + last. */
static size_t
lower_bound(const struct baseline *baseline, const char *path, size_t size, char last)
{
        size_t low = 0, high = baseline->n_files;
        struct span wanted = {path, size};
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (entry_before(baseline, middle, &wanted, last))
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

bool
baseline_file_find(const struct baseline *baseline, const char *path, size_t size, size_t *ret_index)
{
        size_t index = lower_bound(baseline, path, size, '\0');
        *ret_index = index;
        if (index == baseline->n_files)
                return false;
        size_t found_size;
        const char *found = baseline_file_path(baseline, index, &found_size);
        return found_size == size && memcmp(found, path, size) == 0;
}

void
baseline_files_below(const struct baseline *baseline, const char *folder, size_t *ret_first, size_t *ret_end)
{
        size_t size = strlen(folder);
        if (size == 1) { /* "/": all but itself, which is the first if it is there */
                size_t first_size = 0;
                if (baseline->n_files)
                        baseline_file_path(baseline, 0, &first_size);
                *ret_first = first_size == 1;
                *ret_end = baseline->n_files;
                return;
        }
        *ret_first = lower_bound(baseline, folder, size, '/');
        *ret_end = lower_bound(baseline, folder, size, '/' + 1); /* '0' follows '/' in the order of bytes */
}
