/* SPDX-License-Identifier: MIT */
/*
 * The ballot's screen: rows out, lines in. Ctrl-C simply ends the program, for nothing has been done yet; the
 * end of the input counts as quitting, never as consent.
 */
#include "cli/ballot_screen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DETAIL_ENTRIES_MAX 100u /* of a group */

static const char *
mark(size_t chosen, size_t count)
{
        return chosen == 0 ? "[ ]" : chosen == count ? "[x]" : "[-]";
}

static void
row_words(const struct ballot_screen *screen, const struct ballot_row *row, struct buf *ret)
{
        const struct ballot_entry *entry = &screen->ballot->entries[row->first];
        char count[WORDS_MAX], chosen[WORDS_MAX];
        size_t n = ballot_chosen(screen->ballot, row->first, row->count);
        if (!row->group) {
                screen->describe(screen->userdata, entry->index, ret);
                return;
        }
        buf_printf(ret, "%s %s", count_text(row->count, count), row->count == 1 ? "change" : "changes");
        if (n && n < row->count)
                buf_printf(ret, ", %s chosen", count_text(n, chosen));
        if (!row->open)
                buf_text(ret, "  …");
}

void
ballot_show(const struct ballot_screen *screen)
{
        const struct ballot *ballot = screen->ballot;
        _cleanup_table_ struct table table = table_make(3);
        for (size_t i = 0; i < ballot->n_rows; i++) {
                const struct ballot_row *row = &ballot->rows[i];
                const struct ballot_entry *entry = &ballot->entries[row->first];
                _cleanup_buf_ struct buf words = {0};
                size_t chosen = ballot_chosen(ballot, row->first, row->count);
                row_words(screen, row, &words);
                table_cell(&table, chosen ? COLOR_BOLD : COLOR_PLAIN, "%4zu %s", i + 1,
                        mark(chosen, row->count));
                if (row->group && !row->depth)
                        table_cell(&table, COLOR_PLAIN, "%s", screen->sections[entry->section]);
                else
                        table_cell(&table, COLOR_PLAIN, "%*s%.*s%s", (int)(2 * row->level), "",
                                (int)ballot_label_size(ballot, row), entry->item, row->group ? "/…" : "");
                table_cell(&table, COLOR_PLAIN, "%s", words.data ? words.data : "");
        }
        table_print(&table, &screen->cli->errors);
}

static void
show_detail(const struct ballot_screen *screen, size_t index)
{
        const struct ballot_row *row = &screen->ballot->rows[index];
        for (size_t i = 0; i < row->count && i < DETAIL_ENTRIES_MAX; i++) {
                const struct ballot_entry *entry = &screen->ballot->entries[row->first + i];
                _cleanup_buf_ struct buf words = {0};
                int r = row->group ? screen->describe(screen->userdata, entry->index, &words)
                                   : screen->detail(screen->userdata, entry->index, &words);
                print(&screen->cli->errors, row->group ? "  %s  %s\n" : "%s\n%s", entry->item,
                        r == 0 && words.data ? words.data : "");
        }
        if (row->count > DETAIL_ENTRIES_MAX)
                print(&screen->cli->errors, "  … and %zu more\n", row->count - DETAIL_ENTRIES_MAX);
}

static void
show_help(const struct ballot_screen *screen)
{
        print(&screen->cli->errors,
                "  1 3-5  choose these rows, or take them back     a  choose all      n  choose none\n"
                "  d N    show row N in detail                     o N  open or close a group\n"
                "  w      go on with what is chosen                q  quit: nothing happens\n");
}

enum next_step { STEP_SHOW, STEP_ASK, STEP_CONTINUE, STEP_QUIT };

static enum next_step
obey(const struct ballot_screen *screen, const struct ballot_command *command)
{
        switch (command->verb) {
        case BALLOT_TOGGLE:
                ballot_toggle(screen->ballot, command);
                return STEP_SHOW;
        case BALLOT_ALL:
        case BALLOT_NONE:
                ballot_choose(screen->ballot, command->verb == BALLOT_ALL);
                return STEP_SHOW;
        case BALLOT_DETAIL:
                show_detail(screen, command->ranges[0].first);
                return STEP_ASK;
        case BALLOT_OPEN:
                (void)ballot_open(screen->ballot, command->ranges[0].first);
                return STEP_SHOW;
        case BALLOT_CONTINUE:
                return STEP_CONTINUE;
        case BALLOT_QUIT:
                return STEP_QUIT;
        case BALLOT_HELP:
                show_help(screen);
                return STEP_ASK;
        default:
                return STEP_SHOW;
        }
}

static enum next_step
ask(const struct ballot_screen *screen)
{
        char *line = NULL;
        size_t size = 0;
        struct err err = {0};
        struct ballot_command command;
        enum next_step step = STEP_QUIT;
        print(&screen->cli->errors,
                "%zu of %zu chosen (? for help): ", ballot_chosen(screen->ballot, 0, screen->ballot->count),
                screen->ballot->count);
        fflush(stderr);
        if (getline(&line, &size, stdin) > 0) {
                step = STEP_ASK;
                if (ballot_parse(line, screen->ballot->n_rows, &command, &err) < 0)
                        print(&screen->cli->errors, "%s: %s\n", err.text, err.hint);
                else
                        step = obey(screen, &command);
        }
        free(line);
        return step;
}

int
ballot_run(const struct ballot_screen *screen, struct err *err)
{
        for (enum next_step step = STEP_SHOW;; step = ask(screen)) {
                if (step == STEP_SHOW)
                        ballot_show(screen);
                if (step == STEP_CONTINUE)
                        return 0;
                if (step == STEP_QUIT)
                        return err_set(err, EXIT_FAILED, "nothing was blessed");
        }
}
