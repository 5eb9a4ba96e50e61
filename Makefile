# SPDX-License-Identifier: MIT
#
# driftd: make · make check · make check-asan · make lint · make fuzz · make demo · make install
#
# Everything that is built lands in $(BUILD); the programs run from there.

VERSION = 0.1.0
BUILD  ?= build

prefix         = /usr/local
exec_prefix    = $(prefix)
bindir         = $(exec_prefix)/bin
sbindir        = $(exec_prefix)/sbin
libexecdir     = $(exec_prefix)/libexec
datarootdir    = $(prefix)/share
datadir        = $(datarootdir)
mandir         = $(datarootdir)/man
docdir         = $(datarootdir)/doc/driftd
sysconfdir     = /etc
localstatedir  = /var
runstatedir    = /run
systemdunitdir = /usr/lib/systemd/system
sysusersdir    = /usr/lib/sysusers.d
tmpfilesdir    = /usr/lib/tmpfiles.d
catalogdir     = /usr/lib/systemd/catalog
INSTALL        = install

PACKAGES = libsodium libcrypto INIReader libsystemd sqlite3 jansson
LIBS     = -lsodium -lcrypto -linih -lsystemd -lsqlite3 -ljansson -pthread

# Warnings are errors for those who set WERROR=1 (development and CI), never in a user's build.
WARNINGS = -Wall -Wextra -Wconversion -Wshadow -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes \
           -Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wvla -Wimplicit-fallthrough
CFLAGS  ?= -O2 -g
CPPFLAGS += -I. -D_GNU_SOURCE -DDRIFTD_VERSION='"$(VERSION)"'

# Each hardening flag is tried first and used only where the compiler takes it.
try = $(foreach flag,$(1),$(shell $(CC) -Werror $(flag) -x c -c -o /dev/null /dev/null 2>/dev/null && echo '$(flag)'))
ifeq ($(SANITIZE),)
HARDENING := $(call try,-D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection \
             -fcf-protection=full -ftrivial-auto-var-init=zero -fPIE)
LDHARDENING = -pie -Wl,-z,relro,-z,now,-z,noexecstack
else
HARDENING := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
LDHARDENING = -fsanitize=$(SANITIZE)
endif

ALL_CFLAGS = -std=gnu17 $(WARNINGS) $(if $(WERROR),-Werror) $(HARDENING) -pthread $(CFLAGS)
ALL_LDFLAGS = $(LDHARDENING) $(LDFLAGS)

CORE   := $(patsubst %.c,$(BUILD)/%.o,$(wildcard core/*.c))
DAEMON := $(patsubst %.c,$(BUILD)/%.o,$(wildcard daemon/*.c))
CLI    := $(patsubst %.c,$(BUILD)/%.o,$(wildcard cli/*.c))
UNIT   := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))
FUZZ   := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))

.PHONY: all
all: $(BUILD)/driftd $(BUILD)/driftctl

$(BUILD)/libdrift.a: $(CORE)
	rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/driftd: $(DAEMON) $(BUILD)/libdrift.a
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/driftctl: $(CLI) $(BUILD)/libdrift.a
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tests/unit/%: tests/unit/%.c $(BUILD)/libdrift.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP $(ALL_LDFLAGS) -o $@ $< $(BUILD)/libdrift.a -lcheck -lsubunit -lm -lrt $(LIBS)

.PHONY: unit
unit: $(UNIT)
	@for t in $(UNIT); do $$t || exit 1; done

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
